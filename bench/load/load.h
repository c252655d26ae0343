/* The load generator: Socket.IO v5 over Engine.IO v4 over WebSocket or polling, one thread, epoll.
 *
 * Knows nothing of any server: every server under test gets the same bytes.
 * main.c reads the options, run.c is the clock of a run (connect, warm up, measure, drain, close), report.c its
 * result, stats.c the numbers, case_*.c what is said; how it is carried is in transport.h, which no case sees.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- bytes ---------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *data;
    size_t start, end, capacity; /* the bytes are data[start..end) */
} Buffer;

static inline size_t buffer_size(const Buffer *b) { return b->end - b->start; }
void buffer_reserve(Buffer *b, size_t more); /* room for `more` bytes after end */
void buffer_append(Buffer *b, const void *bytes, size_t n);
void buffer_consume(Buffer *b, size_t n);
void buffer_free(Buffer *b);

/* ---- connections ---------------------------------------------------------------------------- */

typedef enum { CONN_NEW, CONN_CONNECTING, CONN_OPEN, CONN_JOIN, CONN_READY, CONN_CLOSING, CONN_DONE, CONN_CLOSED } ConnState;

typedef struct Link Link;       /* one TCP connection */
typedef struct Polling Polling; /* what polling keeps of a connection */

typedef struct {
    int index;
    ConnState state;
    bool was_paused;
    Link *links;
    Polling *polling;
    uint32_t joined;       /* namespaces that the server has let it into, one bit each */
    uint32_t attachments;  /* announced by the last packet and still to come */
    uint64_t opened_at_ns; /* when its TCP connection was begun */
    /* The case's own: */
    uint32_t sent, answered; /* messages sent, answers (or broadcasts) seen */
    uint64_t *sent_at_ns;    /* a ring of in_flight send times */
    void *user;
} Conn;

/* What is sent or closed is queued until conn_flush. The connection whose packet is at hand is flushed when all that
 * came with it has been read, so on_packet flushes only the others. */
void conn_send(Conn *c, const void *text, size_t n);         /* one Engine.IO text message, from its '4' on */
void conn_send_binary(Conn *c, const void *bytes, size_t n); /* one attachment, behind the packet that announced it */
void conn_close(Conn *c);
void conn_flush(Conn *c);
void conn_open(Conn *c); /* one that is new or CONN_CLOSED */
void conn_pause(Conn *c); /* reads nothing from it any more, until conn_resume */
void conn_resume(Conn *c);

void conns_start(void);
void conns_open_some(void); /* opens those that are new, so many at once */
void conns_begin_close(void);
void net_poll(int timeout_ms); /* one turn: reads and answers what is there, waits at most that long for it */

/* ---- a run ---------------------------------------------------------------------------------- */

/* What is said in a run. Only name, unit, start, on_packet and in_flight must be there. */
typedef struct {
    const char *name;
    const char *unit;  /* what is counted */
    const char *event; /* what is emitted unless --event says otherwise; NULL: the case's name */
    void (*start)(void);                                     /* all connections are ready */
    void (*on_packet)(Conn *c, const char *text, size_t n);  /* a Socket.IO packet, Engine.IO's '4' taken off */
    void (*on_binary)(Conn *c, const uint8_t *bytes, size_t n); /* an attachment of the last packet */
    uint64_t (*in_flight)(void);                             /* answers that are still owed */
    /* The namespaces that a connection joins before it is ready, in place of "/" (which may be among them). */
    const char *const *(*namespaces)(int *count);
    void (*on_ready)(Conn *c);
    void (*on_closed)(Conn *c);
    void (*drained)(void);  /* nothing is owed any more and nothing new is sent: last checks, which may net_poll */
    int (*tick)(void);      /* sends what is due by the clock; returns the milliseconds until more is, or -1 */
    void (*report)(void);   /* prints what else the result has: , "name": value */
    bool rests;             /* its connections only wait: that for polling's POSTs is not kept between them */
    bool may_be_closed;     /* the server may close connections that were paused: they are counted in cut_off */
} Case;

extern const Case case_echo, case_event, case_namespaces, case_broadcast, case_rooms, case_burst, case_slow, case_mixed, case_connect, case_idle;

enum { PORTS = 64, WATCHED = 64 };

typedef struct {
    const Case *kind;
    const char *host, *path, *event, *room; /* room: what rooms' names begin with */
    bool polling, tls, binary;
    int ports[PORTS], port_count; /* connection 0 is of the first, the others are of the rest in turn */
    int connections, in_flight;
    int namespaces, rooms, members, slow, active, idle, burst; /* 0: not given; a case that needs one fails without it */
    size_t size_bytes;
    double warmup_s, seconds, rate; /* rate: messages a second, 0 for as many as are answered */
    uint64_t count;  /* 0: by time only */
    pid_t server_pid; /* 0: its CPU is not read */
    int watched[WATCHED], watched_count; /* other processes whose CPU in the window is told, such as a cluster's */
} Options;

extern Options options;
extern Conn *conns;
extern int ready_count, closed_count;
extern uint64_t now_ns;    /* taken once for each connection that has something to read */
extern bool sending;       /* false once the window is over: owed answers are awaited, nothing new is sent */
extern uint64_t counted;   /* answers or deliveries since the start */
extern uint64_t cycles;    /* places where a sample may be taken: an answer came, or all broadcasts have reached everybody */
extern int cut_off;        /* connections that the server closed, and was allowed to */

/* Prints {"ok": false, "error": ...} and exits 1: the first wrong answer ends the run. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run(void);

/* ---- numbers -------------------------------------------------------------------------------- */

typedef struct {
    uint64_t wall_ns, counted, server_cpu_ns, load_cpu_ns, server_rss_bytes;
    uint64_t server_waited_ns, load_waited_ns; /* ready to run, but another process had the CPU */
    uint64_t server_user_ticks, server_system_ticks; /* /proc/<pid>/stat */
    uint64_t watched_cpu_ns[WATCHED];
} Sample;

uint64_t clock_ns(void);
void sample_take(Sample *s);
/* Prints the result: before the first connection, when all were ready, and at both ends of the window. */
void report(const Sample *idle, const Sample *ready, const Sample *from, const Sample *to);
void latency_reset(void);
void latency_add(uint64_t ns);
double latency_percentile_us(double fraction);

size_t decimal_write(char *to, uint32_t value); /* no 0 after it; returns how many digits */
/* `n` characters (with --binary: any bytes) that say which message of which connection they are, and differ from the
 * next one's. */
void payload_write(char *to, size_t n, uint32_t connection, uint32_t sequence);
/* What payload_write was told; false if the first 16 characters do not say it. */
bool payload_read(const char *text, size_t n, uint32_t *connection, uint32_t *sequence);
bool payload_is(const char *text, size_t n, uint32_t connection, uint32_t sequence);

#endif

/* The load generator: Socket.IO v5 over Engine.IO v4 over WebSocket, one thread, epoll.
 *
 * Knows nothing of any server: every server under test gets the same bytes.
 * main.c reads the options and reports, run.c is the clock of a run (connect, warm up, measure, drain,
 * close), net.c the connections, ws.c the frames, stats.c the numbers, case_*.c what is said.
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

/* ---- frames (RFC 6455) ---------------------------------------------------------------------- */

enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

typedef struct {
    int opcode;
    const uint8_t *payload;
    size_t payload_bytes;
    size_t frame_bytes; /* header and payload */
} Frame;

/* Appends one masked client frame. */
void ws_write(Buffer *out, int opcode, const void *payload, size_t n);
/* 1: a whole frame is at `bytes`; 0: more bytes are needed, `frame_bytes` says how many when it is known
 * (else 0). A frame that no server may send fails the run. */
int ws_parse(const uint8_t *bytes, size_t n, Frame *frame);

/* ---- connections ---------------------------------------------------------------------------- */

typedef enum { CONN_NEW, CONN_CONNECTING, CONN_HTTP, CONN_OPEN, CONN_JOIN, CONN_READY, CONN_CLOSING, CONN_CLOSED } ConnState;

typedef struct {
    int fd, index;
    ConnState state;
    bool polls_write;
    Buffer in, out;
    uint32_t sent, answered; /* the case's own: messages sent, answers (or broadcasts) seen */
    uint64_t *sent_at_ns;    /* the case's own: a ring of in_flight send times */
} Conn;

void net_start(void);
void net_connect_some(void); /* keeps up to CONNECT_AT_ONCE handshakes under way */
void net_poll(int timeout_ms);
void conn_send(Conn *c, const void *text, size_t n); /* queues one text message; conn_flush writes it */
void conn_flush(Conn *c);
void net_begin_close(void);

/* ---- a run ---------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const char *unit; /* what is counted */
    void (*start)(void);                                     /* all connections are ready */
    void (*on_packet)(Conn *c, const char *text, size_t n);  /* a Socket.IO packet, Engine.IO's '4' taken off */
    uint64_t (*in_flight)(void);                             /* answers that are still owed */
} Case;

extern const Case case_echo, case_broadcast, case_idle;

typedef struct {
    const Case *kind;
    const char *host, *path, *event;
    int port, connections, in_flight;
    size_t size_bytes;
    double warmup_s, seconds;
    uint64_t count;  /* 0: by time only */
    pid_t server_pid; /* 0: its CPU is not read */
} Options;

extern Options options;
extern Conn *conns;
extern int ready_count, closed_count;
extern uint64_t now_ns;    /* taken once for each connection that has something to read */
extern bool sending;       /* false once the window is over: owed answers are awaited, nothing new is sent */
extern uint64_t counted;   /* answers or deliveries since the start */
extern uint64_t cycles;    /* places where a sample may be taken: an answer came, or all broadcasts have reached everybody */

/* Prints {"ok": false, "error": ...} and exits 1: the first wrong answer ends the run. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run(void);

/* ---- numbers -------------------------------------------------------------------------------- */

typedef struct {
    uint64_t wall_ns, counted, server_cpu_ns, load_cpu_ns, server_rss_bytes;
    uint64_t server_waited_ns, load_waited_ns; /* ready to run, but another process had the CPU */
    uint64_t server_user_ticks, server_system_ticks; /* /proc/<pid>/stat */
} Sample;

uint64_t clock_ns(void);
void sample_take(Sample *s);
void latency_reset(void);
void latency_add(uint64_t ns);
double latency_percentile_us(double fraction);

size_t decimal_write(char *to, uint32_t value); /* no 0 after it; returns how many digits */
/* `n` characters that say which message of which connection they are, and differ from the next one's. */
void payload_write(char *to, size_t n, uint32_t connection, uint32_t sequence);
bool payload_is(const char *text, size_t n, uint32_t connection, uint32_t sequence);

#endif

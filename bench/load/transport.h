/* What the load generator is made of below the cases: TCP connections, the transports on them, the handshakes.
 *
 * net.c has the links and epoll, tls.c OpenSSL under a link, websocket.c and polling.c the transports, frames.c
 * and http.c what they read and write, conn.c what Engine.IO and Socket.IO say at the start and at the end.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include "load.h"

/* ---- links ---------------------------------------------------------------------------------- */

typedef enum { LINK_CLOSED, LINK_CONNECTING, LINK_TLS_HANDSHAKE, LINK_OPEN } LinkState;

/* One TCP connection. */
struct Link {
    Conn *conn;
    int fd;
    LinkState state;
    bool paused;
    uint32_t watched; /* what epoll was told to look for; 0: nothing, and the link is not in it */
    Buffer in, out;
    struct ssl_st *tls;
};

void net_start(void);
void link_open(Link *l); /* Transport.connected follows, from net_poll */
void link_flush(Link *l);
void link_close(Link *l); /* not from within Transport.read, which still has its bytes */
void link_pause(Link *l, bool paused);

/* As recv() and send(), on what lies under a link; errno is EAGAIN where TLS wants to wait. */
void tls_start(void); /* fails the run if this program was built without TLS */
bool tls_handshake(Link *l); /* true: done; false: call again when there is more to read */
ssize_t tls_read(Link *l, void *to, size_t n);
ssize_t tls_write(Link *l, const void *bytes, size_t n);
bool tls_has_more(const Link *l); /* it was read from the socket already: epoll will not speak of it */
void tls_close(Link *l);

/* ---- transports ----------------------------------------------------------------------------- */

typedef struct {
    int links; /* TCP connections of one client; the first is opened by conn_open */
    void (*connected)(Link *l);
    /* Reads all that is whole; returns how many bytes it used, and in `wanted` how many more it knows to want. */
    size_t (*read)(Link *l, uint8_t *bytes, size_t n, size_t *wanted);
    void (*ended)(Link *l); /* the server closed this link, or it broke */
    void (*opened)(Conn *c, const char *text, size_t n); /* Engine.IO's open packet came; may be NULL */
    void (*send)(Conn *c, const void *text, size_t n);
    void (*send_binary)(Conn *c, const void *bytes, size_t n);
    void (*flush)(Conn *c);
    void (*close)(Conn *c); /* begins an orderly close, which ends in conn_closed; or CONN_DONE, if it takes nothing */
} Transport;

extern const Transport websocket, polling;
extern const Transport *transport; /* that of this run */

/* ---- what a transport tells of its connection ------------------------------------------------- */

void conn_text(Conn *c, const char *text, size_t n); /* one Engine.IO packet came */
void conn_binary(Conn *c, const uint8_t *bytes, size_t n);
void conn_cut_off(Conn *c); /* the server closes it: fails the run unless it may. Then it is CONN_CLOSING */
void conn_closed(Conn *c);  /* frees its links; not from within Transport.read, which sets CONN_DONE instead */

/* ---- frames (RFC 6455) ---------------------------------------------------------------------- */

enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

typedef struct {
    int opcode;
    const uint8_t *payload;
    size_t payload_bytes;
    size_t frame_bytes; /* header and payload */
} Frame;

/* Appends one masked client frame. */
void frame_write(Buffer *out, int opcode, const void *payload, size_t n);
/* Whether a whole frame is at `bytes`. If not, `frame_bytes` says how many it takes when that is known (else 0).
 * A frame that no server may send fails the run. */
bool frame_parse(const uint8_t *bytes, size_t n, Frame *frame);

/* ---- HTTP and base64 (RFC 9112, RFC 4648) ----------------------------------------------------- */

typedef struct {
    int status;
    char *body;
    size_t body_bytes;
    size_t response_bytes; /* head and body */
} Response;

/* Whether a whole response is at `bytes`; if not, `response_bytes` as in frame_parse. A chunked body is joined in
 * place. */
bool response_parse(uint8_t *bytes, size_t n, Response *response);

void base64_append(Buffer *out, const uint8_t *bytes, size_t n);
/* Decodes into `bytes`, which has room for n / 4 * 3; returns how many there are, or SIZE_MAX if it is not base64. */
size_t base64_decode(uint8_t *bytes, const char *text, size_t n);

#endif

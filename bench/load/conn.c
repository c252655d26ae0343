/* Connections: what Engine.IO v4 and Socket.IO v5 ask of a client, on any transport.
 *
 * The open packet, the namespaces that are joined, heartbeats, attachments behind their packet, and the end.
 */
#include "transport.h"

#include <stdlib.h>
#include <string.h>

enum { CONNECT_AT_ONCE = 50 };

Conn *conns;
int ready_count, closed_count, cut_off;
const Transport *transport;

static int started, handshaking;
static const char *const ROOT[] = {"/"};
static const char *const *namespaces = ROOT;
static int namespace_count = 1;

void conns_start(void) {
    transport = options.polling ? &polling : &websocket;
    if (options.kind->namespaces != NULL) namespaces = options.kind->namespaces(&namespace_count);
    if (namespace_count > 32) fail("%d namespaces: a connection joins at most 32", namespace_count);
    const size_t links = (size_t)transport->links;
    conns = calloc((size_t)options.connections, sizeof *conns);
    Link *all = calloc((size_t)options.connections * links, sizeof *all);
    if (conns == NULL || all == NULL) fail("out of memory");
    for (int i = 0; i < options.connections; i++) {
        conns[i].index = i;
        conns[i].links = all + (size_t)i * links;
        for (size_t k = 0; k < links; k++) conns[i].links[k].conn = &conns[i];
    }
    net_start();
}

void conn_open(Conn *c) {
    if (c->state == CONN_CLOSED) closed_count--;
    c->state = CONN_CONNECTING;
    c->joined = c->attachments = 0;
    c->opened_at_ns = clock_ns();
    handshaking++;
    link_open(&c->links[0]);
}

void conns_open_some(void) {
    while (started < options.connections && handshaking < CONNECT_AT_ONCE) conn_open(&conns[started++]);
}

void conn_send(Conn *c, const void *text, size_t n) { transport->send(c, text, n); }

void conn_send_binary(Conn *c, const void *bytes, size_t n) { transport->send_binary(c, bytes, n); }

void conn_flush(Conn *c) { transport->flush(c); }

static void set_paused(Conn *c, bool paused) {
    for (int i = 0; i < transport->links; i++) link_pause(&c->links[i], paused);
}

void conn_pause(Conn *c) {
    c->was_paused = true;
    set_paused(c, true);
}

void conn_resume(Conn *c) { set_paused(c, false); }

void conn_close(Conn *c) {
    c->state = CONN_CLOSING;
    ready_count--;
    transport->close(c);
}

void conns_begin_close(void) {
    for (int i = 0; i < options.connections; i++) {
        if (conns[i].state != CONN_READY) continue;
        conn_close(&conns[i]);
        if (conns[i].state == CONN_DONE) conn_closed(&conns[i]);
        else conn_flush(&conns[i]);
    }
}

void conn_cut_off(Conn *c) {
    if (c->state == CONN_CLOSING || c->state == CONN_DONE) return;
    if (c->state != CONN_READY || !c->was_paused || !options.kind->may_be_closed)
        fail("connection %d was closed by the server after %u answers", c->index, c->answered);
    c->state = CONN_CLOSING;
    ready_count--;
    cut_off++;
}

void conn_closed(Conn *c) {
    conn_cut_off(c);
    for (int i = 0; i < transport->links; i++) link_close(&c->links[i]);
    c->state = CONN_CLOSED;
    closed_count++;
    if (options.kind->on_closed != NULL) options.kind->on_closed(c);
}

static _Noreturn void unexpected(const Conn *c, const char *text, size_t n) {
    fail("unexpected packet '%.*s' on connection %d", (int)(n > 80 ? 80 : n), text, c->index);
}

/* Engine.IO is open: all namespaces at once. */
static void join(Conn *c) {
    c->state = CONN_JOIN;
    for (int i = 0; i < namespace_count; i++) {
        char packet[128];
        const size_t n = strlen(namespaces[i]);
        if (n + 3 > sizeof packet) fail("a namespace of %zu characters", n);
        memcpy(packet, "40", 2);
        memcpy(packet + 2, namespaces[i], n);
        packet[2 + n] = ',';
        conn_send(c, packet, n == 1 ? 2 : n + 3); /* "/" goes without saying */
    }
}

/* Whether `reply` (40 taken off) joins the namespace: /name,{"sid":... or, of "/", {"sid":... */
static bool joins(const char *reply, size_t n, const char *name) {
    const size_t name_bytes = strlen(name);
    if (name_bytes == 1) return reply[0] == '{';
    return n > name_bytes + 2 && memcmp(reply, name, name_bytes) == 0 && memcmp(reply + name_bytes, ",{", 2) == 0;
}

static void read_join(Conn *c, const char *text, size_t n) {
    int i = 0;
    while (i < namespace_count && !joins(text + 2, n - 2, namespaces[i])) i++;
    if (i == namespace_count || (c->joined & 1u << i) != 0) unexpected(c, text, n);
    c->joined |= 1u << i;
    if (__builtin_popcount(c->joined) < namespace_count) return;
    c->state = CONN_READY;
    handshaking--;
    ready_count++;
    if (options.kind->on_ready != NULL) options.kind->on_ready(c);
}

static void read_packet(Conn *c, const char *text, size_t n) {
    if (text[0] == '5' || text[0] == '6') {
        const char *dash = memchr(text, '-', n);
        if (dash == NULL || options.kind->on_binary == NULL) unexpected(c, text, n);
        c->attachments = (uint32_t)strtoul(text + 1, NULL, 10);
    }
    options.kind->on_packet(c, text, n);
}

void conn_text(Conn *c, const char *text, size_t n) {
    if (c->state == CONN_CLOSING || c->state == CONN_DONE) return;
    if (n == 1 && text[0] == '2') return conn_send(c, "3", 1); /* Engine.IO heartbeat */
    if (c->attachments > 0) fail("connection %d: '%.*s' came where an attachment was due", c->index, (int)(n > 80 ? 80 : n), text);
    if (c->state == CONN_READY && n > 1 && text[0] == '4') return read_packet(c, text + 1, n - 1);
    if (c->state == CONN_JOIN && n > 2 && memcmp(text, "40", 2) == 0) return read_join(c, text, n);
    if (c->state != CONN_OPEN || n < 2 || text[0] != '0') unexpected(c, text, n);
    if (transport->opened != NULL) transport->opened(c, text, n);
    join(c);
}

void conn_binary(Conn *c, const uint8_t *bytes, size_t n) {
    if (c->state == CONN_CLOSING || c->state == CONN_DONE) return;
    if (c->attachments == 0) fail("connection %d: %zu binary bytes that no packet announced", c->index, n);
    c->attachments--;
    options.kind->on_binary(c, bytes, n);
}

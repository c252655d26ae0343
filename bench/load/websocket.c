/* The WebSocket transport: the upgrade, then one Engine.IO packet per message. */
#define _GNU_SOURCE
#include "transport.h"

#include <stdio.h>
#include <string.h>

/* The sample key of RFC 6455 1.3 and the answer to it. */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void connected(Link *l) {
    char request[512];
    const int n = snprintf(request, sizeof request,
        "GET %s?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
        options.path, options.host, options.ports[0]);
    if (n >= (int)sizeof request) fail("the path is too long");
    buffer_append(&l->out, request, (size_t)n);
    link_flush(l);
}

/* How many bytes the answer to the upgrade request takes; 0 if it is not all there yet. */
static size_t read_upgrade(Conn *c, uint8_t *bytes, size_t n) {
    Response response;
    if (!response_parse(bytes, n, &response)) return 0;
    if (response.status != 101) fail("the upgrade was answered with '%.*s'", (int)(n > 200 ? 200 : n), (const char *)bytes);
    if (memmem(bytes, response.response_bytes, WS_ACCEPT, strlen(WS_ACCEPT)) == NULL) fail("wrong Sec-WebSocket-Accept");
    c->state = CONN_OPEN;
    return response.response_bytes;
}

static void send_close(Conn *c) {
    static const uint8_t normal[2] = {0x03, 0xe8}; /* 1000 */
    frame_write(&c->links[0].out, OP_CLOSE, normal, sizeof normal);
}

static void read_close(Conn *c) {
    if (c->state == CONN_CLOSING) return; /* the answer to ours: the server closes the TCP connection next */
    conn_cut_off(c);
    send_close(c);
}

static void read_frame(Conn *c, const Frame *f) {
    switch (f->opcode) {
        case OP_TEXT: return conn_text(c, (const char *)f->payload, f->payload_bytes);
        case OP_BINARY: return conn_binary(c, f->payload, f->payload_bytes);
        case OP_PING: return frame_write(&c->links[0].out, OP_PONG, f->payload, f->payload_bytes);
        case OP_PONG: return;
        case OP_CLOSE: return read_close(c);
        default: fail("connection %d: opcode %d", c->index, f->opcode);
    }
}

static size_t read_bytes(Link *l, uint8_t *bytes, size_t n, size_t *wanted) {
    size_t used = 0;
    if (l->conn->state == CONN_CONNECTING && (used = read_upgrade(l->conn, bytes, n)) == 0) return 0;
    Frame frame;
    while (used < n) {
        if (!frame_parse(bytes + used, n - used, &frame)) {
            if (frame.frame_bytes > n - used) *wanted = frame.frame_bytes - (n - used);
            break;
        }
        read_frame(l->conn, &frame);
        used += frame.frame_bytes;
    }
    return used;
}

static void ended(Link *l) { conn_closed(l->conn); }

static void send_text(Conn *c, const void *text, size_t n) { frame_write(&c->links[0].out, OP_TEXT, text, n); }

static void send_binary(Conn *c, const void *bytes, size_t n) { frame_write(&c->links[0].out, OP_BINARY, bytes, n); }

static void flush(Conn *c) { link_flush(&c->links[0]); }

const Transport websocket = {
    .links = 1, .connected = connected, .read = read_bytes, .ended = ended, .send = send_text, .send_binary = send_binary,
    .flush = flush, .close = send_close,
};

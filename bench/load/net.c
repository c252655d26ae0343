/* Connections: TCP, the WebSocket and Socket.IO handshakes, reading and writing by epoll.
 *
 * One read and one write per connection and turn, however many frames they hold.
 */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_AT_ONCE = 50, READ_BYTES = 256 * 1024, EVENTS = 512 };

/* The sample key of RFC 6455 1.3 and the answer to it. */
#define WS_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define WS_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

Conn *conns;
int ready_count, closed_count;

static int epoll_fd;
static int started, handshaking;
static uint8_t scratch[READ_BYTES];
static struct sockaddr_in server_address;

void net_start(void) {
    epoll_fd = epoll_create1(0);
    conns = calloc((size_t)options.connections, sizeof *conns);
    if (epoll_fd < 0 || conns == NULL) fail("epoll or memory: %s", strerror(errno));
    for (int i = 0; i < options.connections; i++) conns[i].index = i;
    server_address.sin_family = AF_INET;
    server_address.sin_port = htons((uint16_t)options.port);
    if (inet_pton(AF_INET, options.host, &server_address.sin_addr) != 1) fail("'%s' is not an IPv4 address", options.host);
}

static void poll_for(Conn *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

void net_connect_some(void) {
    while (started < options.connections && handshaking < CONNECT_AT_ONCE) {
        Conn *c = &conns[started++];
        c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (c->fd < 0) fail("socket %d: %s", c->index, strerror(errno));
        const int on = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(c->fd, (struct sockaddr *)&server_address, sizeof server_address) < 0 && errno != EINPROGRESS)
            fail("connect %d: %s", c->index, strerror(errno));
        c->state = CONN_CONNECTING;
        handshaking++;
        poll_for(c, EPOLL_CTL_ADD, EPOLLOUT);
    }
}

static void conn_closed(Conn *c) {
    if (c->state != CONN_CLOSING) fail("connection %d was closed by the server after %u answers", c->index, c->answered);
    close(c->fd);
    buffer_free(&c->in);
    buffer_free(&c->out);
    c->state = CONN_CLOSED;
    closed_count++;
}

void conn_flush(Conn *c) {
    while (buffer_size(&c->out) > 0) {
        const ssize_t n = send(c->fd, c->out.data + c->out.start, buffer_size(&c->out), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) break;
            if (c->state == CONN_CLOSING) return conn_closed(c);
            fail("send on connection %d: %s", c->index, strerror(errno));
        }
        buffer_consume(&c->out, (size_t)n);
    }
    const bool poll_write = buffer_size(&c->out) > 0;
    if (poll_write == c->polls_write) return;
    c->polls_write = poll_write;
    poll_for(c, EPOLL_CTL_MOD, poll_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void conn_send(Conn *c, const void *text, size_t n) { ws_write(&c->out, OP_TEXT, text, n); }

static void conn_connected(Conn *c) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail("connect %d: %s", c->index, strerror(error));
    char request[512];
    const int n = snprintf(request, sizeof request,
        "GET %s?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: " WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
        options.path, options.host, options.port);
    buffer_append(&c->out, request, (size_t)n);
    c->state = CONN_HTTP;
    poll_for(c, EPOLL_CTL_MOD, EPOLLIN);
    conn_flush(c);
}

/* How many bytes the answer to the upgrade request takes; 0 if it is not all there yet. */
static size_t read_http(Conn *c, const uint8_t *bytes, size_t n) {
    const uint8_t *end = memmem(bytes, n, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    const size_t head = (size_t)(end - bytes) + 4;
    if (memcmp(bytes, "HTTP/1.1 101", 12) != 0) fail("the upgrade was answered with '%.*s'", (int)(n > 200 ? 200 : n), (const char *)bytes);
    if (memmem(bytes, head, WS_ACCEPT, strlen(WS_ACCEPT)) == NULL) fail("wrong Sec-WebSocket-Accept");
    c->state = CONN_OPEN;
    return head;
}

static void read_text(Conn *c, const char *text, size_t n) {
    if (c->state == CONN_CLOSING) return;
    if (n == 1 && text[0] == '2') return conn_send(c, "3", 1); /* Engine.IO heartbeat */
    if (c->state == CONN_READY) {
        if (n > 1 && text[0] == '4') return options.kind->on_packet(c, text + 1, n - 1);
    } else if (c->state == CONN_OPEN && n > 2 && text[0] == '0') {
        c->state = CONN_JOIN;
        return conn_send(c, "40", 2);
    } else if (c->state == CONN_JOIN && n > 2 && memcmp(text, "40{", 3) == 0) {
        c->state = CONN_READY;
        handshaking--;
        ready_count++;
        return;
    }
    fail("unexpected packet '%.*s' on connection %d", (int)(n > 80 ? 80 : n), text, c->index);
}

static void read_frame(Conn *c, const Frame *f) {
    switch (f->opcode) {
        case OP_TEXT: return read_text(c, (const char *)f->payload, f->payload_bytes);
        case OP_PING: return ws_write(&c->out, OP_PONG, f->payload, f->payload_bytes);
        case OP_PONG: return;
        case OP_CLOSE:
            if (c->state == CONN_CLOSING) return;
            fail("connection %d: the server sent a Close frame after %u answers", c->index, c->answered);
        default: fail("connection %d: opcode %d", c->index, f->opcode);
    }
}

/* Reads all that is whole in `bytes`; returns how many it used, and in `wanted` how many more it knows to want. */
static size_t read_bytes(Conn *c, const uint8_t *bytes, size_t n, size_t *wanted) {
    size_t used = 0;
    *wanted = 0;
    if (c->state == CONN_HTTP) {
        used = read_http(c, bytes, n);
        if (used == 0) return 0;
    }
    Frame frame;
    while (used < n) {
        if (!ws_parse(bytes + used, n - used, &frame)) {
            if (frame.frame_bytes > n - used) *wanted = frame.frame_bytes - (n - used);
            break;
        }
        read_frame(c, &frame);
        used += frame.frame_bytes;
    }
    return used;
}

static void conn_readable(Conn *c) {
    /* Most reads end at a frame's end: they go through the one scratch buffer and are never copied. */
    const bool has_rest = buffer_size(&c->in) > 0;
    if (has_rest) buffer_reserve(&c->in, 64 * 1024);
    uint8_t *to = has_rest ? c->in.data + c->in.end : scratch;
    const ssize_t n = recv(c->fd, to, has_rest ? c->in.capacity - c->in.end : READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return conn_closed(c);
    now_ns = clock_ns();
    size_t wanted;
    if (has_rest) {
        c->in.end += (size_t)n;
        buffer_consume(&c->in, read_bytes(c, c->in.data + c->in.start, buffer_size(&c->in), &wanted));
        if (wanted > 0) buffer_reserve(&c->in, wanted);
    } else {
        const size_t used = read_bytes(c, scratch, (size_t)n, &wanted);
        if (used < (size_t)n) {
            buffer_reserve(&c->in, (size_t)n - used + wanted);
            buffer_append(&c->in, scratch + used, (size_t)n - used);
        }
    }
    conn_flush(c);
}

void net_poll(int timeout_ms) {
    struct epoll_event events[EVENTS];
    const int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        Conn *c = events[i].data.ptr;
        if (c->state == CONN_CONNECTING) {
            conn_connected(c);
            continue;
        }
        if (events[i].events & EPOLLOUT) conn_flush(c);
        if (c->state != CONN_CLOSED && events[i].events & ~(uint32_t)EPOLLOUT) conn_readable(c);
    }
}

void net_begin_close(void) {
    static const uint8_t normal[2] = {0x03, 0xe8}; /* 1000 */
    for (int i = 0; i < options.connections; i++) {
        if (conns[i].state != CONN_READY) continue;
        ws_write(&conns[i].out, OP_CLOSE, normal, sizeof normal);
        conns[i].state = CONN_CLOSING;
        conn_flush(&conns[i]);
    }
}

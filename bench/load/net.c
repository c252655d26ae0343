/* Links: TCP connections (with TLS or without) and epoll.
 *
 * One read and one write per link and turn, however many frames or packets they hold.
 */
#define _GNU_SOURCE
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, READ_REST_BYTES = 64 * 1024, EVENTS = 512 };

static int epoll_fd;
static uint8_t scratch[READ_BYTES];
static struct sockaddr_in server_address;

void net_start(void) {
    epoll_fd = epoll_create1(0);
    if (epoll_fd < 0) fail("epoll_create1: %s", strerror(errno));
    server_address.sin_family = AF_INET;
    if (inet_pton(AF_INET, options.host, &server_address.sin_addr) != 1) fail("'%s' is not an IPv4 address", options.host);
    if (options.tls) tls_start();
}

/* Tells epoll what to look for, if that has changed. A paused link leaves it: epoll speaks of an error even where
 * it was asked for nothing. */
static void link_watch(Link *l) {
    const bool writes = l->state == LINK_CONNECTING || buffer_size(&l->out) > 0;
    const uint32_t events = l->paused ? 0 : (l->state == LINK_CONNECTING ? 0 : EPOLLIN) | (writes ? EPOLLOUT : 0);
    if (events == l->watched) return;
    const int operation = l->watched == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.ptr = l};
    if (epoll_ctl(epoll_fd, operation, l->fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
    l->watched = events;
}

static int port_of(const Conn *c) {
    const int others = options.port_count - 1;
    return options.ports[c->index == 0 || others == 0 ? 0 : 1 + (c->index - 1) % others];
}

void link_open(Link *l) {
    server_address.sin_port = htons((uint16_t)port_of(l->conn));
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (l->fd < 0) fail("connection %d: socket: %s", l->conn->index, strerror(errno));
    const int on = 1;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(l->fd, (struct sockaddr *)&server_address, sizeof server_address) < 0 && errno != EINPROGRESS)
        fail("connection %d: connect: %s", l->conn->index, strerror(errno));
    l->state = LINK_CONNECTING;
    link_watch(l);
}

void link_close(Link *l) {
    if (l->state == LINK_CLOSED) return;
    if (l->tls != NULL) tls_close(l);
    close(l->fd);
    buffer_free(&l->in);
    buffer_free(&l->out);
    *l = (Link){.conn = l->conn};
}

void link_pause(Link *l, bool paused) {
    if (l->state == LINK_CLOSED) return;
    l->paused = paused;
    link_watch(l);
}

void link_flush(Link *l) {
    if (l->state != LINK_OPEN) return;
    while (buffer_size(&l->out) > 0) {
        const uint8_t *bytes = l->out.data + l->out.start;
        const ssize_t n = l->tls != NULL ? tls_write(l, bytes, buffer_size(&l->out)) : send(l->fd, bytes, buffer_size(&l->out), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        /* The server has closed it. The next read says so, after all that came before. */
        buffer_consume(&l->out, n < 0 ? buffer_size(&l->out) : (size_t)n);
    }
    link_watch(l);
}

static void link_handshake(Link *l) {
    if (options.tls && !tls_handshake(l)) return link_watch(l);
    l->state = LINK_OPEN;
    link_watch(l);
    transport->connected(l);
}

static void link_connected(Link *l) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail("connection %d: connect: %s", l->conn->index, strerror(error));
    l->state = LINK_TLS_HANDSHAKE;
    link_handshake(l);
}

/* One read, and what is whole of it goes to the transport. False: there was nothing, or the link has ended. */
static bool read_once(Link *l) {
    /* Most reads end at a frame's end: they go through the one scratch buffer and are never copied. */
    const bool has_rest = buffer_size(&l->in) > 0;
    if (has_rest) buffer_reserve(&l->in, READ_REST_BYTES);
    uint8_t *to = has_rest ? l->in.data + l->in.end : scratch;
    const size_t room = has_rest ? l->in.capacity - l->in.end : READ_BYTES;
    const ssize_t n = l->tls != NULL ? tls_read(l, to, room) : recv(l->fd, to, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        transport->ended(l);
        return false;
    }
    now_ns = clock_ns();
    size_t wanted = 0;
    if (has_rest) {
        l->in.end += (size_t)n;
        buffer_consume(&l->in, transport->read(l, l->in.data + l->in.start, buffer_size(&l->in), &wanted));
        if (wanted > 0) buffer_reserve(&l->in, wanted);
    } else {
        const size_t used = transport->read(l, scratch, (size_t)n, &wanted);
        if (used < (size_t)n) {
            buffer_reserve(&l->in, (size_t)n - used + wanted);
            buffer_append(&l->in, scratch + used, (size_t)n - used);
        }
    }
    return true;
}

static void link_readable(Link *l) {
    Conn *c = l->conn;
    while (read_once(l) && l->tls != NULL && tls_has_more(l)) continue;
    if (c->state == CONN_DONE) conn_closed(c);
    else conn_flush(c);
}

void net_poll(int timeout_ms) {
    struct epoll_event events[EVENTS];
    const int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
    if (n < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        Link *l = events[i].data.ptr;
        switch (l->state) {
            case LINK_CLOSED: break; /* by an event before this one in the same turn */
            case LINK_CONNECTING: link_connected(l); break;
            case LINK_TLS_HANDSHAKE: link_handshake(l); break;
            case LINK_OPEN:
                if (events[i].events & EPOLLOUT) link_flush(l);
                if (events[i].events & ~(uint32_t)EPOLLOUT) link_readable(l);
        }
    }
}

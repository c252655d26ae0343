/* What a connection asks of its socket beside the event loop: a send, who the peer is, what it has taken.
 *
 * Source: send(2), getpeername(2), tcp(7). */
#ifndef FASTSIO_TCP_H
#define FASTSIO_TCP_H

#include <Python.h>
#include <errno.h>
#ifdef _WIN32
static inline Py_ssize_t fastsio_send(int fd, const char *data, Py_ssize_t n, int is_last) {
    (void)fd; (void)data; (void)n; (void)is_last;
    return 0;
}
static inline long long fastsio_acknowledged(int fd) { (void)fd; return -1; }
static inline int fastsio_peer_address(int fd, char *text, int size) { (void)fd; (void)text; (void)size; return 0; }
#else
#include <arpa/inet.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_MORE
#define MSG_MORE 0
#endif
/* Bytes that the kernel took; 0 if it takes none now (its buffer is full, or it is short of memory, which for a
 * send of less than all is the same), -errno if the connection is broken.
 * What is last goes with the end of our side: one segment for data and FIN, 86 us -> 78 us for a client that comes,
 * joins and goes (bench/load --case connect). Left to the close it would be 5 us less, but what the client sends in
 * between lies unread then: a close resets, and what was not sent is lost (RFC 6455 7.1.1). */
static inline Py_ssize_t fastsio_send(int fd, const char *data, Py_ssize_t n, int is_last) {
    ssize_t sent = send(fd, data, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL | (is_last ? MSG_MORE : 0));
    if (is_last && sent == n) shutdown(fd, SHUT_WR);
    if (sent >= 0) return (Py_ssize_t)sent;
    switch (errno) {
        case EAGAIN:
#if EWOULDBLOCK != EAGAIN
        case EWOULDBLOCK:
#endif
        case EINTR:
        case ENOBUFS:
        case ENOMEM:
            return 0;
        default:
            return -errno;
    }
}
/* inet_ntop(AF_INET): libc's is a printf(), 1,700 of the 89,000 instructions of a connect. */
static inline void fastsio_print_v4(const unsigned char *address, char *text) {
    int i;
    for (i = 0; i < 4; i++) {
        if (i) *text++ = '.';
        if (address[i] > 99) *text++ = (char)('0' + address[i] / 100);
        if (address[i] > 9) *text++ = (char)('0' + address[i] / 10 % 10);
        *text++ = (char)('0' + address[i] % 10);
    }
    *text = 0;
}
/* The peer's address as text. 0: it has none, or more than one (a link-local one comes with its network). */
static inline int fastsio_peer_address(int fd, char *text, int size) {
    struct sockaddr_storage name;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&name;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&name;
    socklen_t n = sizeof name;
    if (getpeername(fd, (struct sockaddr *)&name, &n) < 0) return 0;
    if (name.ss_family == AF_INET) {
        fastsio_print_v4((const unsigned char *)&v4->sin_addr, text);
        return 1;
    }
    if (name.ss_family != AF_INET6 || v6->sin6_scope_id != 0) return 0;
    return inet_ntop(AF_INET6, &v6->sin6_addr, text, (socklen_t)size) != NULL;
}
/* Bytes that the peer has acknowledged since it connected, -1 where nobody knows (Unix sockets, other systems).
 * Linux 4.1: tcpi_bytes_acked, which libc's own struct tcp_info may lack; its place is part of the kernel's ABI. */
static inline long long fastsio_acknowledged(int fd) {
#if defined(__linux__) && defined(TCP_INFO)
    enum { ACKED_AT = 120 };
    unsigned char info[ACKED_AT + sizeof(unsigned long long)];
    unsigned long long acked;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 && size == sizeof info) {
        memcpy(&acked, info + ACKED_AT, sizeof acked);
        return (long long)acked;
    }
#else
    (void)fd;
#endif
    return -1;
}
#endif

#endif

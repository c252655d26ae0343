/* libuv's functions as uvloop has them in its own extension module, without libuv's headers.
 *
 * All that is assumed of libuv is its documented interface: prototypes, the layout of uv_buf_t on Unix, and the numbers of
 * four kinds of handles and requests, which are the same in every libuv 1. Handles and requests are memory of the sizes
 * that libuv names. Source: docs.libuv.org, "API documentation".
 */
#ifndef FASTSIO_WIRE_H
#define FASTSIO_WIRE_H

#include <stddef.h>

enum { FASTSIO_UV_PIPE = 7, FASTSIO_UV_TCP = 12, FASTSIO_UV_WRITE = 3 };

#ifdef __linux__
enum { FASTSIO_HANDLE_WORDS = 33 }; /* a uv_pipe_t, which is the larger one */
#else
enum { FASTSIO_HANDLE_WORDS = 40 };
#endif

/* What libuv has of a connection or a listening socket, then ours: whose it is, and the buffer of the loop's where libuv
 * puts what it reads. The handle's own field for that, its first, stays NULL: uvloop takes all else for an object of its own
 * when it closes a loop. */
typedef struct {
    void *memory[FASTSIO_HANDLE_WORDS];
    void *owner;
    char *read_buffer;
} fastsio_handle_t;

/* A write that libuv has begun; its own memory follows. */
typedef struct {
    void *owner, *data;
    size_t size;
    void *memory[1];
} fastsio_write_t;

enum { FASTSIO_READ_BYTES = 262144 };

typedef struct {
    char *base;
    size_t len;
} fastsio_uv_buf_t;

typedef void (*fastsio_uv_close_cb)(void *handle);
typedef void (*fastsio_uv_alloc_cb)(void *handle, size_t size, fastsio_uv_buf_t *buffer);
typedef void (*fastsio_uv_read_cb)(void *stream, ptrdiff_t n, const fastsio_uv_buf_t *buffer);
typedef void (*fastsio_uv_listen_cb)(void *server, int status);
typedef void (*fastsio_uv_write_cb)(void *request, int status);

typedef struct {
    unsigned (*version)(void);
    size_t (*handle_size)(int type);
    size_t (*req_size)(int type);
    int (*tcp_init)(void *loop, void *handle);
    int (*pipe_init)(void *loop, void *handle, int ipc);
    int (*tcp_open)(void *handle, int fd);
    int (*pipe_open)(void *handle, int fd);
    int (*tcp_nodelay)(void *handle, int enable);
    int (*listen)(void *stream, int backlog, fastsio_uv_listen_cb on_connection);
    int (*accept)(void *server, void *client);
    int (*read_start)(void *stream, fastsio_uv_alloc_cb alloc, fastsio_uv_read_cb read);
    int (*read_stop)(void *stream);
    int (*write)(void *request, void *stream, const fastsio_uv_buf_t *buffers, unsigned count, fastsio_uv_write_cb done);
    int (*fileno)(const void *handle, int *fd);
    void (*close)(void *handle, fastsio_uv_close_cb closed);
} fastsio_uv_t;

#ifdef _WIN32

static inline int fastsio_uv_find(fastsio_uv_t *uv, const char *path) { (void)uv; (void)path; return 0; }
static inline int fastsio_wire_shutdown(int fd) { (void)fd; return 0; }

#else

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Take the functions from a module that is loaded already. 0: it lacks one, or its handles are larger than ours. */
static inline int fastsio_uv_find(fastsio_uv_t *uv, const char *path) {
    static const char *const names[] = {
        "uv_version", "uv_handle_size", "uv_req_size", "uv_tcp_init", "uv_pipe_init", "uv_tcp_open", "uv_pipe_open",
        "uv_tcp_nodelay", "uv_listen", "uv_accept", "uv_read_start", "uv_read_stop", "uv_write", "uv_fileno", "uv_close",
    };
    const size_t room = FASTSIO_HANDLE_WORDS * sizeof(void *);
    void *found[sizeof names / sizeof *names];
    void *module = dlopen(path, RTLD_NOLOAD | RTLD_NOW);
    if (module == NULL) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        found[i] = dlsym(module, names[i]);
        if (found[i] == NULL) return 0;
    }
    _Static_assert(sizeof found == sizeof *uv, "a name for each function");
    memcpy(uv, found, sizeof found); /* POSIX dlsym(): what points to a function fits a void pointer */
    return uv->version() >> 16 == 1 && uv->handle_size(FASTSIO_UV_TCP) <= room &&
           uv->handle_size(FASTSIO_UV_PIPE) <= room;
}

static inline int fastsio_wire_shutdown(int fd) { return shutdown(fd, SHUT_WR) < 0 ? -errno : 0; }

#endif

static inline fastsio_write_t *fastsio_write_of(void *request) {
    return (fastsio_write_t *)((char *)request - offsetof(fastsio_write_t, memory));
}

static inline size_t fastsio_write_size(const fastsio_uv_t *uv) {
    return offsetof(fastsio_write_t, memory) + uv->req_size(FASTSIO_UV_WRITE);
}

/* Called without the GIL: libuv reads into the buffer, and hands it over at once. */
static inline void fastsio_wire_alloc(void *handle, size_t size, fastsio_uv_buf_t *buffer) {
    (void)size;
    buffer->base = ((fastsio_handle_t *)handle)->read_buffer;
    buffer->len = FASTSIO_READ_BYTES;
}

#endif

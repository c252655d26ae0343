"""libuv's functions as uvloop's extension module has them (wire.h)."""

cdef extern from "wire.h":
    enum:
        FASTSIO_READ_BYTES
    ctypedef struct fastsio_handle_t:
        void* owner
        char* read_buffer
    ctypedef struct fastsio_uv_buf_t:
        char* base
        size_t len
    ctypedef struct fastsio_write_t:
        void* owner
        void* data
        size_t size
        void** memory
    ctypedef void (*fastsio_uv_close_cb)(void* handle) noexcept
    ctypedef void (*fastsio_uv_alloc_cb)(void* handle, size_t size, fastsio_uv_buf_t* buffer) noexcept
    ctypedef void (*fastsio_uv_read_cb)(void* stream, Py_ssize_t n, const fastsio_uv_buf_t* buffer) noexcept
    ctypedef void (*fastsio_uv_listen_cb)(void* server, int status) noexcept
    ctypedef void (*fastsio_uv_write_cb)(void* request, int status) noexcept
    ctypedef struct fastsio_uv_t:
        int (*tcp_init)(void* loop, void* handle) noexcept
        int (*pipe_init)(void* loop, void* handle, int ipc) noexcept
        int (*tcp_open)(void* handle, int fd) noexcept
        int (*pipe_open)(void* handle, int fd) noexcept
        int (*tcp_nodelay)(void* handle, int enable) noexcept
        int (*listen)(void* stream, int backlog, fastsio_uv_listen_cb on_connection) noexcept
        int (*accept)(void* server, void* client) noexcept
        int (*read_start)(void* stream, fastsio_uv_alloc_cb alloc, fastsio_uv_read_cb read) noexcept
        int (*read_stop)(void* stream) noexcept
        int (*write)(
            void* request, void* stream, const fastsio_uv_buf_t* buffers, unsigned count, fastsio_uv_write_cb done,
        ) noexcept
        int (*fileno)(const void* handle, int* fd) noexcept
        void (*close)(void* handle, fastsio_uv_close_cb closed) noexcept
    bint fastsio_uv_find(fastsio_uv_t* uv, const char* path) noexcept
    int fastsio_wire_shutdown(int fd) noexcept
    void fastsio_wire_alloc(void* handle, size_t size, fastsio_uv_buf_t* buffer) noexcept
    fastsio_write_t* fastsio_write_of(void* request) noexcept
    size_t fastsio_write_size(const fastsio_uv_t* uv) noexcept

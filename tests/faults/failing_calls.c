/* System calls on TCP sockets that fail on demand, for a process that is started with LD_PRELOAD.
 *
 * The plan is a file of six 32-bit integers that the test maps, too; its path is in FAILING_CALLS. The next `count`
 * calls of the kind `kind`, after `skip` of them, fail with `error`, or if that is 0 write one byte; `hits` counts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, READ = 2, ACCEPT = 3 };
struct plan { volatile int32_t kind, skip, count, error, hits, unused; };
static struct plan *plan;

__attribute__((constructor)) static void find_plan(void) {
    const char *path = getenv("FAILING_CALLS");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) plan = memory;
}

static int is_tcp(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM) return 0;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) return 0;
    return address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

/* True if this call is to fail; errno says how. */
static int fails(int kind, int fd) {
    int saved = errno;
    if (plan == NULL || plan->kind != kind || plan->count <= 0 || !is_tcp(fd)) {
        errno = saved;
        return 0;
    }
    if (plan->skip > 0) {
        plan->skip--;
        return 0;
    }
    plan->count--;
    plan->hits++;
    errno = plan->error;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(send);
    if (fails(WRITE, fd)) return plan->error ? -1 : real(fd, data, size ? 1 : 0, flags);
    return real(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    if (fails(WRITE, fd)) return plan->error ? -1 : send(fd, message->msg_iov[0].iov_base, 1, flags);
    return real(fd, message, flags);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (fails(WRITE, fd)) return plan->error ? -1 : real(fd, data, size ? 1 : 0);
    return real(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    if (fails(WRITE, fd)) return plan->error ? -1 : write(fd, parts[0].iov_base, 1);
    return real(fd, parts, count);
}

ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    REAL(recv);
    return fails(READ, fd) ? -1 : real(fd, buffer, size, flags);
}

ssize_t read(int fd, void *buffer, size_t size) {
    REAL(read);
    return fails(READ, fd) ? -1 : real(fd, buffer, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    REAL(accept4);
    return fails(ACCEPT, fd) ? -1 : real(fd, address, length, flags);
}

/* Many sends with one system call: a ring of io_uring, used as a call that returns when all of them are done.
 *
 * Each request says MSG_DONTWAIT, so the kernel does it while it takes it from the ring, or says at once that it can't:
 * nothing goes on in the background, on no thread, and no memory is used after the call. Where the kernel has no io_uring,
 * or somebody forbids it (seccomp, as Docker's profile does; kernel.io_uring_disabled), there is no ring.
 * Knows nothing of connections. Source: io_uring(7), io_uring_setup(2), io_uring_enter(2).
 */
#ifndef FASTSIO_RING_H
#define FASTSIO_RING_H

#include <stddef.h>
#include <stdint.h>

enum {
    FASTSIO_RING_SENDS = 256, /* of one call at most */
    FASTSIO_NOT_SENT = -1     /* nobody knows why: to be sent in another way */
};

typedef struct {
    int fd;
    const char *data;
    size_t size;
    ptrdiff_t sent; /* bytes that the kernel took, or FASTSIO_NOT_SENT */
} fastsio_send_t;

#if defined(__linux__) && defined(__has_include)
#if __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#endif
#endif

/* The flag came with Linux 6.0: a header without it is too old, and so is a kernel that refuses it. */
#ifdef IORING_SETUP_SINGLE_ISSUER

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    int fd;
    pid_t owner;
    void *memory; /* both queues, as IORING_FEAT_SINGLE_MMAP has them */
    size_t memory_size;
    struct io_uring_sqe *requests;
    size_t requests_size;
    struct io_uring_cqe *answers;
    /* Indices that only grow. Of each pair the kernel writes one: the head of the requests, the tail of the answers. */
    unsigned *request_head, *request_tail, *answer_head, *answer_tail;
    unsigned request_mask, answer_mask;
} fastsio_ring_t;

static void fastsio_ring_close(fastsio_ring_t *ring) {
    if (ring == NULL) return;
    if (ring->requests != MAP_FAILED) munmap(ring->requests, ring->requests_size);
    if (ring->memory != MAP_FAILED) munmap(ring->memory, ring->memory_size);
    close(ring->fd);
    free(ring);
}

static int fastsio_ring_map(fastsio_ring_t *ring, const struct io_uring_params *made) {
    const size_t requests_end = made->sq_off.array + made->sq_entries * sizeof(unsigned);
    const size_t answers_end = made->cq_off.cqes + made->cq_entries * sizeof(struct io_uring_cqe);
    const int access = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_POPULATE;
    unsigned *places;
    char *at;
    ring->memory_size = requests_end > answers_end ? requests_end : answers_end;
    ring->requests_size = made->sq_entries * sizeof(struct io_uring_sqe);
    ring->memory = mmap(NULL, ring->memory_size, access, kind, ring->fd, IORING_OFF_SQ_RING);
    ring->requests = mmap(NULL, ring->requests_size, access, kind, ring->fd, IORING_OFF_SQES);
    if (ring->memory == MAP_FAILED || ring->requests == MAP_FAILED) return -1;
    at = ring->memory;
    ring->request_head = (unsigned *)(at + made->sq_off.head);
    ring->request_tail = (unsigned *)(at + made->sq_off.tail);
    ring->request_mask = made->sq_entries - 1;
    ring->answer_head = (unsigned *)(at + made->cq_off.head);
    ring->answer_tail = (unsigned *)(at + made->cq_off.tail);
    ring->answer_mask = made->cq_entries - 1;
    ring->answers = (struct io_uring_cqe *)(at + made->cq_off.cqes);
    /* Which request stands in which place of the queue: its own, once for all. */
    places = (unsigned *)(at + made->sq_off.array);
    for (unsigned i = 0; i < made->sq_entries; i++) places[i] = i;
    return 0;
}

/* A ring for the thread that asks for it; NULL if there is none to be had. It takes one descriptor. */
static fastsio_ring_t *fastsio_ring_open(void) {
    struct io_uring_params made;
    fastsio_ring_t *ring = calloc(1, sizeof *ring);
    if (ring == NULL) return NULL;
    memset(&made, 0, sizeof made);
    made.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;
    ring->fd = (int)syscall(__NR_io_uring_setup, FASTSIO_RING_SENDS, &made); /* closed by exec */
    if (ring->fd < 0) {
        free(ring);
        return NULL;
    }
    ring->owner = getpid();
    ring->memory = ring->requests = MAP_FAILED;
    if (!(made.features & IORING_FEAT_SINGLE_MMAP) || fastsio_ring_map(ring, &made) < 0) {
        fastsio_ring_close(ring);
        return NULL;
    }
    return ring;
}

/* Take the answers that are there, into the sends that they name; returns how many.
 * `is_refused` becomes true if one says that such requests are not taken here at all. */
static int fastsio_ring_answers(fastsio_ring_t *ring, fastsio_send_t *sends, int count, int *is_refused) {
    unsigned head = *ring->answer_head; /* ours */
    /* Acquire: what the kernel wrote before it moved the tail is seen. */
    const unsigned tail = __atomic_load_n(ring->answer_tail, __ATOMIC_ACQUIRE);
    const int found = (int)(tail - head);
    for (; head != tail; head++) {
        const struct io_uring_cqe *answer = &ring->answers[head & ring->answer_mask];
        if (answer->user_data < (unsigned)count && answer->res >= 0) sends[answer->user_data].sent = answer->res;
        else if (answer->res == -EINVAL || answer->res == -EOPNOTSUPP) *is_refused = 1;
    }
    /* Release: the kernel may write over them only when they have been read. */
    __atomic_store_n(ring->answer_head, head, __ATOMIC_RELEASE);
    return found;
}

/* Do `count` sends (FASTSIO_RING_SENDS at most), in this order, and note in each what was sent.
 * Returns 0, or -1 if the ring is of no use any more: another process has it (after a fork) or another thread, or the
 * kernel refuses such requests. What was not sent then says so, as what the kernel does not take now (EAGAIN) and
 * what is broken. */
static int fastsio_ring_send(fastsio_ring_t *ring, fastsio_send_t *sends, int count) {
    unsigned tail;
    int taken, answered, is_refused = 0;
    for (int i = 0; i < count; i++) sends[i].sent = FASTSIO_NOT_SENT;
    /* A child shares this memory with its parent, who may be using it. */
    if (getpid() != ring->owner) return -1;
    tail = *ring->request_tail; /* ours */
    for (int i = 0; i < count; i++) {
        struct io_uring_sqe *request = &ring->requests[tail++ & ring->request_mask];
        memset(request, 0, sizeof *request);
        request->opcode = IORING_OP_SEND;
        request->fd = sends[i].fd;
        request->addr = (uint64_t)(uintptr_t)sends[i].data;
        request->len = (uint32_t)sends[i].size;
        request->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        request->user_data = (uint64_t)i;
    }
    /* Release: whoever sees the tail sees the requests before it. */
    __atomic_store_n(ring->request_tail, tail, __ATOMIC_RELEASE);
    taken = (int)syscall(__NR_io_uring_enter, ring->fd, count, 0, 0, NULL, 0);
    if (taken < 0) taken = 0;
    /* What it has not taken (no memory for it) is taken back; it looks at the tail only when it is called. */
    __atomic_store_n(ring->request_tail, tail - (unsigned)(count - taken), __ATOMIC_RELEASE);
    answered = fastsio_ring_answers(ring, sends, count, &is_refused);
    while (answered < taken) { /* unlikely: with MSG_DONTWAIT all have been answered */
        const int more = (int)syscall(__NR_io_uring_enter, ring->fd, 0, taken - answered, IORING_ENTER_GETEVENTS, NULL, 0);
        if (more < 0 && errno != EINTR) return -1;
        answered += fastsio_ring_answers(ring, sends, count, &is_refused);
    }
    return taken > 0 && !is_refused ? 0 : -1;
}

#else

typedef struct { int none; } fastsio_ring_t;
static fastsio_ring_t *fastsio_ring_open(void) { return NULL; }
static void fastsio_ring_close(fastsio_ring_t *ring) { (void)ring; }
static int fastsio_ring_send(fastsio_ring_t *ring, fastsio_send_t *sends, int count) {
    (void)ring;
    for (int i = 0; i < count; i++) sends[i].sent = FASTSIO_NOT_SENT;
    return -1;
}

#endif
#endif

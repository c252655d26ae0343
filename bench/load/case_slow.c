/* Slow readers among fast ones: broadcasts to everybody, while the last --slow connections read nothing.
 *
 * The window begins when what they have not read is more than the kernel holds for them, so that the server itself
 * must keep the rest or cut them off; how much it must keep by the end is the same for a fast server and a slow one.
 * Latencies and counts are those of the others. When all of that is over the slow ones read on: each must then get
 * every broadcast in order, unless the server has cut it off; what it got before that must be in order as well.
 */
#include "deliveries.h"

#include <stdio.h>

enum { FILL_LIMIT_S = 60, CATCH_UP_LIMIT_S = 30, KEPT_BYTES = 8 << 20 };

static int fast; /* connections 0 to fast - 1 */

static uint64_t after(int seconds) { return clock_ns() + (uint64_t)seconds * 1000000000u; }

static size_t write_head(char *to, uint32_t group) {
    (void)group;
    return (size_t)sprintf(to, "42[\"%s\",\"", options.event);
}

/* The least, default and largest buffer of a socket, as tcp(7) says. */
static void read_buffer_sizes(const char *path, unsigned long sizes[3]) {
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%lu %lu %lu", &sizes[0], &sizes[1], &sizes[2]) != 3) fail("%s cannot be read", path);
    fclose(file);
}

/* At most so many bytes are on their way to one who does not read: the sender's buffer grows, the reader's does not. */
static uint64_t kernel_holds(void) {
    unsigned long send[3], receive[3];
    read_buffer_sizes("/proc/sys/net/ipv4/tcp_wmem", send);
    read_buffer_sizes("/proc/sys/net/ipv4/tcp_rmem", receive);
    return send[2] + receive[1];
}

static void fill(void) {
    const uint64_t limit = after(FILL_LIMIT_S), bytes = kernel_holds();
    while (conns[0].sent * (uint64_t)options.size_bytes < bytes) {
        net_poll(100);
        if (clock_ns() > limit)
            fail("%u broadcasts in %d s are not the %llu bytes that fill the kernel's buffers: --size is too small", conns[0].sent,
                 FILL_LIMIT_S, (unsigned long long)bytes);
    }
}

static void start(void) {
    fast = options.connections - options.slow;
    if (options.slow < 1 || fast < 1) fail("--slow must be given, and be less than --connections");
    for (int i = fast; i < options.connections; i++) conn_pause(&conns[i]);
    deliveries_start(1, fast, write_head);
    fill();
    options.warmup_s = 0; /* that was the warm-up: a longer one would leave more to keep to a faster server */
    const uint64_t most = (KEPT_BYTES / options.size_bytes + 1) * (uint64_t)fast;
    if (options.count == 0 || options.count > most) options.count = most;
}

static void on_packet(Conn *c, const char *text, size_t n) {
    if (c->index < fast) return deliveries_on_packet(c, text, n);
    if (c->answered == conns[0].sent) news_wrong(c, "nothing", text, n);
    if (!news_is(text, n, 0, c->answered)) news_wrong(c, "the next broadcast", text, n);
    c->answered++;
}

/* The first slow connection that is still open and lacks broadcasts; NULL if there is none. */
static const Conn *behind(void) {
    for (int i = fast; i < options.connections; i++)
        if (conns[i].state == CONN_READY && conns[i].answered < conns[0].sent) return &conns[i];
    return NULL;
}

static void catch_up(void) {
    const uint64_t limit = after(CATCH_UP_LIMIT_S);
    for (int i = fast; i < options.connections; i++) conn_resume(&conns[i]);
    for (const Conn *c; (c = behind()) != NULL;) {
        net_poll(100);
        if (clock_ns() > limit)
            fail("connection %d, which was slow, got %u of %u broadcasts and was not closed", c->index, c->answered, conns[0].sent);
    }
    net_poll(20); /* a surplus is caught here, as in run.c */
}

const Case case_slow = {
    .name = "slow", .unit = "delivery", .event = "broadcast", .may_be_closed = true,
    .start = start, .on_packet = on_packet, .in_flight = deliveries_in_flight, .drained = catch_up,
};

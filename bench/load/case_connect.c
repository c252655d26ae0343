/* Connect: `in_flight` clients at once, each opens, joins, closes and begins anew.
 *
 * One counts when it is closed, so the server's CPU for it has the goodbye in it too. The latency is that of
 * opening: from the TCP connection's begin to the namespace joined. main.c makes as many connections as are in
 * flight.
 */
#include "load.h"

static bool started;

/* Those that are open at the start are none of the window's. */
static void start(void) {
    started = true;
    for (int i = 0; i < options.connections; i++) {
        conn_close(&conns[i]);
        conn_flush(&conns[i]);
    }
}

static void on_ready(Conn *c) {
    if (!started) return;
    latency_add(now_ns - c->opened_at_ns);
    conn_close(c);
}

static void on_closed(Conn *c) {
    counted++;
    cycles++;
    if (sending) conn_open(c);
}

static void on_packet(Conn *c, const char *text, size_t n) {
    fail("connection %d got '4%.*s'", c->index, (int)(n > 80 ? 80 : n), text);
}

static uint64_t in_flight(void) { return (uint64_t)(options.connections - closed_count); }

const Case case_connect = {
    .name = "connect", .unit = "connection", .start = start, .on_packet = on_packet, .in_flight = in_flight,
    .on_ready = on_ready, .on_closed = on_closed,
};

/* Idle: the connections are made and then only answer heartbeats, so that memory can be read. */
#include "load.h"

static void start(void) {}

static void on_packet(Conn *c, const char *text, size_t n) {
    fail("idle connection %d got '4%.*s'", c->index, (int)(n > 80 ? 80 : n), text);
}

static uint64_t in_flight(void) { return 0; }

const Case case_idle = {
    .name = "idle", .unit = "connection", .start = start, .on_packet = on_packet, .in_flight = in_flight, .rests = true,
};

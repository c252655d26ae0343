/* Many emits to one client at once: each connection sends 42["burst",100,"<payload>"], and the server gives it
 * 42["news","<payload>"] a hundred times, by as many calls of emit.
 *
 * Every connection has one burst under way (a server may well mix the news of two), and the next ones are sent when
 * all have come to all connections, so that no work is counted without its deliveries.
 */
#include "deliveries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *message; /* 42["burst",100,"<payload>"], the payload written anew for each */
static size_t head_bytes;
static uint64_t owed, sent_at_ns;

static void send_next(Conn *c) {
    payload_write(message + head_bytes, options.size_bytes, (uint32_t)c->index, c->sent);
    conn_send(c, message, head_bytes + options.size_bytes + 2);
    c->sent++;
    owed += (uint64_t)options.burst;
}

/* `reading`: its read will end with a flush; NULL if none is read. */
static void begin_cycle(const Conn *reading) {
    sent_at_ns = now_ns;
    for (int i = 0; i < options.connections; i++) {
        send_next(&conns[i]);
        if (&conns[i] != reading) conn_flush(&conns[i]);
    }
}

static void start(void) {
    if (options.burst < 1) fail("--burst must be given");
    if (options.in_flight != 1) fail("--in-flight must be 1: each connection has one burst under way");
    message = malloc(options.size_bytes + strlen(options.event) + 64);
    if (message == NULL) fail("out of memory");
    head_bytes = (size_t)sprintf(message, "42[\"%s\",%d,\"", options.event, options.burst);
    memcpy(message + head_bytes + options.size_bytes, "\"]", 2);
    now_ns = clock_ns();
    begin_cycle(NULL);
}

static void on_packet(Conn *c, const char *text, size_t n) {
    const uint32_t burst = c->answered / (uint32_t)options.burst;
    if (burst == c->sent) news_wrong(c, "nothing", text, n);
    if (!news_is(text, n, (uint32_t)c->index, burst)) news_wrong(c, "news of its burst", text, n);
    latency_add(now_ns - sent_at_ns);
    c->answered++;
    counted++;
    if (--owed > 0) return;
    cycles++;
    if (sending) begin_cycle(c);
}

static uint64_t in_flight(void) { return owed; }

const Case case_burst = {.name = "burst", .unit = "delivery", .start = start, .on_packet = on_packet, .in_flight = in_flight};

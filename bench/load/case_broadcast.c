/* Broadcast: connection 0 sends 42["broadcast","<payload>"], and the server gives 42["news","<payload>"] to
 * every connection (the sender too).
 *
 * Every receiver must see every broadcast once, unchanged and in order. `in_flight` broadcasts are sent in one
 * write, and the next ones when all of them have reached everybody. Sent one by one, they would come to the
 * server sometimes together and sometimes apart, and how many it can join into one write to a client decides
 * what a delivery costs: the result would be that of chance.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *news; /* what every receiver must get, Engine.IO's '4' taken off */
    uint64_t sent_at_ns;
} Broadcast;

static Broadcast *ring;
static char *message;
static size_t news_bytes;
static uint64_t owed;

static Broadcast *broadcast_at(uint32_t sequence) { return &ring[sequence % (uint32_t)options.in_flight]; }

static void send_next(void) {
    Conn *sender = &conns[0];
    Broadcast *b = broadcast_at(sender->sent);
    payload_write(b->news + strlen("2[\"news\",\""), options.size_bytes, 0, sender->sent);
    const int head = sprintf(message, "42[\"%s\",\"", options.event);
    payload_write(message + head, options.size_bytes, 0, sender->sent);
    memcpy(message + head + options.size_bytes, "\"]", 2);
    conn_send(sender, message, (size_t)head + options.size_bytes + 2);
    b->sent_at_ns = now_ns;
    sender->sent++;
    owed += (uint64_t)options.connections;
}

static void send_group(void) {
    for (int k = 0; k < options.in_flight; k++) send_next();
}

static void start(void) {
    ring = calloc((size_t)options.in_flight, sizeof *ring);
    message = malloc(options.size_bytes + strlen(options.event) + 64);
    if (ring == NULL || message == NULL) fail("out of memory");
    for (int k = 0; k < options.in_flight; k++) {
        ring[k].news = malloc(options.size_bytes + 64);
        if (ring[k].news == NULL) fail("out of memory");
        const size_t head = (size_t)sprintf(ring[k].news, "2[\"news\",\"");
        memcpy(ring[k].news + head + options.size_bytes, "\"]", 2);
        news_bytes = head + options.size_bytes + 2;
    }
    now_ns = clock_ns();
    send_group();
    conn_flush(&conns[0]);
}

static void on_packet(Conn *c, const char *text, size_t n) {
    Broadcast *b = broadcast_at(c->answered);
    if (c->answered == conns[0].sent) fail("connection %d: a broadcast that nobody sent: '4%.*s'", c->index, (int)(n > 80 ? 80 : n), text);
    if (n != news_bytes || memcmp(text, b->news, n) != 0)
        fail("connection %d: broadcast %u arrived as '4%.*s'", c->index, c->answered, (int)(n > 80 ? 80 : n), text);
    latency_add(now_ns - b->sent_at_ns);
    c->answered++;
    counted++;
    if (--owed > 0) return;
    cycles++;
    if (!sending) return;
    send_group();
    if (c != &conns[0]) conn_flush(&conns[0]); /* the sender's own read ends with a flush */
}

static uint64_t in_flight(void) { return owed; }

const Case case_broadcast = {"broadcast", "delivery", start, on_packet, in_flight};

/* Echo with acknowledgement: each connection keeps `in_flight` events under way.
 *
 * Sends 42<id>["echo","<payload>"] and takes only 43<id>["<payload>"], in the order in which it sent.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *message;    /* one event, as it is built */
static char *event_head; /* ["echo"," */
static size_t event_head_bytes;
static uint64_t owed;

static void send_next(Conn *c) {
    char *p = message + 2; /* after 42 */
    p += decimal_write(p, c->sent);
    memcpy(p, event_head, event_head_bytes);
    p += event_head_bytes;
    payload_write(p, options.size_bytes, (uint32_t)c->index, c->sent);
    p += options.size_bytes;
    memcpy(p, "\"]", 2);
    conn_send(c, message, (size_t)(p + 2 - message));
    c->sent_at_ns[c->sent % (uint32_t)options.in_flight] = now_ns;
    c->sent++;
    owed++;
}

static void start(void) {
    message = malloc(options.size_bytes + strlen(options.event) + 64);
    event_head = malloc(strlen(options.event) + 64);
    if (message == NULL || event_head == NULL) fail("out of memory");
    memcpy(message, "42", 2);
    event_head_bytes = (size_t)sprintf(event_head, "[\"%s\",\"", options.event);
    now_ns = clock_ns();
    for (int i = 0; i < options.connections; i++) {
        Conn *c = &conns[i];
        c->sent_at_ns = calloc((size_t)options.in_flight, sizeof *c->sent_at_ns);
        if (c->sent_at_ns == NULL) fail("out of memory");
        for (int k = 0; k < options.in_flight; k++) send_next(c);
        conn_flush(c);
    }
}

static void on_packet(Conn *c, const char *text, size_t n) {
    char head[32];
    size_t head_bytes = 1 + decimal_write(head + 1, c->answered);
    head[0] = '3';
    head[head_bytes++] = '[';
    head[head_bytes++] = '"';
    const size_t size = options.size_bytes;
    if (c->answered == c->sent) fail("connection %d: an answer that nobody asked for: '4%.*s'", c->index, (int)(n > 80 ? 80 : n), text);
    if (n != head_bytes + size + 2 || memcmp(text, head, head_bytes) != 0 ||
        !payload_is(text + head_bytes, size, (uint32_t)c->index, c->answered) || memcmp(text + n - 2, "\"]", 2) != 0)
        fail("connection %d: wrong answer to id %u: '4%.*s'", c->index, c->answered, (int)(n > 80 ? 80 : n), text);
    latency_add(now_ns - c->sent_at_ns[c->answered % (uint32_t)options.in_flight]);
    c->answered++;
    counted++;
    cycles++;
    owed--;
    if (sending) send_next(c);
}

static uint64_t in_flight(void) { return owed; }

const Case case_echo = {"echo", "message", start, on_packet, in_flight};

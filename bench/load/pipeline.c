/* Pipelines of messages: see pipeline.h (case_echo.c, case_event.c, case_namespaces.c). */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

static const Pipeline *pipeline;
static char *message, *attachment; /* the one message that is being built */
static uint64_t owed;

static Conn **waiting; /* a ring; first comes the one whose turn is next */
static int waiting_first, waiting_count;

static void send_next(Conn *c) {
    conn_send(c, message, pipeline->write(message, c));
    if (options.binary) {
        payload_write(attachment, options.size_bytes, (uint32_t)c->index, c->sent);
        conn_send_binary(c, attachment, options.size_bytes);
    }
    c->sent_at_ns[c->sent % (uint32_t)options.in_flight] = now_ns;
    c->sent++;
    owed++;
}

static void send_group(Conn *c) {
    for (int k = 0; k < options.in_flight; k++) send_next(c);
}

static void wait_for_turn(Conn *c) { waiting[(waiting_first + waiting_count++) % options.connections] = c; }

static Conn *take_turn(void) {
    Conn *c = waiting[waiting_first];
    waiting_first = (waiting_first + 1) % options.connections;
    waiting_count--;
    return c;
}

static void pass_turn(Conn *c) {
    if (c->answered != c->sent) return;
    wait_for_turn(c);
    Conn *next = take_turn();
    send_group(next);
    if (next != c) conn_flush(next);
}

void pipeline_start(const Pipeline *what, size_t more_bytes) {
    const int speaking = options.connections - options.idle;
    if (options.active > speaking) fail("%d active of %d connections", options.active, speaking);
    if (speaking < 1) fail("%d idle of %d connections", options.idle, options.connections);
    pipeline = what;
    message = malloc(options.size_bytes + strlen(options.event) + more_bytes);
    attachment = malloc(options.size_bytes);
    waiting = calloc((size_t)options.connections, sizeof *waiting);
    if (message == NULL || attachment == NULL || waiting == NULL) fail("out of memory");
    now_ns = clock_ns();
    for (int i = 0; i < speaking; i++) {
        Conn *c = &conns[i];
        c->sent_at_ns = calloc((size_t)options.in_flight, sizeof *c->sent_at_ns);
        if (c->sent_at_ns == NULL) fail("out of memory");
        if (options.active > 0 && i >= options.active) {
            wait_for_turn(c);
            continue;
        }
        send_group(c);
        conn_flush(c);
    }
}

static void answered(Conn *c) {
    latency_add(now_ns - c->sent_at_ns[c->answered % (uint32_t)options.in_flight]);
    c->answered++;
    counted++;
    cycles++;
    owed--;
    if (!sending) return;
    if (options.active > 0) pass_turn(c);
    else send_next(c);
}

void pipeline_on_packet(Conn *c, const char *text, size_t n) {
    const int shown = (int)(n > 80 ? 80 : n);
    if (c->answered == c->sent) fail("connection %d: an answer that nobody asked for: '4%.*s'", c->index, shown, text);
    if (!pipeline->is_answer(c, text, n)) fail("connection %d: wrong answer to message %u: '4%.*s'", c->index, c->answered, shown, text);
    if (!options.binary) answered(c);
}

void pipeline_on_binary(Conn *c, const uint8_t *bytes, size_t n) {
    if (n != options.size_bytes || !payload_is((const char *)bytes, n, (uint32_t)c->index, c->answered))
        fail("connection %d: wrong attachment of %zu bytes in the answer to message %u", c->index, n, c->answered);
    answered(c);
}

uint64_t pipeline_in_flight(void) { return owed; }

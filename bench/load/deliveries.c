/* News to groups of connections, checked at every receiver (case_broadcast.c, case_rooms.c, case_slow.c). */
#include "deliveries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char NEWS[] = "2[\"news\",\"";
enum { NEWS_HEAD = sizeof NEWS - 1, TEXTS = 64 };

/* The same text comes to many receivers, one soon after the other: it is built once and then only compared.
 * 190 -> 47 instructions for each delivery (callgrind, broadcast to 100), of 280 that one takes in all. */
typedef struct {
    char *text;
    uint32_t connection, sequence;
} Text;

static struct {
    uint32_t groups, members;
    size_t (*write_head)(char *to, uint32_t group);
} audience;
static char *message; /* the one message that is being built */
static uint64_t owed, sent_at_ns;

static const char *text_of(uint32_t connection, uint32_t sequence) {
    static Text texts[TEXTS];
    Text *t = &texts[(connection * 31 + sequence) % TEXTS];
    if (t->text != NULL && t->connection == connection && t->sequence == sequence) return t->text;
    if (t->text == NULL) t->text = malloc(NEWS_HEAD + options.size_bytes + 2);
    if (t->text == NULL) fail("out of memory");
    memcpy(t->text, NEWS, NEWS_HEAD);
    payload_write(t->text + NEWS_HEAD, options.size_bytes, connection, sequence);
    memcpy(t->text + NEWS_HEAD + options.size_bytes, "\"]", 2);
    t->connection = connection;
    t->sequence = sequence;
    return t->text;
}

bool news_is(const char *text, size_t n, uint32_t connection, uint32_t sequence) {
    return n == NEWS_HEAD + options.size_bytes + 2 && memcmp(text, text_of(connection, sequence), n) == 0;
}

_Noreturn void news_wrong(const Conn *c, const char *due, const char *text, size_t n) {
    fail("connection %d: %s was due after %u answers, and '4%.*s' came", c->index, due, c->answered, (int)(n > 80 ? 80 : n), text);
}

static void send_next(Conn *sender) {
    const uint32_t group = sender->sent % audience.groups;
    size_t n = audience.write_head(message, group);
    payload_write(message + n, options.size_bytes, 0, sender->sent);
    n += options.size_bytes;
    memcpy(message + n, "\"]", 2);
    conn_send(sender, message, n + 2);
    sender->sent++;
    owed += audience.members;
}

static void begin_cycle(void) {
    sent_at_ns = now_ns;
    for (int k = 0; k < options.in_flight; k++) send_next(&conns[0]);
}

void deliveries_start(int groups, int members, size_t (*write_head)(char *to, uint32_t group)) {
    audience.groups = (uint32_t)groups;
    audience.members = (uint32_t)members;
    audience.write_head = write_head;
    message = malloc(options.size_bytes + strlen(options.event) + 80);
    if (message == NULL) fail("out of memory");
    now_ns = clock_ns();
    begin_cycle();
    conn_flush(&conns[0]);
}

void deliveries_on_packet(Conn *c, const char *text, size_t n) {
    const uint32_t group = (uint32_t)c->index / audience.members;
    const uint32_t due = group + c->answered * audience.groups; /* the next message of this group */
    if (group >= audience.groups || due >= conns[0].sent) news_wrong(c, "nothing", text, n);
    if (!news_is(text, n, 0, due)) news_wrong(c, "the next message", text, n);
    /* With several servers the time is that to the clients of the others. */
    if (options.port_count == 1 || c != &conns[0]) latency_add(now_ns - sent_at_ns);
    c->answered++;
    counted++;
    if (--owed > 0) return;
    cycles++;
    if (!sending) return;
    begin_cycle();
    if (c != &conns[0]) conn_flush(&conns[0]); /* the sender's own read ends with a flush */
}

uint64_t deliveries_in_flight(void) { return owed; }

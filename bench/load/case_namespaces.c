/* Echo over namespaces: each connection joins /a, /b, ... and sends to them in turn, `in_flight` under way.
 *
 * Sends 42/b,<id>["echo","<payload>"] and takes only 43/b,<id>["<payload>"], in the order in which it sent.
 */
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

enum { NAMESPACES_AT_MOST = 26 };

static const char *const *namespaces(int *count) {
    static char names[NAMESPACES_AT_MOST][3];
    static const char *list[NAMESPACES_AT_MOST];
    if (options.namespaces < 1 || options.namespaces > NAMESPACES_AT_MOST) fail("--namespaces is a number from 1 to %d", NAMESPACES_AT_MOST);
    for (int i = 0; i < options.namespaces; i++) {
        sprintf(names[i], "/%c", 'a' + i);
        list[i] = names[i];
    }
    *count = options.namespaces;
    return list;
}

/* `<kind>/b,<id>["`: the id is the message's number, and says also which namespace it is in. */
static size_t write_head(char *to, const char *kind, uint32_t id) {
    const char letter = (char)('a' + id % (uint32_t)options.namespaces);
    size_t n = strlen(kind);
    memcpy(to, kind, n);
    to[n++] = '/';
    to[n++] = letter;
    to[n++] = ',';
    n += decimal_write(to + n, id);
    memcpy(to + n, "[\"", 2);
    return n + 2;
}

static size_t write_echo(char *to, const Conn *c) {
    size_t n = write_head(to, "42", c->sent);
    n += (size_t)sprintf(to + n, "%s\",\"", options.event);
    payload_write(to + n, options.size_bytes, (uint32_t)c->index, c->sent);
    n += options.size_bytes;
    memcpy(to + n, "\"]", 2);
    return n + 2;
}

static bool is_ack(const Conn *c, const char *text, size_t n) {
    char head[32];
    const size_t head_bytes = write_head(head, "3", c->answered);
    return n == head_bytes + options.size_bytes + 2 && memcmp(text, head, head_bytes) == 0 &&
           payload_is(text + head_bytes, options.size_bytes, (uint32_t)c->index, c->answered) && memcmp(text + n - 2, "\"]", 2) == 0;
}

static void start(void) {
    static const Pipeline echoes = {write_echo, is_ack};
    pipeline_start(&echoes, 64);
}

const Case case_namespaces = {
    .name = "namespaces", .unit = "message", .event = "echo", .namespaces = namespaces,
    .start = start, .on_packet = pipeline_on_packet, .in_flight = pipeline_in_flight,
};

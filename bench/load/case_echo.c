/* Echo with acknowledgement: sends 42<id>["echo","<payload>"] and takes only 43<id>["<payload>"].
 *
 * With --binary the payload is an attachment, both ways: 451-<id>["echo",{"_placeholder":true,"num":0}] and
 * 461-<id>[{"_placeholder":true,"num":0}].
 */
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACEHOLDER "{\"_placeholder\":true,\"num\":0}"

typedef struct {
    const char *text;
    size_t n;
} Part;

static Part event, ack;             /* what comes before the id; Engine.IO's '4' is taken off the ack */
static Part event_begin, ack_begin; /* between the id and the payload */
static Part end;                    /* behind the payload */

static Part part(const char *text) { return (Part){text, strlen(text)}; }

static char *put(char *to, Part p) {
    memcpy(to, p.text, p.n);
    return to + p.n;
}

static size_t write_event(char *to, const Conn *c) {
    char *p = put(to, event);
    p += decimal_write(p, c->sent);
    p = put(p, event_begin);
    if (!options.binary) {
        payload_write(p, options.size_bytes, (uint32_t)c->index, c->sent);
        p += options.size_bytes;
    }
    return (size_t)(put(p, end) - to);
}

static bool is_ack(const Conn *c, const char *text, size_t n) {
    char head[96];
    char *p = put(head, ack);
    p += decimal_write(p, c->answered);
    const size_t head_bytes = (size_t)(put(p, ack_begin) - head), inside = options.binary ? 0 : options.size_bytes;
    return n == head_bytes + inside + end.n && memcmp(text, head, head_bytes) == 0 &&
           (inside == 0 || payload_is(text + head_bytes, inside, (uint32_t)c->index, c->answered)) &&
           memcmp(text + head_bytes + inside, end.text, end.n) == 0;
}

static void start(void) {
    static const Pipeline echoes = {write_event, is_ack};
    char *begin = malloc(strlen(options.event) + 64);
    if (begin == NULL) fail("out of memory");
    sprintf(begin, options.binary ? "[\"%s\"," PLACEHOLDER : "[\"%s\",\"", options.event);
    event = part(options.binary ? "451-" : "42");
    ack = part(options.binary ? "61-" : "3");
    event_begin = part(begin);
    ack_begin = part(options.binary ? "[" PLACEHOLDER : "[\"");
    end = part(options.binary ? "]" : "\"]");
    pipeline_start(&echoes, 96);
}

const Case case_echo = {
    .name = "echo", .unit = "message",
    .start = start, .on_packet = pipeline_on_packet, .on_binary = pipeline_on_binary, .in_flight = pipeline_in_flight,
};

/* An event in, an event out: each connection keeps `in_flight` of 42["say","<payload>"] under way, without ids.
 *
 * Takes only 42["said","<payload>"], in the order in which it sent.
 */
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

static const char ANSWER[] = "2[\"said\",\"";

static size_t write_say(char *to, const Conn *c) {
    const size_t head = (size_t)sprintf(to, "42[\"%s\",\"", options.event);
    payload_write(to + head, options.size_bytes, (uint32_t)c->index, c->sent);
    memcpy(to + head + options.size_bytes, "\"]", 2);
    return head + options.size_bytes + 2;
}

static bool is_said(const Conn *c, const char *text, size_t n) {
    const size_t head = strlen(ANSWER);
    return n == head + options.size_bytes + 2 && memcmp(text, ANSWER, head) == 0 &&
           payload_is(text + head, options.size_bytes, (uint32_t)c->index, c->answered) && memcmp(text + n - 2, "\"]", 2) == 0;
}

static void start(void) {
    static const Pipeline says = {write_say, is_said};
    pipeline_start(&says, 64);
}

const Case case_event = {
    .name = "event", .unit = "message", .event = "say",
    .start = start, .on_packet = pipeline_on_packet, .in_flight = pipeline_in_flight,
};

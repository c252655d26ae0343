/* Each connection keeps `in_flight` messages under way, and each is answered once, in the order of sending. When one
 * is answered, the next is sent.
 *
 * With --active A only A connections are at work at a time: each sends its `in_flight` in one write, and when all are
 * answered the next in a queue of all connections has its turn. So a server with many connections can be compared
 * with one that has few, at the same number of messages under way. With --idle N the last N say nothing at all.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "load.h"

/* What a case says of its messages. Message `c->sent` is the next one to go, answer `c->answered` the next one due.
 * With --binary the payload is not in them: it follows each, both ways, as an attachment. */
typedef struct {
    size_t (*write)(char *to, const Conn *c); /* the next message; returns its length */
    bool (*is_answer)(const Conn *c, const char *text, size_t n);
} Pipeline;

/* `more_bytes`: what a message has at most beyond its payload and the event's name. */
void pipeline_start(const Pipeline *what, size_t more_bytes);
void pipeline_on_packet(Conn *c, const char *text, size_t n);
void pipeline_on_binary(Conn *c, const uint8_t *bytes, size_t n);
uint64_t pipeline_in_flight(void);

#endif

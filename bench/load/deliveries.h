/* `news`: what a server delivers to many, or many times to one. */
#ifndef DELIVERIES_H
#define DELIVERIES_H

#include "load.h"

/* Is it 2["news","<payload>"] with the payload of that message of that connection? */
bool news_is(const char *text, size_t n, uint32_t connection, uint32_t sequence);
/* Ends the run: connection `c` got `text` where `due` was due. */
_Noreturn void news_wrong(const Conn *c, const char *due, const char *text, size_t n);

/* Connection 0 sends to groups in turn: message s goes to group s % groups, and connection i is in group i / members.
 * Connections from groups * members on are in no group and must get nothing.
 *
 * Every member must see each of its group's messages once, unchanged and in order. `in_flight` messages are sent in
 * one write, and the next ones when all of them have reached everybody: that is a cycle. Sent one by one, they would
 * come to the server sometimes together and sometimes apart, and how many it can join into one write to a client
 * decides what a delivery costs: the result would be that of chance.
 *
 * `write_head` writes what stands before the payload, such as 42["to_room","room-7"," and returns its length, which
 * is at most 64 and that of the event's name. */
void deliveries_start(int groups, int members, size_t (*write_head)(char *to, uint32_t group));
void deliveries_on_packet(Conn *c, const char *text, size_t n);
uint64_t deliveries_in_flight(void);

#endif

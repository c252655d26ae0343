/* Joining rooms: 42<id>["join","room-7"] is answered with 43<id>[] (case_rooms.c, case_mixed.c).
 *
 * It is done before the warm-up, so that no join is in a measured window.
 */
#include "rooms.h"

#include <stdio.h>
#include <string.h>

enum { JOIN_AT_ONCE = 200, JOIN_LIMIT_S = 60 };

static int members, wanted, asked, joined;

static void ask_next(void) {
    Conn *c = &conns[asked++];
    char text[64];
    conn_send(c, text, (size_t)sprintf(text, "420[\"join\",\"%s-%d\"]", options.room, c->index / members));
    conn_flush(c);
    c->sent = 1;
}

void rooms_join(int count, int members_each) {
    const uint64_t limit = clock_ns() + (uint64_t)JOIN_LIMIT_S * 1000000000u;
    wanted = count;
    members = members_each;
    while (asked < wanted && asked < JOIN_AT_ONCE) ask_next();
    while (joined < wanted) {
        net_poll(100);
        if (clock_ns() > limit) fail("only %d of %d connections had joined their room in %d s", joined, wanted, JOIN_LIMIT_S);
    }
    for (int i = 0; i < wanted; i++) conns[i].sent = conns[i].answered = 0; /* from here on they are the traffic's */
}

bool rooms_are_joining(void) { return joined < wanted; }

void rooms_on_packet(Conn *c, const char *text, size_t n) {
    if (c->sent == c->answered || n != 4 || memcmp(text, "30[]", 4) != 0)
        fail("connection %d: '4%.*s' came while rooms were joined", c->index, (int)(n > 80 ? 80 : n), text);
    c->answered = 1;
    joined++;
    if (asked < wanted) ask_next();
}

/* Rooms: connection 0 sends 42["to_room","room-7","<payload>"] to each room in turn, and the server gives
 * 42["news","<payload>"] to the members of that room, and to nobody else (deliveries.h). With --active N the first N
 * rooms are spoken to, and the others have members all the same.
 */
#include "deliveries.h"
#include "rooms.h"

#include <stdio.h>

static size_t write_head(char *to, uint32_t room) { return (size_t)sprintf(to, "42[\"%s\",\"%s-%u\",\"", options.event, options.room, room); }

static void start(void) {
    if (options.rooms < 1 || options.members < 1) fail("--rooms and --members must be given");
    if (options.active > options.rooms) fail("%d active of %d rooms", options.active, options.rooms);
    if ((int64_t)options.rooms * options.members > options.connections)
        fail("%d rooms of %d need more than %d connections", options.rooms, options.members, options.connections);
    rooms_join(options.rooms * options.members, options.members);
    deliveries_start(options.active ? options.active : options.rooms, options.members, write_head);
}

static void on_packet(Conn *c, const char *text, size_t n) {
    if (rooms_are_joining()) rooms_on_packet(c, text, n);
    else deliveries_on_packet(c, text, n);
}

const Case case_rooms = {
    .name = "rooms", .unit = "delivery", .event = "to_room",
    .start = start, .on_packet = on_packet, .in_flight = deliveries_in_flight,
};

/* Broadcast: connection 0 sends 42["broadcast","<payload>"], and the server gives 42["news","<payload>"] to every
 * connection (the sender too). All are one group of deliveries.h.
 */
#include "deliveries.h"

#include <stdio.h>

static size_t write_head(char *to, uint32_t group) {
    (void)group;
    return (size_t)sprintf(to, "42[\"%s\",\"", options.event);
}

static void start(void) { deliveries_start(1, options.connections, write_head); }

const Case case_broadcast = {
    .name = "broadcast", .unit = "delivery",
    .start = start, .on_packet = deliveries_on_packet, .in_flight = deliveries_in_flight,
};

/* Joining rooms: room-0, room-1, ... of --members connections each. */
#ifndef ROOMS_H
#define ROOMS_H

#include "load.h"

/* Connections 0 to count - 1 join room `index / members`; returns when the server has acknowledged all of them.
 * Until then the case's on_packet must hand its packets to rooms_on_packet. */
void rooms_join(int count, int members);
bool rooms_are_joining(void);
void rooms_on_packet(Conn *c, const char *text, size_t n);

#endif

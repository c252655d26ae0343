/* Mixed load, as of a chat: everybody is in a room of --members, --active of them talk, the others only listen.
 *
 * A talker sends 42<id>["chat","room-7","<payload>"], the server gives 42["news","<payload>"] to everybody in the
 * room (the talker too) and then 43<id>[] to the talker, who goes on when it has that. What different talkers of a
 * room say has no order; what one says must come to every member once, unchanged and in its order. The payload says
 * which message of which talker it is.
 *
 * Talkers are never all done at the same time by themselves. So they begin nothing new after STRETCH_MS, and when
 * all has reached everybody a sample may be taken and they begin again: no work is counted without its deliveries.
 *
 * With --rate they do not wait for each other: they speak in turn, so many messages a second in all, whatever the
 * server does meanwhile. What it holds up is then in the latencies, as it is for people. Who has not had its answer
 * when it is its turn again ends the run.
 */
#include "deliveries.h"
#include "rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAMP = 16, STRETCH_MS = 200, REMEMBERED = 8 };

/* A talker remembers its last messages, for a receiver may get one long after the talker has its ack. */
typedef struct {
    uint64_t sent_at_ns[REMEMBERED];
    uint32_t owed[REMEMBERED]; /* receivers that have not got that message */
    uint32_t place;            /* among the talkers of its room */
} Talker;

typedef struct {
    uint32_t talkers, members;
} Room;

typedef struct {
    Talker *talker;  /* NULL: only listens */
    uint32_t *heard; /* how many messages of each talker of the room */
} Person;

static Room *rooms;
static Person *people; /* one for each connection */
static char *message;  /* the one message that is being built */
static uint64_t owed;  /* deliveries and acks */
static uint64_t stretch_until_ns;
static uint64_t messages, due;          /* since the start: said, and deliveries that come of that */
static uint64_t first_at_ns, in_turn;   /* with --rate: when the first message was due, how many have been */
static int turn;                        /* whose it is */

static int room_of(const Conn *c) { return c->index / options.members; }

static void *zeroed(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL) fail("out of memory");
    return memory;
}

static void send_chat(Conn *c, Talker *t) {
    const uint32_t slot = c->sent % REMEMBERED;
    size_t n = (size_t)sprintf(message, "42%u[\"%s\",\"%s-%d\",\"", c->sent, options.event, options.room, room_of(c));
    payload_write(message + n, options.size_bytes, (uint32_t)c->index, c->sent);
    n += options.size_bytes;
    memcpy(message + n, "\"]", 2);
    conn_send(c, message, n + 2);
    t->sent_at_ns[slot] = now_ns;
    t->owed[slot] = rooms[room_of(c)].members;
    c->sent++;
    owed += t->owed[slot] + 1;
    messages++;
    due += rooms[room_of(c)].members;
}

/* Whether all that it has said was answered and has reached everybody. */
static bool is_free(const Conn *c) { return c->answered == c->sent && people[c->index].talker->owed[c->sent % REMEMBERED] == 0; }

/* Sends the talker's next message if it may; false if it may not. */
static bool go_on(Conn *c) {
    const bool may = options.rate == 0 && sending && now_ns < stretch_until_ns && is_free(c);
    if (may) send_chat(c, people[c->index].talker);
    return may;
}

static void speak_in_turn(void) {
    while (people[turn].talker == NULL) turn = (turn + 1) % options.connections;
    Conn *c = &conns[turn];
    if (!is_free(c)) fail("connection %d: its message %u was not answered, or has not reached everybody, when it was its turn again", c->index, c->sent - 1);
    send_chat(c, people[turn].talker);
    conn_flush(c);
    turn = (turn + 1) % options.connections;
}

static int tick(void) {
    if (options.rate == 0 || first_at_ns == 0) return -1;
    const double every_ns = 1e9 / options.rate;
    for (;;) {
        now_ns = clock_ns();
        const uint64_t next_at_ns = first_at_ns + (uint64_t)(every_ns * (double)in_turn);
        if (next_at_ns > now_ns) return (int)((next_at_ns - now_ns) / 1000000) + 1;
        in_turn++;
        speak_in_turn();
    }
}

static void begin_stretch(void) {
    stretch_until_ns = now_ns + (uint64_t)STRETCH_MS * 1000000u;
    for (int i = 0; i < options.connections; i++)
        if (people[i].talker != NULL && go_on(&conns[i])) conn_flush(&conns[i]);
}

static void prepare_people(void) {
    const int64_t count = options.connections, talkers = options.active;
    people = zeroed((size_t)count, sizeof *people);
    rooms = zeroed((size_t)(count / options.members + 1), sizeof *rooms);
    for (int i = 0; i < count; i++) {
        Room *room = &rooms[room_of(&conns[i])];
        room->members++;
        if (i * talkers / count == (i + 1) * talkers / count) continue; /* talkers are spread evenly */
        people[i].talker = zeroed(1, sizeof(Talker));
        people[i].talker->place = room->talkers++;
    }
    for (int i = 0; i < count; i++) people[i].heard = zeroed(rooms[room_of(&conns[i])].talkers + 1, sizeof(uint32_t));
}

static void start(void) {
    if (options.members < 1 || options.active < 1) fail("--members and --active must be given");
    if (options.active > options.connections) fail("%d active of %d connections", options.active, options.connections);
    if (options.size_bytes < STAMP) fail("--size must be %d or more: the payload says whose it is", STAMP);
    prepare_people();
    message = malloc(options.size_bytes + strlen(options.event) + 80);
    if (message == NULL) fail("out of memory");
    rooms_join(options.connections, options.members);
    now_ns = clock_ns();
    if (options.rate > 0) first_at_ns = now_ns;
    else begin_stretch();
}

/* The talker's own message is emitted before the ack, so it must have come before it. */
static void take_ack(Conn *c, const char *text, size_t n) {
    const Person *p = &people[c->index];
    char due[16] = "3";
    const size_t digits = decimal_write(due + 1, c->answered);
    memcpy(due + 1 + digits, "[]", 2);
    if (p->talker == NULL || c->answered == c->sent) news_wrong(c, "no ack", text, n);
    if (n != digits + 3 || memcmp(text, due, n) != 0) news_wrong(c, "another ack", text, n);
    if (p->heard[p->talker->place] != c->sent) news_wrong(c, "what it said itself", text, n);
    c->answered++;
    if (options.rate > 0) cycles++;
    else go_on(c);
}

static void take_news(Conn *c, const char *text, size_t n) {
    static const size_t head = sizeof "2[\"news\",\"" - 1;
    uint32_t from, sequence;
    if (n < head || !payload_read(text + head, n - head, &from, &sequence)) news_wrong(c, "news with a stamp", text, n);
    if (from >= (uint32_t)options.connections || people[from].talker == NULL || room_of(&conns[from]) != room_of(c))
        news_wrong(c, "news from a talker of its room", text, n);
    Conn *sender = &conns[from];
    Talker *t = people[from].talker;
    uint32_t *heard = &people[c->index].heard[t->place];
    if (*heard == sender->sent) news_wrong(c, "nothing from that talker", text, n);
    if (!news_is(text, n, from, *heard)) news_wrong(c, "another message of that talker", text, n);
    const uint32_t slot = (*heard)++ % REMEMBERED;
    latency_add(now_ns - t->sent_at_ns[slot]);
    counted++;
    if (--t->owed[slot] == 0 && go_on(sender) && sender != c) conn_flush(sender);
}

static void on_packet(Conn *c, const char *text, size_t n) {
    if (rooms_are_joining()) return rooms_on_packet(c, text, n);
    owed--;
    if (text[0] == '3') take_ack(c, text, n);
    else take_news(c, text, n);
    if (owed > 0 || options.rate > 0) return;
    cycles++;
    begin_stretch();
}

static uint64_t in_flight(void) { return owed; }

static void report_said(void) {
    printf(", \"messages\": %llu, \"due\": %llu", (unsigned long long)messages, (unsigned long long)due);
}

const Case case_mixed = {
    .name = "mixed", .unit = "delivery", .event = "chat", .start = start, .on_packet = on_packet, .in_flight = in_flight,
    .tick = tick, .report = report_said,
};

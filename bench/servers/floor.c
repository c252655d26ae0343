/* `floor PORT`: the benchmark's application with the least that a server can do, to see what the kernel takes.
 *
 * Socket.IO v5 over Engine.IO v4 over WebSocket, one thread, epoll. One read and one write per connection and turn of
 * the loop: whatever is due to a connection in a turn is appended to its pending bytes. It parses no JSON: an event is
 * known by its first characters, and its arguments are copied as they came. No polling, no TLS, no fragments, no limits:
 * well-behaved clients are taken for granted. It is a measure, not a server to use. The handshake is in floor_http.c.
 * Source: RFC 6455 5.2 (frames); socket.io-protocol v5; engine.io-protocol v4.
 */
#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, EVENTS = 512, BACKLOG = 4096, PING_INTERVAL_S = 25, ROOM_SLOTS = 1 << 16 };
enum { OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

typedef struct Conn Conn;

typedef struct {
    Conn **all;
    int count, capacity;
} Members;

typedef struct {
    Slice name; /* no bytes: a free slot */
    Members members;
} Room;

struct Conn {
    int fd;           /* -1: closed, and freed at the end of the turn */
    int index;        /* where it is in `joined`; -1: not there yet */
    long attachments; /* still to come, and echoed */
    bool is_open;     /* the WebSocket handshake is done */
    bool is_closing;  /* to be closed once what is pending is sent */
    bool is_touched;  /* in the list of those that are looked at when the turn ends */
    bool is_blocked;  /* the kernel took no more: it waits for EPOLLOUT */
    Conn *next_touched;
    Buffer in, out;   /* the begin of a frame that is not whole yet; what is pending */
    Room **rooms;
    int room_count;
};

static int epoll_fd;
static Members joined; /* all clients in "/" */
static Conn *touched;
static Room rooms[ROOM_SLOTS];
static uint8_t scratch[READ_BYTES];

/* ---- bytes ---------------------------------------------------------------------------------- */

void *must(void *memory) {
    if (memory != NULL) return memory;
    perror("floor");
    exit(1);
}

void reserve(Buffer *b, size_t more) {
    if (b->capacity - b->end >= more) return;
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, size_of(b));
        b->end -= b->start;
        b->start = 0;
        if (b->capacity - b->end >= more) return;
    }
    size_t capacity = b->capacity ? b->capacity : 128;
    while (capacity - b->end < more) capacity *= 2;
    b->data = must(realloc(b->data, capacity));
    b->capacity = capacity;
}

void append(Buffer *b, Slice s) {
    reserve(b, s.n);
    if (s.n > 0) memcpy(b->data + b->end, s.bytes, s.n);
    b->end += s.n;
}

static void consume(Buffer *b, size_t n) {
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
}

static bool is(Slice s, const char *text) { return s.n == strlen(text) && memcmp(s.bytes, text, s.n) == 0; }

/* ---- what is pending ------------------------------------------------------------------------ */

static void touch(Conn *c) {
    if (c->is_touched) return;
    c->is_touched = true;
    c->next_touched = touched;
    touched = c;
}

/* Writes the header of a frame with `n` bytes of payload, for which there is room afterwards. */
static void begin_frame(Buffer *out, int opcode, size_t n) {
    reserve(out, n + 10);
    uint8_t *p = out->data + out->end;
    *p++ = 0x80 | (uint8_t)opcode;
    if (n < 126) {
        *p++ = (uint8_t)n;
    } else {
        *p++ = n < 65536 ? 126 : 127;
        for (int shift = n < 65536 ? 8 : 56; shift >= 0; shift -= 8) *p++ = (uint8_t)((uint64_t)n >> shift);
    }
    out->end = (size_t)(p - out->data);
}

static void frame(Buffer *out, int opcode, const Slice parts[4]) {
    begin_frame(out, opcode, parts[0].n + parts[1].n + parts[2].n + parts[3].n);
    for (int i = 0; i < 4; i++) append(out, parts[i]);
}

#define SEND(c, opcode, ...) (frame(&(c)->out, opcode, (const Slice[4]){__VA_ARGS__}), touch(c))

/* ---- members -------------------------------------------------------------------------------- */

static void add(Members *m, Conn *c) {
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 16;
        m->all = must(realloc(m->all, (size_t)m->capacity * sizeof *m->all));
    }
    m->all[m->count++] = c;
}

static Room *room_named(Slice name) {
    uint32_t slot = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.n; i++) slot = (slot ^ (uint8_t)name.bytes[i]) * 16777619u;
    for (;; slot++) {
        Room *room = &rooms[slot % ROOM_SLOTS];
        if (room->name.bytes == NULL) room->name = (Slice){must(strndup(name.bytes, name.n)), name.n};
        if (room->name.n == name.n && memcmp(room->name.bytes, name.bytes, name.n) == 0) return room;
    }
}

static void join(Conn *c, Room *room) {
    for (int i = 0; i < c->room_count; i++)
        if (c->rooms[i] == room) return;
    c->rooms = must(realloc(c->rooms, (size_t)(c->room_count + 1) * sizeof *c->rooms));
    c->rooms[c->room_count++] = room;
    add(&room->members, c);
}

static void leave(Conn *c, Members *m) {
    int i = 0;
    while (m->all[i] != c) i++;
    m->all[i] = m->all[--m->count];
}

static void leave_all(Conn *c) {
    for (int i = 0; i < c->room_count; i++) leave(c, &c->rooms[i]->members);
    if (c->index < 0) return;
    Conn *last = joined.all[--joined.count];
    joined.all[c->index] = last;
    last->index = c->index;
}

/* ---- Socket.IO ------------------------------------------------------------------------------ */

typedef struct {
    Slice ack; /* how an answer begins: its type, and for a binary one how many attachments it has */
    Slice id;  /* a namespace other than "/", and the id that asks for an answer */
    Slice event;
    Slice data; /* the arguments behind the event's name, and the closing bracket */
} Packet;

static void emit_news(const Members *to, Slice data) {
    static Buffer encoded; /* once for all */
    encoded.start = encoded.end = 0;
    frame(&encoded, OP_TEXT, (const Slice[4]){TEXT("42[\"news\","), data});
    const Slice bytes = {(const char *)encoded.data, encoded.end};
    for (int i = 0; i < to->count; i++) {
        append(&to->all[i]->out, bytes);
        touch(to->all[i]);
    }
}

/* Takes `"room"`, and the comma behind it, off the front of the arguments. */
static Slice take_string(Slice *data) {
    const char *from = data->bytes + 1;
    const char *to = data->n > 1 ? memchr(from, '"', data->n - 1) : NULL;
    if (to == NULL) return (Slice){0};
    const size_t used = (size_t)(to - data->bytes) + 2; /* ", or "] */
    *data = (Slice){data->bytes + used, data->n - used};
    return (Slice){from, (size_t)(to - from)};
}

static void emit_burst(Conn *c, Slice data) {
    char *comma;
    long left = strtol(data.bytes, &comma, 10); /* a bracket ends the data */
    const Slice rest = {comma + 1, data.n - (size_t)(comma + 1 - data.bytes)};
    while (left-- > 0) SEND(c, OP_TEXT, TEXT("42[\"news\","), rest);
}

static void on_event(Conn *c, Packet p) {
    if (is(p.event, "echo") || is(p.event, "echo_async")) {
        SEND(c, OP_TEXT, p.ack, p.id, TEXT("["), p.data);
    } else if (is(p.event, "say") || is(p.event, "say_async")) {
        SEND(c, OP_TEXT, TEXT("42[\"said\","), p.data);
    } else if (is(p.event, "broadcast")) {
        emit_news(&joined, p.data);
    } else if (is(p.event, "burst")) {
        emit_burst(c, p.data);
    } else {
        Room *room = room_named(take_string(&p.data));
        if (is(p.event, "join")) join(c, room);
        else emit_news(&room->members, p.data);
        if (p.id.n > 0) SEND(c, OP_TEXT, p.ack, p.id, TEXT("[]"));
    }
}

/* The client joins "/" or another namespace, of which nothing is kept. */
static void on_connect(Conn *c, Slice namespace) {
    char sid[32];
    const int n = snprintf(sid, sizeof sid, "{\"sid\":\"%016d\"}", c->fd);
    SEND(c, OP_TEXT, TEXT("40"), namespace, {sid, (size_t)n});
    if (namespace.n > 0) return;
    c->index = joined.count;
    add(&joined, c);
}

static void on_text(Conn *c, Slice text) {
    if (text.n < 2 || text.bytes[0] != '4') return; /* Engine.IO's answer to a ping */
    const char *end = text.bytes + text.n, *id = text.bytes + 2;
    if (text.bytes[1] == '0') {
        const char *comma = memchr(id, ',', text.n - 2);
        return on_connect(c, (Slice){id, comma == NULL ? 0 : (size_t)(comma + 1 - id)});
    }
    Slice ack = TEXT("43");
    char binary_ack[16];
    if (text.bytes[1] == '5') {
        char *dash;
        c->attachments += strtol(id, &dash, 10);
        ack = (Slice){binary_ack, (size_t)snprintf(binary_ack, sizeof binary_ack, "46%.*s-", (int)(dash - id), id)};
        id = dash + 1;
    }
    const char *bracket = memchr(id, '[', (size_t)(end - id));
    const char *comma = bracket == NULL ? NULL : memchr(bracket, ',', (size_t)(end - bracket));
    if (comma == NULL) return;
    const Slice event = {bracket + 2, (size_t)(comma - 1 - (bracket + 2))};
    on_event(c, (Packet){ack, {id, (size_t)(bracket - id)}, event, {comma + 1, (size_t)(end - comma - 1)}});
}

/* ---- frames --------------------------------------------------------------------------------- */

static void unmask(uint8_t *to, const uint8_t *from, size_t n, const uint8_t mask[4]) {
    uint64_t wide;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, from + i, 8);
        word ^= wide;
        memcpy(to + i, &word, 8);
    }
    for (; i < n; i++) to[i] = from[i] ^ mask[i & 3];
}

static void on_frame(Conn *c, int opcode, uint8_t *payload, size_t n, const uint8_t mask[4]) {
    if (opcode == OP_BINARY && c->attachments > 0) {
        c->attachments--;
        begin_frame(&c->out, OP_BINARY, n);
        unmask(c->out.data + c->out.end, payload, n, mask);
        c->out.end += n;
        return touch(c);
    }
    unmask(payload, payload, n, mask);
    const Slice bytes = {(const char *)payload, n};
    if (opcode == OP_TEXT) return on_text(c, bytes);
    if (opcode == OP_PING) SEND(c, OP_PONG, bytes);
    if (opcode == OP_CLOSE) {
        SEND(c, OP_CLOSE, bytes);
        c->is_closing = true;
    }
}

/* Handles the frames that are whole in `bytes`. Returns how many bytes those were; `wanted`: how many the next has. */
static size_t read_frames(Conn *c, uint8_t *bytes, size_t size, size_t *wanted) {
    size_t used = 0;
    *wanted = 0;
    while (size - used >= 6) {
        uint8_t *p = bytes + used + 2;
        size_t n = p[-1] & 0x7f;
        const int extra = n < 126 ? 0 : n == 126 ? 2 : 8;
        if (size - used < 6u + (unsigned)extra) break;
        if (extra > 0) n = 0;
        for (int i = 0; i < extra; i++) n = n << 8 | *p++;
        *wanted = 6 + (size_t)extra + n;
        if (size - used < *wanted) break;
        on_frame(c, bytes[used] & 0x0f, p + 4, n, p);
        used += *wanted;
    }
    return used;
}

static size_t read_bytes(Conn *c, uint8_t *bytes, size_t size, size_t *wanted) {
    *wanted = 0;
    if (c->is_open) return read_frames(c, bytes, size, wanted);
    const size_t head = answer_upgrade((Slice){(const char *)bytes, size}, &c->out);
    if (head == 0) return 0;
    c->is_open = true;
    char open[160];
    const int n = snprintf(open, sizeof open,
        "0{\"sid\":\"%016d\",\"upgrades\":[],\"pingInterval\":%d,\"pingTimeout\":20000,\"maxPayload\":2000000}",
        c->fd, PING_INTERVAL_S * 1000);
    SEND(c, OP_TEXT, {open, (size_t)n});
    return head + read_frames(c, bytes + head, size - head, wanted);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void conn_close(Conn *c) {
    leave_all(c);
    close(c->fd);
    c->fd = -1;
    touch(c); /* other events of this turn may name it: the end of the turn frees it */
}

static void conn_free(Conn *c) {
    free(c->in.data);
    free(c->out.data);
    free(c->rooms);
    free(c);
}

static void poll_for(Conn *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, operation, c->fd, &event);
}

static void conn_accept(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        Conn *c = must(calloc(1, sizeof *c));
        c->fd = fd;
        c->index = -1;
        poll_for(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void conn_read(Conn *c) {
    /* Most reads end where a frame ends: they go through the one scratch buffer and are never copied. */
    const bool has_rest = size_of(&c->in) > 0;
    if (has_rest) reserve(&c->in, READ_BYTES / 4);
    uint8_t *to = has_rest ? c->in.data + c->in.end : scratch;
    const ssize_t n = recv(c->fd, to, has_rest ? c->in.capacity - c->in.end : READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return conn_close(c);
    size_t wanted;
    if (has_rest) {
        c->in.end += (size_t)n;
        consume(&c->in, read_bytes(c, c->in.data + c->in.start, size_of(&c->in), &wanted));
        if (size_of(&c->in) > 0 && wanted > size_of(&c->in)) reserve(&c->in, wanted - size_of(&c->in));
        return;
    }
    const size_t used = read_bytes(c, scratch, (size_t)n, &wanted);
    if (used == (size_t)n) return;
    reserve(&c->in, wanted > (size_t)n - used ? wanted : (size_t)n - used);
    append(&c->in, (Slice){(const char *)scratch + used, (size_t)n - used});
}

static void conn_write(Conn *c) {
    const ssize_t n = send(c->fd, c->out.data + c->out.start, size_of(&c->out), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return conn_close(c);
    if (n > 0) consume(&c->out, (size_t)n);
    const bool is_blocked = size_of(&c->out) > 0;
    if (is_blocked != c->is_blocked) poll_for(c, EPOLL_CTL_MOD, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
    c->is_blocked = is_blocked;
    if (c->is_closing && !is_blocked) conn_close(c);
}

static void end_turn(void) {
    for (Conn *c; (c = touched) != NULL;) {
        touched = c->next_touched;
        c->is_touched = false;
        if (c->fd < 0) conn_free(c);
        else if (!c->is_blocked && size_of(&c->out) > 0) conn_write(c);
    }
}

/* Engine.IO's ping, every second to those whose turn it is. Whether they answer is not looked at. */
static void ping(void) {
    static time_t done;
    const time_t now = time(NULL);
    for (done = done ? done : now; done < now; done++)
        for (int i = 0; i < joined.count; i++)
            if (joined.all[i]->fd % PING_INTERVAL_S == done % PING_INTERVAL_S) SEND(joined.all[i], OP_TEXT, TEXT("2"));
}

static int listen_on(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    const struct sockaddr_in at = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 && listen(fd, BACKLOG) == 0) return fd;
    perror("floor: listen");
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 2 || atoi(argv[1]) <= 0) return fputs("usage: floor PORT\n", stderr), 2;
    const int listener = listen_on(atoi(argv[1]));
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[EVENTS];
        const int n = epoll_wait(epoll_fd, events, EVENTS, 1000);
        for (int i = 0; i < n; i++) {
            Conn *c = events[i].data.ptr;
            if (c == NULL) {
                conn_accept(listener);
                continue;
            }
            if (c->fd >= 0 && events[i].events & EPOLLOUT) conn_write(c);
            if (c->fd >= 0 && events[i].events & ~(uint32_t)EPOLLOUT) conn_read(c);
        }
        ping();
        end_turn();
    }
}

/* The polling transport: a GET that the server holds until it has something to say, and POSTs.
 *
 * As a browser does it, the GETs go through one TCP connection and the POSTs through another, both kept alive. What
 * is sent while a POST is under way goes together with the next one.
 * Source: the Engine.IO protocol v4, "HTTP long-polling"; payloads are packets with 0x1e between them.
 */
#define _GNU_SOURCE
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GET_LINK, POST_LINK, LINKS };
enum { SEPARATOR = 0x1e, REQUEST_BYTES = 512 };

struct Polling {
    Buffer payload;         /* packets for the next POST */
    size_t max_post_bytes;  /* the server's maxPayload */
    bool getting, posting;  /* a request is under way */
    char get[REQUEST_BYTES], post[REQUEST_BYTES]; /* the whole request; its head up to the value of Content-Length */
    size_t get_bytes, post_bytes;
};

/* `method` and what follows the path in its URL; returns the length of the head so far. */
static size_t write_head(char *to, const char *method, const char *sid, size_t sid_bytes, const char *more) {
    const int n = snprintf(to, REQUEST_BYTES, "%s %s?EIO=4&transport=polling%s%.*s HTTP/1.1\r\nHost: %s:%d\r\n%s", method, options.path,
                           sid_bytes ? "&sid=" : "", (int)sid_bytes, sid, options.host, options.ports[0], more);
    if (n >= REQUEST_BYTES) fail("the path or the session's id is too long");
    return (size_t)n;
}

static void send_get(Conn *c) {
    Polling *p = c->polling;
    p->getting = true;
    buffer_append(&c->links[GET_LINK].out, p->get, p->get_bytes);
    link_flush(&c->links[GET_LINK]);
}

/* How much of the payload goes into one POST: whole packets, no more than the server takes at once. */
static size_t post_size(const Polling *p, const uint8_t *payload, size_t n) {
    if (n <= p->max_post_bytes) return n;
    const uint8_t *end = memrchr(payload, SEPARATOR, p->max_post_bytes + 1);
    if (end == NULL) fail("a packet of more than %zu bytes, which the server does not take", p->max_post_bytes);
    return (size_t)(end - payload);
}

static void send_post(Conn *c) {
    Polling *p = c->polling;
    Buffer *out = &c->links[POST_LINK].out;
    const uint8_t *payload = p->payload.data + p->payload.start;
    const size_t all = buffer_size(&p->payload), n = post_size(p, payload, all);
    char length[16];
    size_t length_bytes = decimal_write(length, (uint32_t)n);
    memcpy(length + length_bytes, "\r\n\r\n", 4);
    buffer_append(out, p->post, p->post_bytes);
    buffer_append(out, length, length_bytes + 4);
    buffer_append(out, payload, n);
    buffer_consume(&p->payload, n < all ? n + 1 : n); /* and the separator behind it */
    p->posting = true;
    link_flush(&c->links[POST_LINK]);
}

static void flush(Conn *c) {
    Polling *p = c->polling;
    if (p == NULL) return;
    Link *get = &c->links[GET_LINK], *post = &c->links[POST_LINK];
    if (get->state == LINK_OPEN && !p->getting && c->state != CONN_CLOSING) send_get(c);
    if (p->posting) return;
    if (buffer_size(&p->payload) > 0) {
        if (post->state == LINK_CLOSED) link_open(post);
        else if (post->state == LINK_OPEN) send_post(c);
    } else if (options.kind->rests && c->state == CONN_READY) {
        link_close(post);
    }
}

static void connected(Link *l) {
    Conn *c = l->conn;
    if (l == &c->links[GET_LINK]) {
        if (c->polling == NULL) c->polling = calloc(1, sizeof *c->polling);
        if (c->polling == NULL) fail("out of memory");
        c->polling->getting = c->polling->posting = false;
        buffer_consume(&c->polling->payload, buffer_size(&c->polling->payload));
        c->polling->get_bytes = write_head(c->polling->get, "GET", "", 0, "\r\n");
        c->state = CONN_OPEN;
    }
    flush(c);
}

/* Finds what follows `key` in the open packet; fails the run if the key is not there. */
static const char *open_field(const char *text, size_t n, const char *key) {
    const char *found = memmem(text, n, key, strlen(key));
    if (found == NULL) fail("the open packet has no %s: '%.*s'", key, (int)(n > 200 ? 200 : n), text);
    return found + strlen(key);
}

static void opened(Conn *c, const char *text, size_t n) {
    Polling *p = c->polling;
    const char *sid = open_field(text, n, "\"sid\":\"");
    const char *sid_end = memchr(sid, '"', (size_t)(text + n - sid));
    if (sid_end == NULL) fail("the open packet ends within the session's id");
    const size_t sid_bytes = (size_t)(sid_end - sid);
    p->get_bytes = write_head(p->get, "GET", sid, sid_bytes, "\r\n");
    p->post_bytes = write_head(p->post, "POST", sid, sid_bytes, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ");
    p->max_post_bytes = strtoul(open_field(text, n, "\"maxPayload\":"), NULL, 10);
}

static void read_binary(Conn *c, const char *base64, size_t n) {
    static Buffer bytes;
    buffer_reserve(&bytes, n / 4 * 3);
    const size_t decoded = base64_decode(bytes.data, base64, n);
    if (decoded == SIZE_MAX) fail("connection %d: '%.*s' is not base64", c->index, (int)(n > 80 ? 80 : n), base64);
    conn_binary(c, bytes.data, decoded);
}

static void read_packet(Conn *c, const char *text, size_t n) {
    if (n > 0 && text[0] == 'b') return read_binary(c, text + 1, n - 1);
    if (n == 1 && text[0] == '6') return; /* noop */
    if (n == 1 && text[0] == '1') return conn_cut_off(c);
    conn_text(c, text, n);
}

static void read_payload(Conn *c, const Response *response) {
    const char *packet = response->body, *const end = packet + response->body_bytes;
    for (;;) {
        const char *packet_end = memchr(packet, SEPARATOR, (size_t)(end - packet));
        if (packet_end == NULL) break;
        read_packet(c, packet, (size_t)(packet_end - packet));
        packet = packet_end + 1;
    }
    read_packet(c, packet, (size_t)(end - packet));
}

/* The answer to the last POST is the end. The GET that is held is not waited for: not every server answers it. */
static bool is_done(const Conn *c) {
    return c->state == CONN_CLOSING && !c->polling->posting && buffer_size(&c->polling->payload) == 0;
}

static size_t read_response(Link *l, uint8_t *bytes, size_t n, size_t *wanted) {
    Conn *c = l->conn;
    Response response;
    if (!response_parse(bytes, n, &response)) {
        if (response.response_bytes > n) *wanted = response.response_bytes - n;
        return 0;
    }
    const bool is_get = l == &c->links[GET_LINK];
    bool *under_way = is_get ? &c->polling->getting : &c->polling->posting;
    if (!*under_way) fail("connection %d: a response that nobody asked for", c->index);
    *under_way = false;
    if (c->state != CONN_CLOSING) {
        if (response.status != 200)
            fail("connection %d: a %s was answered with %d '%.*s'", c->index, is_get ? "GET" : "POST", response.status,
                 (int)(response.body_bytes > 200 ? 200 : response.body_bytes), response.body);
        if (is_get) read_payload(c, &response);
    }
    if (is_done(c)) c->state = CONN_DONE;
    return response.response_bytes;
}

/* Servers close a connection that had nothing to do for some seconds; the next POST opens it again. */
static void ended(Link *l) {
    Conn *c = l->conn;
    const bool is_get = l == &c->links[GET_LINK];
    if (is_get || c->polling->posting) return conn_closed(c);
    link_close(l);
}

static void append(Conn *c, const char *head, size_t n) {
    Buffer *payload = &c->polling->payload;
    if (buffer_size(payload) > 0) buffer_append(payload, "\x1e", 1);
    buffer_append(payload, head, n);
}

static void send_text(Conn *c, const void *text, size_t n) { append(c, text, n); }

static void send_binary(Conn *c, const void *bytes, size_t n) {
    append(c, "b", 1);
    base64_append(&c->polling->payload, bytes, n);
}

/* A client that rests goes without a word, as a browser's closed tab does. */
static void send_close(Conn *c) {
    if (c->links[POST_LINK].state == LINK_CLOSED) c->state = CONN_DONE;
    else append(c, "1", 1);
}

const Transport polling = {
    .links = LINKS, .connected = connected, .read = read_response, .ended = ended, .opened = opened,
    .send = send_text, .send_binary = send_binary, .flush = flush, .close = send_close,
};

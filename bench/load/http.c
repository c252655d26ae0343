/* HTTP responses and base64: what a polling client reads and writes.
 *
 * Source: RFC 9112 6 (message body), 7.1 (chunked); RFC 4648 4 (base64).
 */
#define _GNU_SOURCE
#include "transport.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header, up to its "\r"; NULL if it is not there. `name` ends with its colon. */
static const char *header(const char *head, size_t n, const char *name) {
    const char *const end = head + n;
    const size_t name_bytes = strlen(name);
    for (const char *line = head; (line = memmem(line, (size_t)(end - line), "\r\n", 2)) != NULL;) {
        line += 2;
        if ((size_t)(end - line) > name_bytes && strncasecmp(line, name, name_bytes) == 0) return line + name_bytes + strspn(line + name_bytes, " ");
    }
    return NULL;
}

/* Walks over the chunks at `from`, and joins them into `to` unless that is NULL. Returns where the body ends on the
 * wire, NULL if it is not all there. */
static char *walk_chunks(char *from, const char *end, char *to, size_t *joined) {
    *joined = 0;
    for (;;) {
        const char *line_end = memmem(from, (size_t)(end - from), "\r\n", 2);
        if (line_end == NULL) return NULL;
        char *digits_end;
        const size_t size = strtoul(from, &digits_end, 16);
        if (digits_end == from || size > 1u << 30) fail("a chunk whose size is '%.*s'", (int)(line_end - from > 20 ? 20 : line_end - from), from);
        char *const data = from + (line_end - from) + 2;
        if ((size_t)(end - data) < size + 2) return NULL;
        if (to != NULL) memmove(to + *joined, data, size);
        *joined += size;
        from = data + size + 2;
        if (size == 0) return from; /* no server under test sends trailers */
    }
}

bool response_parse(uint8_t *bytes, size_t n, Response *response) {
    char *const head = (char *)bytes;
    response->response_bytes = 0;
    const char *head_end = memmem(head, n, "\r\n\r\n", 4);
    if (head_end == NULL) return false;
    const size_t head_bytes = (size_t)(head_end - head) + 4;
    if (memcmp(head, "HTTP/1.1 ", 9) != 0) fail("no HTTP response: '%.*s'", (int)(n > 80 ? 80 : n), head);
    response->status = atoi(head + 9);
    response->body = head + head_bytes;
    response->body_bytes = 0;
    const char *length = header(head, head_bytes, "content-length:");
    if (length != NULL || response->status == 101) {
        if (length != NULL) response->body_bytes = strtoul(length, NULL, 10);
        response->response_bytes = head_bytes + response->body_bytes;
        return n >= response->response_bytes;
    }
    const char *encoding = header(head, head_bytes, "transfer-encoding:");
    if (encoding == NULL || strncasecmp(encoding, "chunked\r\n", 9) != 0) fail("a response without a length: '%.*s'", (int)(n > 200 ? 200 : n), head);
    size_t joined;
    const char *end = walk_chunks(response->body, head + n, NULL, &joined);
    if (end == NULL) return false;
    walk_chunks(response->body, head + n, response->body, &response->body_bytes);
    response->response_bytes = (size_t)(end - head);
    return true;
}

static const char DIGITS[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(Buffer *out, const uint8_t *bytes, size_t n) {
    buffer_reserve(out, (n + 2) / 3 * 4);
    uint8_t *p = out->data + out->end;
    size_t i = 0;
    for (; i + 3 <= n; i += 3) {
        const uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) *p++ = (uint8_t)DIGITS[three >> shift & 63];
    }
    if (i < n) {
        const bool two = n - i == 2;
        const uint32_t rest = (uint32_t)bytes[i] << 16 | (two ? (uint32_t)bytes[i + 1] << 8 : 0);
        *p++ = (uint8_t)DIGITS[rest >> 18];
        *p++ = (uint8_t)DIGITS[rest >> 12 & 63];
        *p++ = two ? (uint8_t)DIGITS[rest >> 6 & 63] : '=';
        *p++ = '=';
    }
    out->end = (size_t)(p - out->data);
}

/* The value of each digit; 64 for what is none. */
static const uint8_t *digit_values(void) {
    static uint8_t values[256];
    if (values['B'] == 0) {
        memset(values, 64, sizeof values);
        for (uint8_t i = 0; i < 64; i++) values[(uint8_t)DIGITS[i]] = i;
    }
    return values;
}

size_t base64_decode(uint8_t *bytes, const char *text, size_t n) {
    const uint8_t *values = digit_values();
    if (n % 4 != 0) return SIZE_MAX;
    const size_t padding = n == 0 || text[n - 1] != '=' ? 0 : text[n - 2] != '=' ? 1 : 2;
    uint8_t *p = bytes;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t four = 0;
        const size_t padded = i + 4 == n ? padding : 0;
        for (size_t k = 0; k < 4; k++) {
            const uint8_t value = k < 4 - padded ? values[(uint8_t)text[i + k]] : 0;
            if (value == 64) return SIZE_MAX;
            four = four << 6 | value;
        }
        *p++ = (uint8_t)(four >> 16);
        *p++ = (uint8_t)(four >> 8);
        *p++ = (uint8_t)four;
    }
    return (size_t)(p - bytes) - padding;
}

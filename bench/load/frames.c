/* WebSocket frames, client side.
 *
 * Source: RFC 6455 5.2 (base framing), 5.3 (masking).
 */
#include "transport.h"

#include <string.h>

static uint32_t next_mask(void) {
    static uint32_t x = 0x9e3779b9; /* xorshift: the server cannot tell it from a random key */
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* 32 bytes at a time: of an echo of 64 kB, masking 8 at a time was the dearest part. */
static void masked_copy(uint8_t *to, const uint8_t *from, size_t n, uint32_t mask) {
    typedef uint32_t Lanes __attribute__((vector_size(32)));
    size_t i = 0;
    for (Lanes lanes; i + sizeof lanes <= n; i += sizeof lanes) {
        memcpy(&lanes, from + i, sizeof lanes);
        lanes ^= mask;
        memcpy(to + i, &lanes, sizeof lanes);
    }
    for (; i < n; i++) to[i] = from[i] ^ (uint8_t)(mask >> (8 * (i & 3)));
}

void frame_write(Buffer *out, int opcode, const void *payload, size_t n) {
    buffer_reserve(out, n + 14);
    uint8_t *p = out->data + out->end;
    *p++ = 0x80 | (uint8_t)opcode;
    if (n < 126) {
        *p++ = 0x80 | (uint8_t)n;
    } else if (n < 65536) {
        *p++ = 0x80 | 126;
        *p++ = (uint8_t)(n >> 8);
        *p++ = (uint8_t)n;
    } else {
        *p++ = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) *p++ = (uint8_t)((uint64_t)n >> shift);
    }
    const uint32_t mask = next_mask();
    memcpy(p, &mask, 4);
    masked_copy(p + 4, payload, n, mask);
    out->end = (size_t)(p + 4 + n - out->data);
}

bool frame_parse(const uint8_t *bytes, size_t n, Frame *frame) {
    frame->frame_bytes = 0;
    if (n < 2) return false;
    if ((bytes[0] & 0x70) != 0) fail("a reserved bit is set, and no extension was agreed");
    if ((bytes[0] & 0x80) == 0 || (bytes[0] & 0x0f) == 0) fail("a fragmented message, which this load generator does not read");
    if ((bytes[1] & 0x80) != 0) fail("a masked frame from the server");
    size_t header = 2;
    uint64_t length = bytes[1];
    if (length >= 126) {
        const size_t extra = length == 126 ? 2 : 8;
        header += extra;
        if (n < header) return false;
        length = 0;
        for (size_t i = 0; i < extra; i++) length = length << 8 | bytes[2 + i];
        if (length > 1u << 30) fail("a frame of %llu bytes", (unsigned long long)length);
    }
    frame->frame_bytes = header + (size_t)length;
    if (n < frame->frame_bytes) return false;
    frame->opcode = bytes[0] & 0x0f;
    frame->payload = bytes + header;
    frame->payload_bytes = (size_t)length;
    return true;
}

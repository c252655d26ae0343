/* The Sec-WebSocket-Accept of a Sec-WebSocket-Key: base64 of SHA-1 of the key and a fixed text.
 *
 * Of what a connection costs in our code this was a tenth with hashlib and binascii: 10,000 instructions, most of
 * them to set up a digest of any kind and size; here it is two blocks of a known one, 4,000. No secret is involved.
 * Source: RFC 6455 4.2.2 (5.4); RFC 3174 (SHA-1); RFC 4648 4 (base64).
 */
#ifndef FASTSIO_ACCEPT_H
#define FASTSIO_ACCEPT_H

#include <stdint.h>
#include <string.h>

enum { FASTSIO_KEY_BYTES = 24, FASTSIO_ACCEPT_BYTES = 28 };

static inline uint32_t fastsio_rotate(uint32_t word, int bits) { return (word << bits) | (word >> (32 - bits)); }

/* One of the 80 steps; five of them bring the letters round to their places. */
#define FASTSIO_STEP(a, b, c, d, e, F, k, word)                        \
    do {                                                               \
        (e) += fastsio_rotate(a, 5) + F(b, c, d) + (k) + (word);       \
        (b) = fastsio_rotate(b, 30);                                   \
    } while (0)
#define FASTSIO_QUARTER(F, k, first)                                   \
    for (i = (first); i < (first) + 20; i += 5) {                      \
        FASTSIO_STEP(a, b, c, d, e, F, k, w[i]);                       \
        FASTSIO_STEP(e, a, b, c, d, F, k, w[i + 1]);                   \
        FASTSIO_STEP(d, e, a, b, c, F, k, w[i + 2]);                   \
        FASTSIO_STEP(c, d, e, a, b, F, k, w[i + 3]);                   \
        FASTSIO_STEP(b, c, d, e, a, F, k, w[i + 4]);                   \
    }
#define FASTSIO_CHOOSE(b, c, d) ((d) ^ ((b) & ((c) ^ (d))))
#define FASTSIO_PARITY(b, c, d) ((b) ^ (c) ^ (d))
#define FASTSIO_MAJORITY(b, c, d) (((b) & (c)) | ((d) & ((b) | (c))))

static inline void fastsio_sha1_block(uint32_t state[5], const unsigned char block[64]) {
    uint32_t w[80];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    int i;
    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (; i < 80; i++) w[i] = fastsio_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    FASTSIO_QUARTER(FASTSIO_CHOOSE, 0x5A827999, 0)
    FASTSIO_QUARTER(FASTSIO_PARITY, 0x6ED9EBA1, 20)
    FASTSIO_QUARTER(FASTSIO_MAJORITY, 0x8F1BBCDC, 40)
    FASTSIO_QUARTER(FASTSIO_PARITY, 0xCA62C1D6, 60)
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Write the 28 characters that accept a key of 24. */
static inline void fastsio_accept(const char *key, char *out) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char blocks[128] = {0};
    unsigned char digest[21] = {0};
    /* 60 bytes, the bit that ends them, and their number in bits at the end of the second block. */
    memcpy(blocks, key, FASTSIO_KEY_BYTES);
    memcpy(blocks + FASTSIO_KEY_BYTES, guid, sizeof guid - 1);
    blocks[60] = 0x80;
    blocks[126] = 60 * 8 >> 8;
    blocks[127] = (60 * 8) & 0xFF;
    fastsio_sha1_block(state, blocks);
    fastsio_sha1_block(state, blocks + 64);
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(state[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0; i < 7; i++) {
        const uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++) out[4 * i + j] = alphabet[(three >> (18 - 6 * j)) & 63];
    }
    out[27] = '=';
}

/* True for what is 16 bytes in base64: 22 characters of its alphabet and "==". */
static inline int fastsio_is_key(const char *key) {
    for (int i = 0; i < 22; i++) {
        const char c = key[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/')) return 0;
    }
    return key[22] == '=' && key[23] == '=';
}

#endif

/* The answer to the WebSocket handshake.
 *
 * Source: RFC 6455 4.2.2; FIPS 180-4 6.1 (SHA-1); RFC 4648 4 (base64).
 */
#define _GNU_SOURCE
#include "floor.h"

#include <stdio.h>
#include <string.h>

enum { KEY_BYTES = 24, GUID_BYTES = 36, MESSAGE_BYTES = KEY_BYTES + GUID_BYTES, DIGEST_BYTES = 20 };

static uint32_t rotated(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1_block(uint32_t state[5], const uint8_t block[64]) {
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 80; i++) {
        const uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        const uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        const uint32_t next = rotated(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rotated(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Of the key and the GUID: they and their padding fill two blocks. */
static void sha1(const char message[MESSAGE_BYTES], uint8_t digest[DIGEST_BYTES]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[128] = {0};
    memcpy(blocks, message, MESSAGE_BYTES);
    blocks[MESSAGE_BYTES] = 0x80;
    blocks[126] = MESSAGE_BYTES * 8 >> 8;
    blocks[127] = (uint8_t)(MESSAGE_BYTES * 8);
    sha1_block(state, blocks);
    sha1_block(state, blocks + 64);
    for (int i = 0; i < DIGEST_BYTES; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* 20 bytes are 28 characters, the last of them for padding. */
static void base64(const uint8_t digest[DIGEST_BYTES], char to[29]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t padded[21] = {0};
    memcpy(padded, digest, DIGEST_BYTES);
    for (int i = 0; i < 28; i++) {
        const uint8_t *three = padded + i / 4 * 3;
        const uint32_t bits = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | three[2];
        to[i] = alphabet[bits >> (18 - 6 * (i % 4)) & 63];
    }
    to[27] = '=';
    to[28] = '\0';
}

size_t answer_upgrade(Slice bytes, Buffer *out) {
    static const char name[] = "\r\nSec-WebSocket-Key: ";
    const char *end = memmem(bytes.bytes, bytes.n, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    const size_t head = (size_t)(end - bytes.bytes) + 4;
    char message[MESSAGE_BYTES + 1] = {0};
    const char *key = memmem(bytes.bytes, head, name, sizeof name - 1);
    if (key != NULL) memcpy(message, key + sizeof name - 1, KEY_BYTES);
    memcpy(message + KEY_BYTES, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", GUID_BYTES);
    uint8_t digest[DIGEST_BYTES];
    sha1(message, digest);
    char accept[29], answer[160];
    base64(digest, accept);
    const int n = snprintf(answer, sizeof answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    append(out, (Slice){answer, (size_t)n});
    return head;
}

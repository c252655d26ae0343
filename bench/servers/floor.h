/* What floor.c and floor_http.c share: bytes. */
#ifndef FLOOR_H
#define FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *bytes;
    size_t n;
} Slice;

#define TEXT(literal) {literal, sizeof(literal) - 1}

typedef struct {
    uint8_t *data;
    size_t start, end, capacity; /* the bytes are data[start..end) */
} Buffer;

static inline size_t size_of(const Buffer *b) { return b->end - b->start; }
void *must(void *memory); /* ends the program if there is none */
void reserve(Buffer *b, size_t more);
void append(Buffer *b, Slice s);

/* Answers the request to upgrade to a WebSocket at the begin of `bytes`. Returns how long its head is; 0 if it is not
 * all there yet. Anything else that HTTP can say gets the same answer. */
size_t answer_upgrade(Slice bytes, Buffer *out);

#endif

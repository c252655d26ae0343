/* Bytes that wait: to be parsed, or to be sent. The memory is kept, so that a message costs no allocation. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

void buffer_reserve(Buffer *b, size_t more) {
    if (b->capacity - b->end >= more) return;
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, buffer_size(b));
        b->end -= b->start;
        b->start = 0;
        if (b->capacity - b->end >= more) return;
    }
    size_t capacity = b->capacity ? b->capacity : 256;
    while (capacity - b->end < more) capacity *= 2;
    b->data = realloc(b->data, capacity);
    if (b->data == NULL) fail("out of memory (%zu bytes)", capacity);
    b->capacity = capacity;
}

void buffer_append(Buffer *b, const void *bytes, size_t n) {
    buffer_reserve(b, n);
    memcpy(b->data + b->end, bytes, n);
    b->end += n;
}

void buffer_consume(Buffer *b, size_t n) {
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
}

void buffer_free(Buffer *b) {
    free(b->data);
    memset(b, 0, sizeof *b);
}

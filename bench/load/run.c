/* The clock of a run: connect, warm up, measure, wait for what is owed, close. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_LIMIT_S = 90, DRAIN_LIMIT_S = 20, CYCLE_LIMIT_S = 20, CLOSE_LIMIT_S = 30 };

uint64_t now_ns;
bool sending;
uint64_t counted, cycles;

static uint64_t after(double seconds) { return clock_ns() + (uint64_t)(seconds * 1e9); }

_Noreturn void fail(const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("{\"ok\": false, \"error\": \"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') printf("\\%c", *p);
        else if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) printf("\\u%04x", (unsigned char)*p);
        else putchar(*p);
    }
    printf("\"}\n");
    exit(1);
}

static void connect_all(void) {
    const uint64_t limit = after(CONNECT_LIMIT_S);
    conns_start();
    while (ready_count < options.connections) {
        conns_open_some();
        net_poll(1000);
        if (clock_ns() > limit) fail("only %d of %d connections were ready in %d s", ready_count, options.connections, CONNECT_LIMIT_S);
    }
}

/* One turn: what is due by the clock, then what there is to read. */
static void turn(int timeout_ms) {
    const int due_ms = options.kind->tick == NULL ? -1 : options.kind->tick();
    net_poll(due_ms >= 0 && due_ms < timeout_ms ? due_ms : timeout_ms);
}

/* Returns at the end of the first cycle after `until_ns`, or after `count` more have been counted (0: by time
 * only). A slow server takes half a second for one cycle of broadcasts: a window that cut one would count the
 * CPU of deliveries that had not come yet. */
static void poll_until(uint64_t until_ns, uint64_t count) {
    const uint64_t enough = count ? counted + count : UINT64_MAX;
    const uint64_t limit = until_ns + (uint64_t)CYCLE_LIMIT_S * 1000000000u;
    uint64_t now;
    while ((now = clock_ns()) < until_ns && counted < enough) turn((int)((until_ns - now) / 1000000) + 1);
    for (const uint64_t seen = cycles; cycles == seen && options.kind->in_flight() > 0;) {
        turn(100);
        if (clock_ns() > limit) fail("%llu answers are missing after %d s", (unsigned long long)options.kind->in_flight(), CYCLE_LIMIT_S);
    }
}

static void drain(void) {
    const uint64_t limit = after(DRAIN_LIMIT_S);
    sending = false;
    while (options.kind->in_flight() > 0) {
        net_poll(100);
        if (clock_ns() > limit) fail("%llu answers never came", (unsigned long long)options.kind->in_flight());
    }
    /* One more turn: an answer given twice, or one that nobody asked for, is caught here. */
    net_poll(20);
}

static void close_all(void) {
    const uint64_t limit = after(CLOSE_LIMIT_S);
    conns_begin_close();
    while (closed_count < options.connections) {
        net_poll(100);
        if (clock_ns() > limit) fail("%d connections were not closed by the server", options.connections - closed_count);
    }
}

void run(void) {
    Sample idle, ready, from, to;
    sample_take(&idle);
    connect_all();
    sample_take(&ready);
    sending = true;
    options.kind->start();
    poll_until(after(options.warmup_s), 0);
    latency_reset();
    sample_take(&from);
    poll_until(after(options.seconds), options.count);
    sample_take(&to);
    drain();
    if (options.kind->drained != NULL) options.kind->drained();
    close_all();
    report(&idle, &ready, &from, &to);
}

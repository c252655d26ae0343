/* The clock of a run: connect, warm up, measure, wait for what is owed, close; then the report. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_LIMIT_S = 60, DRAIN_LIMIT_S = 20, CYCLE_LIMIT_S = 20, CLOSE_LIMIT_S = 5 };

/* A process is the limit from here on: of the time in which it was let run, this share was spent running. */
static const double SATURATED = 0.95;

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
    net_start();
    while (ready_count < options.connections) {
        net_connect_some();
        net_poll(1000);
        if (clock_ns() > limit) fail("only %d of %d connections were ready in %d s", ready_count, options.connections, CONNECT_LIMIT_S);
    }
}

/* Returns at the end of the first cycle after `until_ns`, or after `count` more have been counted (0: by time
 * only). A slow server takes half a second for one cycle of broadcasts: a window that cut one would count the
 * CPU of deliveries that had not come yet. */
static void poll_until(uint64_t until_ns, uint64_t count) {
    const uint64_t enough = count ? counted + count : UINT64_MAX;
    const uint64_t limit = until_ns + (uint64_t)CYCLE_LIMIT_S * 1000000000u;
    uint64_t now;
    while ((now = clock_ns()) < until_ns && counted < enough) net_poll((int)((until_ns - now) / 1000000) + 1);
    for (const uint64_t seen = cycles; cycles == seen && options.kind->in_flight() > 0;) {
        net_poll(100);
        if (clock_ns() > limit) fail("nothing was answered for %d s", CYCLE_LIMIT_S);
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
    net_begin_close();
    while (closed_count < options.connections) {
        net_poll(100);
        if (clock_ns() > limit) fail("%d connections were not closed by the server", options.connections - closed_count);
    }
}

static double share(uint64_t from, uint64_t to, double wall_s) { return (double)(to - from) / 1e9 / wall_s; }

static void report(const Sample *idle, const Sample *ready, const Sample *from, const Sample *to) {
    const double wall_s = (double)(to->wall_ns - from->wall_ns) / 1e9;
    const double n = (double)(to->counted - from->counted);
    const double load_busy = share(from->load_cpu_ns, to->load_cpu_ns, wall_s);
    const double load_waited = share(from->load_waited_ns, to->load_waited_ns, wall_s);
    const double connections = options.connections;
    printf("{\"ok\": true, \"case\": \"%s\", \"event\": \"%s\", \"connections\": %d, \"in_flight\": %d, \"size_bytes\": %zu, "
           "\"unit\": \"%s\", \"seconds\": %.4f, \"count\": %.0f, \"rate\": %.1f, \"checked\": %llu, \"load_busy\": %.4f, \"load_waited\": %.4f",
           options.kind->name, options.event, options.connections, options.in_flight, options.size_bytes, options.kind->unit,
           wall_s, n, n / wall_s, (unsigned long long)counted, load_busy, load_waited);
    if (n > 0)
        printf(", \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}",
               latency_percentile_us(0.5), latency_percentile_us(0.99), latency_percentile_us(0.999), latency_percentile_us(1.0));
    if (options.server_pid != 0) {
        const double cpu_us = (double)(to->server_cpu_ns - from->server_cpu_ns) / 1e3;
        const double busy = cpu_us / 1e6 / wall_s;
        const double waited = share(from->server_waited_ns, to->server_waited_ns, wall_s);
        const double user = (double)(to->server_user_ticks - from->server_user_ticks);
        const double system = (double)(to->server_system_ticks - from->server_system_ticks);
        printf(", \"server_busy\": %.4f, \"server_waited\": %.4f, \"limit\": \"%s\"", busy, waited,
               busy + waited >= SATURATED ? "server" : load_busy + load_waited >= SATURATED ? "load" : "neither");
        if (n > 0) printf(", \"server_cpu_us\": %.4f", cpu_us / n);
        if (user + system > 0) printf(", \"server_user_share\": %.3f", user / (user + system));
        printf(", \"server_cpu_us_per_connect\": %.2f, \"server_rss_bytes\": %llu, \"server_rss_bytes_per_connection\": %.0f",
               (double)(ready->server_cpu_ns - idle->server_cpu_ns) / 1e3 / connections, (unsigned long long)ready->server_rss_bytes,
               ((double)ready->server_rss_bytes - (double)idle->server_rss_bytes) / connections);
    }
    printf("}\n");
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
    close_all();
    report(&idle, &ready, &from, &to);
}

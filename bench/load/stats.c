/* Numbers: clocks, CPU and memory of both processes, latencies, payloads that can be checked. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t id) {
    struct timespec t;
    if (clock_gettime(id, &t) != 0) fail("a CPU clock cannot be read: has a process ended?");
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_ns(void) { return read_clock(CLOCK_MONOTONIC); }

static uint64_t process_cpu_ns(pid_t pid) {
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) != 0) fail("no process %d", (int)pid);
    return read_clock(clock);
}

/* A line of /proc/<pid>/<name>, without what stands before `after` in it. */
static void read_proc(pid_t pid, const char *name, const char *after, char *line, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, (int)size, file) == NULL) fail("%s cannot be read", path);
    fclose(file);
    const char *found = after ? strrchr(line, *after) : NULL;
    if (found) memmove(line, found + 1, strlen(found));
}

/* How long the main thread of a process has been ready to run without running. */
static uint64_t waited_ns(pid_t pid) {
    char line[128];
    unsigned long long waited = 0;
    read_proc(pid, "schedstat", NULL, line, sizeof line);
    if (sscanf(line, "%*u %llu", &waited) != 1) fail("/proc/<pid>/schedstat is not as expected");
    return waited;
}

void sample_take(Sample *s) {
    memset(s, 0, sizeof *s);
    if (options.server_pid != 0) {
        char line[1024];
        unsigned long user = 0, system = 0, resident = 0;
        /* The process clock is utime + stime of /proc/<pid>/stat, in nanoseconds instead of 10 ms ticks; the
         * ticks are read as well for the division into user and system. */
        s->server_cpu_ns = process_cpu_ns(options.server_pid);
        read_proc(options.server_pid, "stat", ")", line, sizeof line);
        if (sscanf(line, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) fail("/proc/<pid>/stat is not as expected");
        s->server_user_ticks = user;
        s->server_system_ticks = system;
        read_proc(options.server_pid, "statm", NULL, line, sizeof line);
        if (sscanf(line, "%*u %lu", &resident) != 1) fail("/proc/<pid>/statm is not as expected");
        s->server_rss_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    for (int i = 0; i < options.watched_count; i++) s->watched_cpu_ns[i] = process_cpu_ns(options.watched[i]);
    if (options.server_pid != 0) s->server_waited_ns = waited_ns(options.server_pid);
    s->load_waited_ns = waited_ns(getpid());
    s->load_cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    s->wall_ns = clock_ns();
    s->counted = counted;
}

/* Latencies: 64 steps for each power of two, so within 1.6 % of the true value. */
static uint64_t histogram[64 * 64], histogram_total;

void latency_reset(void) {
    memset(histogram, 0, sizeof histogram);
    histogram_total = 0;
}

void latency_add(uint64_t ns) {
    size_t slot = (size_t)ns;
    if (ns >= 64) {
        const int shift = 63 - __builtin_clzll(ns) - 6;
        slot = (size_t)(shift + 1) * 64 + (size_t)((ns >> shift) & 63);
    }
    histogram[slot]++;
    histogram_total++;
}

double latency_percentile_us(double fraction) {
    const double rank = fraction * (double)histogram_total;
    uint64_t seen = 0;
    for (size_t slot = 0; slot < sizeof histogram / sizeof *histogram; slot++) {
        seen += histogram[slot];
        if (seen == 0 || (double)seen < rank) continue;
        const uint64_t ns = slot < 64 ? slot : (64 + (slot & 63)) << (slot / 64 - 1);
        return (double)ns / 1000.0;
    }
    return 0.0;
}

size_t decimal_write(char *to, uint32_t value) {
    char digits[10];
    size_t n = 0;
    do digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    for (size_t i = 0; i < n; i++) to[i] = digits[n - 1 - i];
    return n;
}

/* Longer than any message, so that each starts at its own place. Printable ASCII that JSON writes as it is; with
 * --binary all 256 values. */
static const char *filler(void) {
    static char *text;
    if (text == NULL) {
        static const char plain[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";
        text = malloc(options.size_bytes + 64);
        if (text == NULL) fail("out of memory");
        uint32_t x = 12345;
        for (size_t i = 0; i < options.size_bytes + 64; i++) {
            x = x * 1664525u + 1013904223u;
            text[i] = options.binary ? (char)(x >> 24) : plain[x >> 26];
        }
    }
    return text;
}

/* Eight hexadecimal digits, the fast-changing ones first, all at once. */
static void hex_write(char to[8], uint32_t value) {
    uint64_t digits = value; /* then one in each byte */
    digits = (digits | digits << 16) & 0x0000ffff0000ffff;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ff;
    digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0f;
    const uint64_t letters = ((digits + 0x0606060606060606) >> 4) & 0x0101010101010101;
    digits += 0x3030303030303030 + letters * ('a' - '0' - 10);
    memcpy(to, &digits, 8);
}

/* What hex_write wrote; any number, if it did not. */
static uint32_t hex_read(const char from[8]) {
    uint64_t digits;
    memcpy(&digits, from, 8);
    const uint64_t letters = (digits >> 6) & 0x0101010101010101;
    digits = (digits & 0x0f0f0f0f0f0f0f0f) + letters * 9;
    digits = (digits | digits >> 4) & 0x00ff00ff00ff00ff;
    digits = (digits | digits >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(digits | digits >> 16);
}

static void write_stamp(char to[16], uint32_t connection, uint32_t sequence) {
    hex_write(to, sequence);
    hex_write(to + 8, connection);
}

void payload_write(char *to, size_t n, uint32_t connection, uint32_t sequence) {
    char stamp[16];
    write_stamp(stamp, connection, sequence);
    const size_t stamped = n < 16 ? n : 16;
    memcpy(to, stamp, stamped);
    memcpy(to + stamped, filler() + sequence % 64, n - stamped);
}

bool payload_is(const char *text, size_t n, uint32_t connection, uint32_t sequence) {
    char stamp[16];
    write_stamp(stamp, connection, sequence);
    const size_t stamped = n < 16 ? n : 16;
    return memcmp(text, stamp, stamped) == 0 && memcmp(text + stamped, filler() + sequence % 64, n - stamped) == 0;
}

bool payload_read(const char *text, size_t n, uint32_t *connection, uint32_t *sequence) {
    if (n < 16) return false;
    *sequence = hex_read(text);
    *connection = hex_read(text + 8);
    char stamp[16];
    write_stamp(stamp, *connection, *sequence);
    return memcmp(text, stamp, 16) == 0;
}

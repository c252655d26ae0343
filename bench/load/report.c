/* The result of a run, as one JSON object on one line. */
#include "load.h"

#include <stdio.h>

/* A process is the limit from here on: of the time in which it was let run, this share was spent running. */
static const double SATURATED = 0.95;

static double share(uint64_t from, uint64_t to, double wall_s) { return (double)(to - from) / 1e9 / wall_s; }

/* What was asked for. The numbers that only some cases need are there if they were given. */
static void report_options(void) {
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"namespaces", options.namespaces}, {"rooms", options.rooms}, {"members", options.members},
        {"slow", options.slow}, {"active", options.active}, {"idle", options.idle}, {"burst", options.burst},
    };
    printf("\"case\": \"%s\", \"event\": \"%s\", \"transport\": \"%s\", \"tls\": %s, \"binary\": %s, \"connections\": %d, "
           "\"in_flight\": %d, \"size_bytes\": %zu",
           options.kind->name, options.event, options.polling ? "polling" : "websocket", options.tls ? "true" : "false",
           options.binary ? "true" : "false", options.connections, options.in_flight, options.size_bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value > 0) printf(", \"%s\": %d", numbers[i].name, numbers[i].value);
    if (options.rate > 0) printf(", \"per_second\": %g", options.rate);
}

static void report_server(const Sample *idle, const Sample *ready, const Sample *from, const Sample *to, double wall_s, double load_share) {
    const double cpu_us = (double)(to->server_cpu_ns - from->server_cpu_ns) / 1e3;
    const double busy = cpu_us / 1e6 / wall_s;
    const double waited = share(from->server_waited_ns, to->server_waited_ns, wall_s);
    const double user = (double)(to->server_user_ticks - from->server_user_ticks);
    const double system = (double)(to->server_system_ticks - from->server_system_ticks);
    const double connections = options.connections;
    printf(", \"server_busy\": %.4f, \"server_waited\": %.4f, \"limit\": \"%s\"", busy, waited,
           busy + waited >= SATURATED ? "server" : load_share >= SATURATED ? "load" : "neither");
    if (to->counted > from->counted) printf(", \"server_cpu_us\": %.4f", cpu_us / (double)(to->counted - from->counted));
    if (user + system > 0) printf(", \"server_user_share\": %.3f", user / (user + system));
    /* Memory is that at the end of the window: an idle connection's after its handshake is over and forgotten. */
    printf(", \"server_cpu_us_per_connect\": %.2f, \"server_rss_bytes\": %llu, \"server_rss_bytes_per_connection\": %.0f",
           (double)(ready->server_cpu_ns - idle->server_cpu_ns) / 1e3 / connections, (unsigned long long)to->server_rss_bytes,
           ((double)to->server_rss_bytes - (double)idle->server_rss_bytes) / connections);
}

/* In the order in which they were given. */
static void report_watched(const Sample *from, const Sample *to) {
    printf(", \"watched_cpu_us\": [");
    for (int i = 0; i < options.watched_count; i++)
        printf("%s%.1f", i > 0 ? ", " : "", (double)(to->watched_cpu_ns[i] - from->watched_cpu_ns[i]) / 1e3);
    printf("]");
}

void report(const Sample *idle, const Sample *ready, const Sample *from, const Sample *to) {
    const double wall_s = (double)(to->wall_ns - from->wall_ns) / 1e9;
    const uint64_t n = to->counted - from->counted;
    const double busy = share(from->load_cpu_ns, to->load_cpu_ns, wall_s);
    const double waited = share(from->load_waited_ns, to->load_waited_ns, wall_s);
    printf("{\"ok\": true, ");
    report_options();
    printf(", \"unit\": \"%s\", \"seconds\": %.4f, \"count\": %llu, \"rate\": %.1f, \"checked\": %llu, \"load_busy\": %.4f, \"load_waited\": %.4f",
           options.kind->unit, wall_s, (unsigned long long)n, (double)n / wall_s, (unsigned long long)counted, busy, waited);
    if (n > 0)
        printf(", \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}",
               latency_percentile_us(0.5), latency_percentile_us(0.99), latency_percentile_us(0.999), latency_percentile_us(1.0));
    if (options.kind->report != NULL) options.kind->report();
    if (options.kind->may_be_closed) printf(", \"cut_off\": %d", cut_off);
    if (options.watched_count > 0) report_watched(from, to);
    if (options.server_pid != 0) report_server(idle, ready, from, to, wall_s, busy + waited);
    printf("}\n");
}

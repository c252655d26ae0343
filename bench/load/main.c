/* `load --case echo --port 5000 ...`: the command line. One JSON object goes to stdout; exit 1 says it failed. */
#define _GNU_SOURCE
#include "load.h"
#include "pipeline.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SPARE_FILES = 100 }; /* beyond one for each connection: epoll, /proc, polling's POSTs while connecting */

Options options = {
    .kind = &case_echo, .host = "127.0.0.1", .path = "/socket.io/", .room = "room", .ports = {5000}, .port_count = 1, .connections = 100, .in_flight = 4,
    .size_bytes = 32, .warmup_s = 0.3, .seconds = 2.0,
};

static const char USAGE[] =
    "load --case NAME [--host IPV4] [--port N[,N...]] [--path /socket.io/] [--transport websocket|polling] [--tls]\n"
    "     [--connections N] [--in-flight N] [--size BYTES] [--binary] [--event NAME] [--namespaces N] [--rooms N]\n"
    "     [--members N] [--room NAME] [--slow N] [--active N] [--idle N] [--burst N] [--rate PER_SECOND] [--warmup SECONDS]\n"
    "     [--seconds SECONDS] [--count N] [--server-pid PID] [--watch PID[,PID...]]\n";

static double number(const char *text, double least, double most) {
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) fail("'%s' is not a number from %g to %g", text, least, most);
    return value;
}

/* Numbers with commas between them; returns how many. */
static int numbers(char *text, double least, double most, int *to, int room) {
    int n = 0;
    for (char *rest = text, *one; (one = strsep(&rest, ",")) != NULL; n++) {
        if (n == room) fail("more than %d numbers", room);
        to[n] = (int)number(one, least, most);
    }
    return n;
}

static bool is_polling(const char *transport) {
    if (strcmp(transport, "polling") == 0) return true;
    if (strcmp(transport, "websocket") == 0) return false;
    fail("'%s' is no transport: websocket or polling", transport);
}

static const Case *case_named(const char *name) {
    static const Case *const all[] = {
        &case_echo, &case_event, &case_namespaces, &case_broadcast, &case_rooms, &case_burst, &case_slow, &case_mixed, &case_connect, &case_idle,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    fail("there is no case '%s'", name);
}

static void read_options(int argc, char **argv) {
    static const struct option names[] = {
        {"case", 1, 0, 'k'}, {"host", 1, 0, 'h'}, {"port", 1, 0, 'p'}, {"path", 1, 0, 'u'}, {"connections", 1, 0, 'c'},
        {"in-flight", 1, 0, 'w'}, {"size", 1, 0, 's'}, {"event", 1, 0, 'e'}, {"warmup", 1, 0, 'r'}, {"seconds", 1, 0, 't'},
        {"count", 1, 0, 'n'}, {"server-pid", 1, 0, 'i'}, {"transport", 1, 0, 'T'}, {"tls", 0, 0, 'L'}, {"binary", 0, 0, 'B'},
        {"namespaces", 1, 0, 'N'}, {"rooms", 1, 0, 'R'}, {"members", 1, 0, 'M'}, {"slow", 1, 0, 'S'}, {"active", 1, 0, 'A'},
        {"idle", 1, 0, 'I'}, {"burst", 1, 0, 'U'}, {"rate", 1, 0, 'F'}, {"room", 1, 0, 'O'}, {"watch", 1, 0, 'W'}, {"help", 0, 0, '?'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
            case 'k': options.kind = case_named(optarg); break;
            case 'h': options.host = optarg; break;
            case 'p': options.port_count = numbers(optarg, 1, 65535, options.ports, PORTS); break;
            case 'u': options.path = optarg; break;
            case 'c': options.connections = (int)number(optarg, 1, 100000); break;
            case 'w': options.in_flight = (int)number(optarg, 1, 100000); break;
            case 's': options.size_bytes = (size_t)number(optarg, 1, 1 << 28); break;
            case 'e': options.event = optarg; break;
            case 'r': options.warmup_s = number(optarg, 0, 3600); break;
            case 't': options.seconds = number(optarg, 0.01, 3600); break;
            case 'n': options.count = (uint64_t)number(optarg, 0, 1e15); break;
            case 'i': options.server_pid = (pid_t)number(optarg, 1, 1 << 30); break;
            case 'T': options.polling = is_polling(optarg); break;
            case 'L': options.tls = true; break;
            case 'B': options.binary = true; break;
            case 'N': options.namespaces = (int)number(optarg, 1, 26); break;
            case 'R': options.rooms = (int)number(optarg, 1, 100000); break;
            case 'M': options.members = (int)number(optarg, 1, 100000); break;
            case 'S': options.slow = (int)number(optarg, 1, 100000); break;
            case 'A': options.active = (int)number(optarg, 1, 100000); break;
            case 'I': options.idle = (int)number(optarg, 1, 100000); break;
            case 'U': options.burst = (int)number(optarg, 1, 100000); break;
            case 'F': options.rate = number(optarg, 0.01, 1e6); break;
            case 'O': options.room = optarg; break;
            case 'W': options.watched_count = numbers(optarg, 1, 1 << 30, options.watched, WATCHED); break;
            default: fputs(USAGE, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fputs(USAGE, stderr);
        exit(2);
    }
    if (options.event == NULL) options.event = options.kind->event ? options.kind->event : options.kind->name;
    if (options.binary && options.kind->on_binary == NULL) fail("the case '%s' has no binary form", options.kind->name);
    if (options.rate > 0 && options.kind->tick == NULL) fail("the case '%s' has no rate", options.kind->name);
    if (options.idle > 0 && options.kind->in_flight != pipeline_in_flight) fail("in the case '%s' none can be idle", options.kind->name);
    if (strlen(options.room) > 16) fail("'%s' is longer than 16 characters", options.room);
    if (options.kind == &case_connect) options.connections = options.in_flight;
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const rlim_t each = options.polling && !options.kind->rests ? 2 : 1;
    if (files.rlim_max < (rlim_t)options.connections * each + SPARE_FILES)
        fail("%d connections need more open files than the limit of %llu", options.connections, (unsigned long long)files.rlim_max);
    run();
    return 0;
}

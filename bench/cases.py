"""The matrix: what is run, on which servers, and what fastsio has to show in it.

Only data: rounds.py runs it, verdicts.py judges it. Titles and units are those of the tables.
"""

from __future__ import annotations

from dataclasses import dataclass

SUBJECT, FLOOR, PYTHON = "fastsio", "floor", "python-socketio"


def is_ours(server: str) -> bool:
    """fastsio, on whichever Python (`fastsio-3.12`)."""
    return server.startswith(SUBJECT)


@dataclass(frozen=True)
class Metric:
    key: str  # in the load generator's result
    divisor: float  # from that to `unit`
    unit: str


CPU = Metric("server_cpu_us", 1, "us")
MEMORY = Metric("server_rss_bytes_per_connection", 1024, "KB")


@dataclass(frozen=True)
class Case:
    """The goals, as far as the case has one, are about fastsio's number in it."""

    name: str
    title: str
    load: tuple[str, ...]  # arguments of the load generator
    group: str  # the cases of a group share one server process in a round
    metric: Metric = CPU
    needs: str = ""  # what not every server can do: prepare.LACKS
    only: tuple[
        str, ...
    ] = ()  # run on these servers alone, and not among what is compared with every peer
    is_headline: bool = False  # is in README.md's table
    times_floor: float | None = None  # at most so many times the floor's
    times_below_python: float | None = None  # at least so many times below python-socketio's
    at_most: float | None = None
    like: str | None = None  # not above that of the case of this name
    is_p99_like: bool = False  # and its p99 neither


def _load(
    case: str, connections: int, in_flight: int, *more: str, size: int = 32
) -> tuple[str, ...]:
    numbers = (
        "--connections",
        str(connections),
        "--in-flight",
        str(in_flight),
        "--size",
        str(size),
    )
    return ("--case", case, *numbers, *more)


def _echo(connections: int, in_flight: int, *more: str, size: int = 32) -> tuple[str, ...]:
    return _load("echo", connections, in_flight, "--event", "echo_async", *more, size=size)


def _rooms(
    connections: int, in_flight: int, rooms: int, members: int, *more: str
) -> tuple[str, ...]:
    of = ("--rooms", str(rooms), "--members", str(members))
    return _load("rooms", connections, in_flight, *of, *more)


MESSAGES = (
    Case(
        "echo-single",
        "echo with ack, 1 connection, 1 in flight",
        _echo(1, 1),
        "messages",
        is_headline=True,
        times_floor=1.1,
    ),
    Case(
        "echo",
        "echo with ack, 100 connections, 4 in flight",
        _echo(100, 4),
        "messages",
        is_headline=True,
        times_floor=2.0,
        times_below_python=25,
    ),
    Case(
        "echo-plain",
        "echo with ack, plain handler",
        _load("echo", 100, 4, "--event", "echo"),
        "messages",
        only=(SUBJECT, PYTHON),
        is_headline=True,
    ),
    Case(
        "echo-64",
        "echo with ack, 64 in flight",
        _echo(100, 64),
        "messages",
        is_headline=True,
        times_below_python=25,
    ),
    Case(
        "echo-1kB",
        "echo with ack, 4 in flight, 1 kB",
        _echo(100, 4, size=1024),
        "messages",
        is_headline=True,
        times_floor=2.0,
        times_below_python=25,
    ),
    Case(
        "event",
        "event in, event out (no ack), 4 in flight",
        _load("event", 100, 4, "--event", "say_async"),
        "messages",
        is_headline=True,
    ),
    Case(
        "binary-1kB",
        "binary echo, 4 in flight, 1 kB",
        _echo(100, 4, "--binary", size=1024),
        "messages",
        is_headline=True,
        times_floor=2.0,
    ),
    Case(
        "binary-64kB",
        "binary echo, 20 connections, 4 in flight, 64 kB",
        _echo(20, 4, "--binary", size=65536),
        "messages",
        is_headline=True,
        times_floor=1.3,
    ),
    Case(
        "burst",
        "100 emits to one client at once, per delivery",
        _load("burst", 10, 1, "--burst", "100"),
        "messages",
    ),
    Case(
        "namespaces",
        "echo with ack, 4 namespaces per connection",
        _load("namespaces", 100, 4, "--event", "echo_async", "--namespaces", "4"),
        "messages",
        needs="namespaces",
        like="echo",
    ),
    Case(
        "polling",
        "echo with ack over polling, 4 in flight",
        _echo(100, 4, "--transport", "polling"),
        "polling",
        needs="polling",
        is_headline=True,
    ),
    Case(
        "tls",
        "echo with ack over TLS, 4 in flight",
        _echo(100, 4),
        "tls",
        needs="tls",
        is_headline=True,
    ),
)
BROADCASTS = (
    Case(
        "broadcast-100",
        "broadcast to 100, per delivery",
        _load("broadcast", 100, 4),
        "broadcast",
        is_headline=True,
        times_floor=1.2,
        times_below_python=25,
    ),
    Case(
        "broadcast-1000",
        "broadcast to 1,000, per delivery",
        _load("broadcast", 1000, 4),
        "broadcast",
        is_headline=True,
        times_floor=1.2,
        times_below_python=25,
    ),
    Case(
        "broadcast-10000",
        "broadcast to 10,000, per delivery",
        _load("broadcast", 10000, 4),
        "crowd",
        is_headline=True,
        times_floor=1.2,
        times_below_python=25,
    ),
    Case(
        "room",
        "room of 1,000 among 10,000, per delivery",
        _rooms(10000, 4, rooms=1, members=1000),
        "crowd",
    ),
    Case(
        "rooms",
        "1,000 rooms of 10, 100 in flight, per delivery",
        _rooms(10000, 100, rooms=1000, members=10),
        "crowd",
        like="rooms-few",
    ),
    Case(
        "mixed",
        "5,000 clients, 500 of them chatting, per delivery",
        _load("mixed", 5000, 1, "--active", "500", "--members", "50"),
        "mixed",
    ),
)
# Large enough to be more than the kernel keeps for one who does not read: the server must keep the rest.
SLOW_BYTES = 4000
SLOW = (
    Case(
        "slow",
        "broadcast of 4 kB to 100, and 10 that do not read",
        _load("slow", 110, 4, "--slow", "10", size=SLOW_BYTES),
        "slow",
    ),
    Case(
        "slow-one",
        "broadcast of 4 kB to 100, and 1 that does not read",
        _load("slow", 101, 4, "--slow", "1", size=SLOW_BYTES),
        "slow",
        only=(SUBJECT,),
        like="slow-none",
        is_p99_like=True,
    ),
    Case(
        "slow-none",
        "broadcast of 4 kB to 100",
        _load("broadcast", 100, 4, size=SLOW_BYTES),
        "slow",
        only=(SUBJECT,),
    ),
)
CONNECTIONS = (
    Case(
        "connect",
        "connect by WebSocket, and gone",
        _load("connect", 100, 32),
        "connect",
        is_headline=True,
        at_most=70,
    ),
    Case(
        "idle",
        "an idle WebSocket, of 10,000",
        ("--case", "idle", "--connections", "10000"),
        "idle",
        metric=MEMORY,
        is_headline=True,
        at_most=3,
    ),
    Case(
        "idle-polling",
        "an idle polling session, of 10,000",
        ("--case", "idle", "--transport", "polling", "--connections", "10000"),
        "idle polling",
        metric=MEMORY,
        needs="polling",
        is_headline=True,
        at_most=6,
    ),
)
# Does a message cost more when there is more of everything else? In each pair as many are in flight. Those beside whom
# it is measured are silent; where all have their turn, the floor shows how much is the kernel's and the caches'.
SCALING = (
    Case(
        "turns-100",
        "echo in turns, 400 in flight over 100 connections",
        _echo(100, 4, "--active", "100"),
        "scaling",
        only=(SUBJECT, FLOOR),
    ),
    Case(
        "turns-10000",
        "echo in turns, 400 in flight over 10,000 connections",
        _echo(10000, 4, "--active", "100"),
        "scaling",
        like="turns-100",
        only=(SUBJECT, FLOOR),
    ),
    Case(
        "beside-10000",
        "echo with ack, 100 connections, 4 in flight, beside 9,900 idle ones",
        _echo(10000, 4, "--idle", "9900"),
        "scaling",
        like="beside-none",
        only=(SUBJECT, FLOOR),
    ),
    Case(
        "beside-none",
        "echo with ack, 100 connections, 4 in flight, and no others",
        _echo(100, 4),
        "scaling",
        only=(SUBJECT, FLOOR),
    ),
    Case(
        "rooms-beside",
        "100 rooms of 10, 100 in flight, beside 900 silent ones, per delivery",
        _rooms(10000, 100, 1000, 10, "--active", "100"),
        "scaling",
        like="rooms-few",
        only=(SUBJECT, FLOOR),
    ),
    Case(
        "rooms-few",
        "100 rooms of 10, 100 in flight, per delivery",
        _rooms(1000, 100, rooms=100, members=10),
        "scaling",
        only=(SUBJECT, FLOOR),
    ),
)
CASES = (*MESSAGES, *BROADCASTS, *SLOW, *CONNECTIONS, *SCALING)
BY_NAME = {case.name: case for case in CASES}
# What `make bench-quick` takes of it.
QUICK = ("echo", "echo-plain", "broadcast-100", "broadcast-1000")

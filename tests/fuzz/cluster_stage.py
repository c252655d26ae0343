"""A server in a cluster whose other servers and Redis are a fuzzer's: messages come as bytes, by any adapter's way."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from fastsio._frames import ProtocolError
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from fastsio.adapters.cluster.bus import Bus
from fastsio.adapters.cluster.requests import ClusterGathering
from fastsio.adapters.local import LocalBus
from fastsio.adapters.memory import MemoryHub
from fastsio.adapters.protocol import wire
from fastsio.adapters.protocol.messages import Kind, make_opts
from fastsio.adapters.pubsub.bus import PubSubBus
from fastsio.adapters.pubsub.pipe import Pipe, Took
from fastsio.core.acks import PendingAck
from fuzz.session_targets import CONNECTIONS, Stage

# What a wrong message makes wire.decode() raise, and buses catch.
WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError, ProtocolError)
# What redis-py sends.
SENDABLE = (bytes, str, int, float)
TIMEOUT_S = 1.0
# After which everything that is waited for has ended, and servers that say nothing are forgotten.
PATIENCE, STEP_S = 4, 25
NOBODY: frozenset[str] = frozenset()
# ClusterStage.way
MEMORY, CLASSIC, SHARDED, STREAMS, LOCAL, PUBSUB = WAYS = range(6)
# By the number of a message's first byte.
CLASSIC_CHANNELS = tuple(
    channel
    for name in (b"/", b"/chat")
    for channel in (
        b"socket.io#%b#" % name,
        b"socket.io#%b#r#" % name,
        b"socket.io-request#%b#" % name,
        b"socket.io-response#%b#" % name,
    )
)


class Sent:
    """In the place of a RedisLink's queue: takes what is sent."""

    lost = count = bytes = 0
    is_behind = False

    def put(self, command: tuple[Any, ...], **options: Any) -> None:
        for one in command:
            assert isinstance(one, SENDABLE) and not isinstance(one, bool), command


async def nothing(*args: Any) -> None:
    """What begins or ends a connection."""


async def two_servers(channel: str) -> int:
    """Who subscribes to a channel: this server, and one more."""
    return 2


def without_redis(bus: Any) -> Any:
    """An adapter whose Redis is not there, and is not missed: what comes from it is what the fuzzer makes up."""
    link = bus._link
    link.start = link.stop = nothing
    link.subscribers, link.queue = two_servers, Sent()
    if isinstance(bus, RedisStreamsAdapter):
        bus._reader.start = bus._reader.stop = nothing
    return bus


class Worker(asyncio.Transport):
    """The way to another worker."""

    def write(self, data: Any) -> None:
        assert isinstance(data, bytes)

    def get_write_buffer_size(self) -> int:
        return 0


class NoPipe(Pipe):
    """In the place of what python-socketio's managers publish on."""

    async def start(self, took: Took, changed: Callable[[bool], None]) -> None:
        changed(True)

    async def stop(self) -> None:
        pass

    def send(self, data: bytes) -> None:
        assert isinstance(json.loads(data), dict)


def make_bus(way: int) -> Bus:
    if way == CLASSIC:
        return without_redis(RedisAdapter())
    if way == SHARDED:
        return without_redis(ShardedRedisAdapter())
    if way == STREAMS:
        return without_redis(RedisStreamsAdapter())
    if way == PUBSUB:
        return PubSubBus(NoPipe())
    return LocalBus() if way == LOCAL else MemoryHub().bus()


class ClusterStage(Stage):
    """A Stage with one of six buses. Messages come from servers named as they like."""

    way = 0

    @classmethod
    def of(cls, way: int) -> ClusterStage:
        bus = make_bus(way)
        made = cls({"adapter": bus, "presence": way == SHARDED})
        made.way, made.bus, made.cluster = way, bus, made.io.hub.cluster
        made.cluster.uid = "here"
        made.io.on("news", lambda *args: None)
        with made.loop.running():
            made._spin(10)
            bus.cluster.bus_changed(True, 0)
            if way == LOCAL:
                bus.added("other", Worker())
        return made

    bus: Any
    cluster: Any
    # What there is before a message comes; None: nobody has joined yet.
    begun: Any = None

    # --- one input ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Two clients join, one of them a room, and the server asks three questions: "a", "b" and "c"."""
        self.connections = [None] * CONNECTIONS
        self.join4(0, b"")
        self.join4(1, b"/chat,")
        self._spin()
        assert len(self.here) == 2
        self.io.hub.namespaces["/"].adapter.local.add_sockets(None, NOBODY, ["r"])
        if self.way == PUBSUB:  # a client's answer is awaited
            self.bus._calls[1] = PendingAck(lambda *args: None, self.io.hub.tasks)
        if self.way in (MEMORY, LOCAL, PUBSUB):
            self.cluster.members.heard("other", self.loop.time())
        self._ask()
        self._spin()
        assert {"a", "b", "c"} == self.cluster.requests.keys()
        self.forget_sent()
        self.begun = self.state()

    def _ask(self) -> None:
        def done(error: Any, answers: list[Any]) -> None:
            """Whatever it is."""

        opts = {"opts": make_opts(None, NOBODY, {})}
        with named_requests():
            adapter = self.io.hub.namespaces["/"].adapter
            adapter.gather(["q"], None, NOBODY, False, TIMEOUT_S, done)
            self.cluster.ask(Kind.FETCH_SOCKETS, "/", opts, done, TIMEOUT_S)
            adapter.server_side_emit(["q"], done, TIMEOUT_S)

    def arrive(self, where: int, data: bytes) -> None:
        """A message's bytes as they come from memory, Redis' channels, its sharded channels, a stream, a worker."""
        if self.way == CLASSIC:
            self.bus._link.on_message(CLASSIC_CHANNELS[where & 7], data)
        elif self.way == SHARDED:
            channel = b"socket.io-presence#" if where & 64 else b"socket.io#/#"
            self.bus._link.on_message(channel, data)
        elif self.way == STREAMS and where & 64:
            self.bus._link.on_message(b"socket.io#/#", data)
        elif self.way == STREAMS:
            fields = {b"uid": b"other", b"nsp": b"/chat" if where & 16 else b"/"}
            fields[b"type"] = b"%d" % (where & 15)
            if not where & 32:
                fields[b"data"] = data
            self.bus._entered(b"1-1", fields)
        elif self.way == PUBSUB:
            self.bus._arrived(data)
        elif self.way == LOCAL:
            with contextlib.suppress(*WRONG):
                self.bus.arrived("other", data)
        else:
            with contextlib.suppress(*WRONG):
                self.cluster.receive(wire.decode(data, self.cluster.json))

    def tell(self, data: bytes) -> None:
        """Messages come: a byte that says where, and its bytes, up to one that MessagePack never uses."""
        for one in data.split(b"\xc1"):
            if one:
                self.arrive(one[0], one[1:])
                self._spin()

    def finish(self) -> None:
        """Time goes by, one client more can join, and all go: nothing may be left."""
        self.begun = None
        for _ in range(PATIENCE):
            self.pass_time(STEP_S)
        self.connections.append(None)
        self.join4(CONNECTIONS, b"")
        self._spin()
        assert any(one.namespace.name == "/" for one in self.here), "nobody can join any more"
        self._end()
        assert not self.cluster.requests, f"questions left: {self.cluster.requests}"

    def state(self) -> tuple[Any, ...]:
        """Whatever a message may change."""
        hub, cluster = self.io.hub, self.cluster
        return (
            frozenset(self.here),
            [(name, *map(len, (one.sockets, one.joining, one.rooms))) for name, one in hub.namespaces.items()],
            [(room, len(one)) for room, one in hub.namespaces["/"].rooms.items()],
            [len(one.acks or ()) for one in self.here],
            [(name, *answers_of(one)) for name, one in cluster.requests.items()],
            list(cluster.members.alive), presence_of(cluster),
            len(self.bus._calls) if self.way == PUBSUB else 0,
            len(hub.tasks), self.engine.wheel.count, len(self.loop._scheduled),
        )  # fmt: skip

    def forget_sent(self) -> None:
        for one in self.connections:
            if one is not None:
                one.sent = b""
                one.writes.clear()


def presence_of(cluster: Any) -> Any:
    presence = cluster.presence
    if presence is None:
        return None
    told = [(uid, one.state.seq, one.asked_at) for uid, one in presence.servers.items()]
    return told, presence.seq, len(presence._askers), len(presence._tasks), presence._answering


def answers_of(request: Any) -> tuple[Any, ...]:
    if isinstance(request, ClusterGathering):
        return len(request.answers), request._servers, dict(request._told)
    return len(request._answers), len(request._answered)


@contextlib.contextmanager
def named_requests() -> Iterator[None]:
    """Questions are named "a", "b" and so on meanwhile, so that answers can be made up."""
    before, letters = secrets.token_hex, iter("abcdef")
    secrets.token_hex = lambda size: next(letters)
    try:
        yield
    finally:
        secrets.token_hex = before


@functools.cache
def stage_of(way: int) -> ClusterStage:
    return ClusterStage.of(way)

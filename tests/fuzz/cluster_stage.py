"""A server in a cluster whose other servers and Redis are a fuzzer's: messages come as bytes, by any adapter's way."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from fastsio.adapters import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter, cluster, wire
from fastsio.adapters.memory import MemoryHub
from fastsio.adapters.messages import Kind, make_opts
from fastsio.adapters.requests import ClusterGathering
from fuzz.session_targets import CONNECTIONS, Stage

# What a wrong message makes wire.decode() raise, and buses catch.
WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError)
# What redis-py sends.
SENDABLE = (bytes, str, int, float)
TIMEOUT_S = 1.0
PATIENCE_S = 60
NOBODY: frozenset[str] = frozenset()
# ClusterStage.way
MEMORY, CLASSIC, SHARDED, STREAMS = range(4)
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


class NoRedis:
    """A RedisLink, and its client: takes what is sent, brings nothing, and says that there is one server more."""

    is_up, is_behind, lost, errors = True, False, 0, (OSError,)

    def __init__(self) -> None:
        self.client = self

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def send(self, *command: Any) -> None:
        for one in command:
            assert isinstance(one, SENDABLE) and not isinstance(one, bool), command

    def subscribe(self, *channels: Any) -> None:
        for one in channels:
            one.encode()

    unsubscribe = psubscribe = punsubscribe = subscribe

    async def pubsub_numsub(self, channel: str) -> list[tuple[str, int]]:
        return [(channel, 2)]

    pubsub_shardnumsub = pubsub_numsub

    async def xrevrange(self, stream: str, count: int) -> list[Any]:
        return []

    async def xread(self, streams: dict[str, Any], count: int, block: int) -> Any:
        await asyncio.get_running_loop().create_future()


def without_redis(adapter: Any) -> Any:
    adapter._link = NoRedis()
    return adapter


class ClusterStage(Stage):
    """A Stage with one of four buses. Messages come from servers named as they like."""

    way = 0

    @classmethod
    def of(cls, way: int) -> ClusterStage:
        kinds = (RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter)
        bus = without_redis(kinds[way - 1]()) if way else MemoryHub().bus()
        made = cls({"adapter": bus})
        made.way, made.bus, made.cluster = way, bus, made.io.hub.cluster
        made.cluster.uid = "here"
        made.io.on("news", lambda *args: None)
        with made.loop.running():
            made._spin(10)
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
        if self.way == MEMORY:
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
        """A message's bytes as they come from memory, Redis' channels, its sharded channels, or a stream."""
        if self.way == CLASSIC:
            self.bus._arrived(CLASSIC_CHANNELS[where & 7], data)
        elif self.way == SHARDED or (self.way == STREAMS and where & 64):
            self.bus._arrived(b"socket.io#/#", data)
        elif self.way == STREAMS:
            fields = {b"uid": b"other", b"nsp": b"/chat" if where & 16 else b"/"}
            fields[b"type"] = b"%d" % (where & 15)
            if not where & 32:
                fields[b"data"] = data
            self.bus._entered(b"1-1", fields)
        else:
            try:
                message = wire.decode(data, self.io.hub.json)
            except WRONG:
                return
            self.cluster.receive(message)

    def tell(self, data: bytes) -> None:
        """Messages come: a byte that says where, and its bytes, up to one that MessagePack never uses."""
        for one in data.split(b"\xc1"):
            if one:
                self.arrive(one[0], one[1:])
                self._spin()

    def finish(self) -> None:
        """Time goes by, one client more can join, and all go: nothing may be left."""
        self.begun = None
        self.pass_time(PATIENCE_S)
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
            list(cluster.members.alive), len(hub.tasks), self.engine.wheel.count, len(self.loop._scheduled),
        )  # fmt: skip

    def forget_sent(self) -> None:
        for one in self.connections:
            if one is not None:
                one.sent = b""
                one.writes.clear()


def answers_of(request: Any) -> tuple[Any, ...]:
    if isinstance(request, ClusterGathering):
        return len(request.answers), request._servers, dict(request._told)
    return len(request._answers), len(request._answered)


@contextlib.contextmanager
def named_requests() -> Iterator[None]:
    """Questions are named "a", "b" and so on meanwhile, so that answers can be made up."""
    before = cluster.secrets
    cluster.secrets = Letters()
    try:
        yield
    finally:
        cluster.secrets = before


class Letters:
    """In the place of the module `secrets`."""

    def __init__(self) -> None:
        self._letters = iter("abcdef")

    def token_hex(self, size: int) -> str:
        return next(self._letters)


@functools.cache
def stage_of(way: int) -> ClusterStage:
    return ClusterStage.of(way)

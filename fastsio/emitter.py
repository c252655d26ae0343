"""Emitters: programs that are no servers (a Celery task, a script, a Django view) send events to the servers' clients.

    Emitter("redis://localhost").of("/chat").to("room").emit("news", {"n": 1})

They write to Redis what a server with the adapter of the same name would, and hear nothing: a program that only sends
is not counted among the servers. Source: @socket.io/redis-emitter 5 and the streams emitter.
"""

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from fastsio import adapters
from fastsio._codec import check_event_name, encode_packet
from fastsio._json import DEFAULT_JSON, Json
from fastsio.adapters.protocol.messages import EMITTER, Kind, Message, make_opts
from fastsio.adapters.redis_connection.url import connect
from fastsio.core.namespace import OWN_EVENTS

if TYPE_CHECKING:
    from fastsio._encoded import Encoded

__all__ = ["AsyncEmitter", "Emitter"]

EVENT = 2
# The adapters by the names of `adapter=`: what writes their format, and the options that it has.
FORMATS = {
    "redis": ("RedisFormat", ("key",)),
    "sharded": ("ShardedFormat", ("channel_prefix", "subscription_mode")),
    "streams": ("StreamsFormat", ("stream_name", "max_len", "channel_prefix")),
}
# Nobody else tells that Redis does not answer: seconds, for a connection and for an answer.
TIMEOUT_S = 5.0
# Of an AsyncEmitter; who calls emit() more often without waiting would fill the memory.
MAX_WAITING = 10_000

Room = str | int
Command = tuple[Any, ...]
R_co = TypeVar("R_co", covariant=True)


class Format(Protocol):
    """An adapter's format, see fastsio/adapters: what it publishes, as commands of Redis."""

    def pack(self, name: str, args: list[Any], encoded: "Encoded", json: Json) -> Any: ...

    def command(self, message: Message, json: Json) -> Command | None: ...


class Line(Protocol[R_co]):
    """A way to Redis. What send() returns is what the emitter's methods return."""

    format: Format
    json: Json

    def send(self, command: Command | None) -> R_co:
        """Send a command behind those that were given before; None is nothing to send."""


class EmitOperator(Generic[R_co]):
    """A choice of clients of one namespace, on whatever servers; every step returns a new one, which may be kept.

    Without to() they are all; `to([])` is nobody. A client's id is a room with it alone in it. What can't be sent is
    refused before anything is: TypeError for what JSON can't hold and for a room that is neither text nor a number,
    ValueError for a reserved event or over 10 binary values.
    """

    __slots__ = ("_excluded", "_flags", "_line", "_name", "_rooms")

    def __init__(
        self, line: Line[R_co], name: str, rooms: tuple[Room, ...] | None = None,
        excluded: tuple[Room, ...] = (), flags: dict[str, bool] | None = None,
    ) -> None:  # fmt: skip
        self._line = line
        self._name = name
        self._rooms = rooms
        self._excluded = excluded
        self._flags = flags or {}

    def to(self, room: Room | Iterable[Room]) -> "EmitOperator[R_co]":
        """Also the clients in `room`, or in any room of a list or set."""
        rooms = _joined(self._rooms or (), room)
        return EmitOperator(self._line, self._name, rooms, self._excluded, self._flags)

    in_ = to

    def except_(self, room: Room | Iterable[Room]) -> "EmitOperator[R_co]":
        """But no client that is in `room`."""
        excluded = _joined(self._excluded, room)
        return EmitOperator(self._line, self._name, self._rooms, excluded, self._flags)

    @property
    def volatile(self) -> "EmitOperator[R_co]":
        """Only to clients that can take it now: the packet is dropped for the others."""
        return self._with("volatile", True)

    def compress(self, is_wanted: bool) -> "EmitOperator[R_co]":
        """False: servers do not compress it for those clients for which they would."""
        return self._with("compress", bool(is_wanted))

    def _with(self, flag: str, value: bool) -> "EmitOperator[R_co]":
        flags = {**self._flags, flag: value}
        return EmitOperator(self._line, self._name, self._rooms, self._excluded, flags)

    # --- what is done with them --------------------------------------------------------------

    def emit(self, event: str, *args: Any) -> R_co:
        """Send an event to all of them. There are no answers: servers ask for these, emit_with_ack()."""
        check_event_name(event)
        line, values = self._line, [event, *args]
        encoded = encode_packet(EVENT, values, self._name, json=line.json)
        packet = line.format.pack(self._name, values, encoded, line.json)
        return self._send(Kind.BROADCAST, {}, packet)

    def send(self, *args: Any) -> R_co:
        """emit("message", *args)."""
        return self.emit("message", *args)

    def sockets_join(self, room: Room | Iterable[Room]) -> R_co:
        """Make all of them join a room, or every room of a list."""
        return self._send(Kind.SOCKETS_JOIN, {"rooms": list(_joined((), room))})

    def sockets_leave(self, room: Room | Iterable[Room]) -> R_co:
        """Make all of them leave a room, or every room of a list."""
        return self._send(Kind.SOCKETS_LEAVE, {"rooms": list(_joined((), room))})

    def disconnect_sockets(self, close: bool = False) -> R_co:
        """Disconnect all of them; with `close` their whole connections."""
        return self._send(Kind.DISCONNECT_SOCKETS, {"close": bool(close)})

    def _send(self, kind: Kind, data: dict[str, Any], packet: Any = None) -> R_co:
        line = self._line
        if self._rooms is not None and not self._rooms:
            return line.send(None)
        opts = make_opts(self._rooms, self._excluded, self._flags)
        message = Message(kind, EMITTER, self._name, {"opts": opts, **data}, packet)
        return line.send(line.format.command(message, line.json))


class BaseEmitter(EmitOperator[R_co]):
    """What Emitter and AsyncEmitter have in common: the namespaces, and the servers themselves."""

    __slots__ = ()

    def __init__(
        self, redis: Any = "redis://localhost:6379", *, adapter: str = "redis", json: Any = None,
        key: str | None = None, channel_prefix: str | None = None, subscription_mode: str | None = None,
        stream_name: str | None = None, max_len: int | None = None, **options: Any,
    ) -> None:  # fmt: skip
        form = _make_format(
            adapter, key=key, channel_prefix=channel_prefix, subscription_mode=subscription_mode,
            stream_name=stream_name, max_len=max_len,
        )  # fmt: skip
        if options and not isinstance(redis, str):
            raise TypeError(
                f"{', '.join(options)}: for the connections to a URL, not for {redis!r}"
            )
        super().__init__(self._make_line(redis, options, form, _make_json(json)), "/")

    def _make_line(self, *given: Any) -> Line[R_co]:
        raise NotImplementedError

    def of(self, name: str) -> Self:
        """The same for another namespace than "/"; the leading "/" may be left out."""
        if not isinstance(name, str):
            raise TypeError(f"namespace {name!r}: a string")
        if "," in name:
            raise ValueError(f'namespace {name!r}: "," ends a name on the wire')
        other = type(self).__new__(type(self))
        EmitOperator.__init__(other, self._line, name if name.startswith("/") else f"/{name}")
        return other

    def server_side_emit(self, event: str, *args: Any) -> R_co:
        """Send an event to the namespace's listeners on the servers: `io.on(event, fn)`. There are no answers."""
        check_event_name(event)
        if event in OWN_EVENTS:
            raise ValueError(f'"{event}" is a reserved event name')
        line = self._line
        message = Message(Kind.SERVER_SIDE_EMIT, EMITTER, self._name, {"packet": [event, *args]})
        return line.send(line.format.command(message, line.json))


class Emitter(BaseEmitter[None]):
    """An emitter of plain calls: each returns when Redis has the message. From any thread, and after a fork.

    redis: a URL (redis://, rediss://, unix://, valkey://, valkeys://, or redis+sentinel://host:port,…/db/service),
    whose connections are the emitter's, or a client of redis-py, which stays its owner's; its pipeline() too, then
    `pipeline.execute()` sends all.
    adapter: whose format, "redis" (RedisAdapter, and Node's classic adapter), "sharded" or "streams". What has to be
    the same as the adapter's, as far as it has it: key; channel_prefix, subscription_mode; stream_name, max_len.
    json: the servers' option. Other keyword arguments are redis-py's, for a URL.

    One thread's events reach each client in the order of the calls. Raises redis-py's errors (redis.RedisError) if
    Redis can't be reached or does not answer within five seconds; what was to be sent then may have been, and is not
    tried again. ImportError without redis-py or msgspec (pip install "fastsio[redis]"), ValueError for an adapter or
    a kind of URL that there is not, TypeError for what is no client.
    """

    __slots__ = ()

    _line: "SyncLine"

    def _make_line(self, *given: Any) -> "SyncLine":
        return SyncLine(*given)

    def close(self) -> None:
        """Close the connections, if they are the emitter's own. One that is used again connects again."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class AsyncEmitter(BaseEmitter[Awaitable[None]]):
    """An Emitter for asyncio: a call sends in the background, and what it returns is awaited to know that Redis has it.

    The arguments are Emitter's, with a client of redis.asyncio. Messages of one emitter are sent in the order of the
    calls, awaited or not; those that wait go together. An awaited call raises what Emitter's does; the error of one
    that is not awaited goes to the loop's exception handler, which logs it. Raises RuntimeError where no loop runs, and
    when 10,000 messages wait already. An emitter belongs to one loop. aclose() sends what waits, as `async with` does.
    """

    __slots__ = ()

    _line: "AsyncLine"

    def _make_line(self, *given: Any) -> "AsyncLine":
        return AsyncLine(*given)

    async def aclose(self) -> None:
        """Wait until all is sent, and close the connections, if they are the emitter's own."""
        await self._line.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()


# --- the ways to Redis -----------------------------------------------------------------------


class BaseLine:
    """A client of redis-py, and what messages are written with."""

    def __init__(self, redis: Any, form: Format, json: Json, is_own: bool) -> None:
        self.client = redis
        self.format = form
        self.json = json
        self.is_own = is_own


class SyncLine(BaseLine):
    """One command after the other."""

    def __init__(self, redis: Any, options: dict[str, Any], form: Format, json: Json) -> None:
        client = _connect("redis", redis, options) if isinstance(redis, str) else redis
        if not callable(getattr(client, "execute_command", None)) or _is_async(client):
            raise TypeError(f"redis={redis!r}: a URL or a client of redis-py, not redis.asyncio's")
        super().__init__(client, form, json, client is not redis)

    def send(self, command: Command | None) -> None:
        if command is not None:
            self.client.execute_command(*command)

    def close(self) -> None:
        if self.is_own:
            self.client.close()


class AsyncLine(BaseLine):
    """Commands in the order of the calls; a task sends those that wait, as long as there are any."""

    def __init__(self, redis: Any, options: dict[str, Any], form: Format, json: Json) -> None:
        client = _connect("redis.asyncio", redis, options) if isinstance(redis, str) else redis
        if not _is_async(client):
            raise TypeError(f"redis={redis!r}: a URL or a client of redis.asyncio")
        super().__init__(client, form, json, client is not redis)
        # A cluster's pipeline refuses PUBLISH, and sends to several nodes.
        self._goes_together = not hasattr(client, "nodes_manager")
        self._waiting: list[tuple[Command, asyncio.Future[None]]] = []
        self._batch: list[tuple[Command, asyncio.Future[None]]] = []
        self._sending: asyncio.Task[None] | None = None

    def send(self, command: Command | None) -> Awaitable[None]:
        loop = asyncio.get_running_loop()
        sent = loop.create_future()
        if command is None:
            sent.set_result(None)
            return sent
        if len(self._waiting) >= MAX_WAITING:
            raise RuntimeError(f"{MAX_WAITING} messages wait for Redis: await emit()")
        self._waiting.append((command, sent))
        if self._sending is None:
            self._sending = loop.create_task(self._send_all())
            self._sending.add_done_callback(self._ended)
        return sent

    async def _send_all(self) -> None:
        while self._waiting:
            self._batch, self._waiting = self._waiting, []
            commands = [command for command, _ in self._batch]
            # No name here for what comes of it: since Python 3.12 an error's traceback leads to this frame too, and
            # a future that it kept would tell an error that nobody awaits only when garbage is collected.
            _settle_all(self._batch, await self._outcomes(commands))
            self._batch = []
        self._sending = None

    def _ended(self, sending: "asyncio.Task[None]") -> None:
        """Only a task that is cancelled, as a loop does that ends, leaves something: nobody shall wait for it."""
        if sending.cancelled():
            left = self._batch + self._waiting
            self._batch, self._waiting, self._sending = [], [], None
            for _, sent in left:
                sent.cancel()

    async def _outcomes(self, commands: list[Command]) -> list[Any]:
        """Send these in order; what Redis says of each, or the exception."""
        if len(commands) == 1 or not self._goes_together:
            return [await self._outcome(command) for command in commands]
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            outcomes: list[Any] = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 (whatever it is, each caller gets it)
            return [error] * len(commands)
        return outcomes

    async def _outcome(self, command: Command) -> Any:
        try:
            return await self.client.execute_command(*command)
        except Exception as error:  # noqa: BLE001 (so does this one)
            return error

    async def aclose(self) -> None:
        if self._sending is not None:
            await asyncio.wait([self._sending])
        if self.is_own:
            await self.client.aclose()


def _settle_all(batch: "list[tuple[Command, asyncio.Future[None]]]", outcomes: list[Any]) -> None:
    for (_, sent), outcome in zip(batch, outcomes, strict=True):
        _settle(sent, outcome)


def _settle(sent: "asyncio.Future[None]", outcome: Any) -> None:
    if sent.done():  # its caller waits no longer
        return
    if isinstance(outcome, Exception):
        sent.set_exception(outcome)
    else:
        sent.set_result(None)


# --- what is given ---------------------------------------------------------------------------


def _joined(rooms: tuple[Room, ...], more: Any) -> tuple[Room, ...]:
    """Rooms and one more, or those of a list or set: each once, in their order."""
    given = list(more) if isinstance(more, (list, set, frozenset)) else [more]
    for room in given:
        if not isinstance(room, (str, int)) or isinstance(room, bool):
            raise TypeError(f"room {room!r}: text or a number; several are a list or a set")
    return tuple(dict.fromkeys((*rooms, *given)))


def _make_format(adapter: str, **options: Any) -> Format:
    if adapter not in FORMATS:
        raise ValueError(f"adapter={adapter!r}: one of {', '.join(map(repr, FORMATS))}")
    name, known = FORMATS[adapter]
    given = {option: value for option, value in options.items() if value is not None}
    for option, value in given.items():
        if option not in known:
            theirs = ", ".join(known)
            raise ValueError(f"{option}={value!r}: adapter={adapter!r} has {theirs}, and not that")
    form: Format = getattr(adapters, name)(**given)
    return form


def _make_json(json: Any) -> Json:
    return DEFAULT_JSON if json is None else Json(json)


def _connect(module: str, url: str, options: dict[str, Any]) -> Any:
    """A client whose commands are not sent twice and do not wait for long, where `options` don't say otherwise.

    Connections that Redis has closed meanwhile are found when they are taken, and made again.
    """
    try:
        redis, retry = (importlib.import_module(name) for name in (module, f"{module}.retry"))
        backoff = importlib.import_module("redis.backoff").NoBackoff()
    except ImportError:
        raise ImportError('emitters need redis-py: pip install "fastsio[redis]"') from None
    ours = {
        "socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": retry.Retry(backoff, 0),
    }  # fmt: skip
    return connect(redis, url, {**ours, **options})


def _is_async(client: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(client, "execute_command", None))

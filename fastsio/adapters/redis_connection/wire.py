"""A connection to Redis that redis-py makes (TLS, password, database), read and written by hiredis alone from then on.

redis-py's way takes a future, a timer and some coroutines for each reply: a message of a subscription, delivered to one
client, took a server 23 us of CPU, and takes 8 so (bench/cluster, 16 at once). Here the event loop calls on_reply()
for each reply.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger("fastsio.adapters")

OnReply = Callable[[Any], None]
# hiredis' own word for it, False, is also a reply of RESP3.
_NOT_YET = object()


def require_hiredis() -> Any:
    """The module. Raises ImportError if it is not installed."""
    try:
        import hiredis
    except ImportError:
        raise ImportError('the Redis adapters need hiredis: pip install "fastsio[redis]"') from None
    return hiredis


class RedisWire(asyncio.Protocol):
    """One connection, as open_wire() makes it. `lost`: done when it has ended, with the ConnectionError that says why.

    on_reply(reply) is called in the order of the replies, with bytes, int, None, list or dict; an error of Redis is an
    Exception among them. What it raises is logged, and the next reply follows. `heard_at`: when something came last, in
    seconds of the loop's clock; 0: never.
    """

    def __init__(self, connection: Any, on_reply: OnReply) -> None:
        hiredis = require_hiredis()
        self._connection = connection
        self._on_reply = on_reply
        # An answer that is an error gets redis-py's class for it.
        self._reader = hiredis.Reader(
            replyError=connection._parser.parse_error, notEnoughData=_NOT_YET
        )
        self._protocol_error: type[Exception] = hiredis.HiredisError
        self._pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self.heard_at = 0.0
        self.lost: asyncio.Future[None] = loop.create_future()
        # Who does not look at it any more has closed this: no "exception was never retrieved" then.
        self.lost.add_done_callback(lambda lost: lost.cancelled() or lost.exception())
        self._transport: asyncio.Transport = connection._writer.transport
        self._before = self._transport.get_protocol()
        self._transport.set_protocol(self)

    def send(self, *commands: tuple[Any, ...]) -> None:
        """Write commands, in one piece: name and arguments, which are str, bytes, int or float."""
        if len(commands) == 1:
            self._transport.write(self._pack(commands[0]))
        else:
            self._transport.write(b"".join([self._pack(command) for command in commands]))

    def fail(self, reason: str) -> None:
        """Give the connection up: `lost` is done, and says why."""
        self._end(ConnectionError(reason))
        self._transport.abort()

    async def close(self) -> None:
        """Drop the connection; nothing is told of any more."""
        self._end(ConnectionError("closed"))
        await self._connection.disconnect(nowait=True)

    # --- what the event loop calls -----------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        reader.feed(data)
        self.heard_at = self._clock()
        while not self.lost.done():
            try:
                reply = reader.gets()
            except self._protocol_error as error:
                self.fail(f"not Redis' protocol: {error!r}")
                return
            if reply is _NOT_YET:
                return
            try:
                self._on_reply(reply)
            except Exception:
                logger.exception("a reply of Redis could not be worked on: %.200r", reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._before.connection_lost(error)
        self._end(ConnectionError(f"the connection has ended: {error!r}"))

    def _end(self, error: ConnectionError) -> None:
        if not self.lost.done():
            self.lost.set_exception(error)


async def open_wire(
    client: Any, on_reply: OnReply, prepare: Callable[[Any], Awaitable[None]] | None = None
) -> RedisWire:
    """A connection of its own for a redis.asyncio client. Raises what redis-py raises if there is none to be had.

    prepare(connection) is awaited before, with redis-py's connection.
    """
    connection = client.connection_pool.make_connection()
    try:
        await connection.connect()
        if prepare is not None:
            await prepare(connection)
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return RedisWire(connection, on_reply)


class RedisBatches:
    """Commands batch by batch, each of which waits for its replies. The connection is made when there is none."""

    def __init__(self, client: Any, timeout_s: float | None) -> None:
        """timeout_s: in which the replies must come, or else the connection is given up; None: no limit."""
        self._client = client
        self._timeout_s = timeout_s
        self._wire: RedisWire | None = None
        self._replies: list[Any] = []
        self._due = 0
        self._complete: asyncio.Future[None] | None = None

    async def ask(self, commands: list[tuple[Any, ...]], is_one: bool = False) -> list[Any]:
        """The replies, in the order of the commands; what Redis refuses has an Exception.

        is_one: they are done as a transaction, which nobody sees half done; if one is refused, none is done.
        Raises what open_wire() raises, and ConnectionError if the connection breaks or the time is up: whether the
        commands were done is not known then. Not to be called while another batch waits.
        """
        if self._wire is None or self._wire.lost.done():
            self._wire = await open_wire(self._client, self._replied)
        wire = self._wire
        loop = asyncio.get_running_loop()
        if is_one:
            commands = [("MULTI",), *commands, ("EXEC",)]
        self._replies, self._due = [], len(commands)
        self._complete = complete = loop.create_future()
        wire.lost.add_done_callback(self._broken)
        timer = None if self._timeout_s is None else loop.call_later(self._timeout_s, self._time_is_up)  # fmt: skip
        try:
            wire.send(*commands)
            await complete
        except BaseException:
            await self.close()
            raise
        finally:
            wire.lost.remove_done_callback(self._broken)
            if timer is not None:
                timer.cancel()
        return _of_transaction(self._replies) if is_one else self._replies

    async def close(self) -> None:
        """Let go of the connection."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    def _replied(self, reply: Any) -> None:
        self._replies.append(reply)
        if len(self._replies) == self._due and self._complete is not None:
            self._complete.set_result(None)

    def _broken(self, lost: "asyncio.Future[None]") -> None:
        if self._complete is not None and not self._complete.done():
            self._complete.set_exception(lost.exception() or ConnectionError("closed"))

    def _time_is_up(self) -> None:
        assert self._wire is not None
        self._wire.fail(f"no reply for {self._timeout_s} s")


def _of_transaction(replies: list[Any]) -> list[Any]:
    """What MULTI, commands and EXEC were answered: the replies of the commands."""
    _, *queued, executed = replies
    if isinstance(executed, list):
        return executed
    # EXEC says that there was an error, the command's own reply which.
    return [one if isinstance(one, Exception) else executed for one in queued]

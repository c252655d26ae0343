"""A server's connections to Redis: what is published goes out in order, what comes in is given away; both come back.

On redis-py (the extra `redis`), imported when a link is made. What is sent is in queue.py.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.queue import (
    FIRST_RETRY_S,
    LAST_RETRY_S,
    MAX_WAITING,
    MAX_WAITING_BYTES,
    Command,
    RedisQueue,
    said,
)
from fastsio.adapters.redis_connection.url import connect
from fastsio.adapters.redis_connection.wire import RedisWire, open_wire

logger = logging.getLogger("fastsio.adapters")

SILENCE_S = 10.0
# The probes of TCP's keepalive that must fail, and so many seconds are between them at the least.
PROBES = 3


def require_redis() -> Any:
    """The package redis. Raises ImportError if it is not installed."""
    try:
        import redis.asyncio
        import redis.exceptions
    except ImportError:
        raise ImportError(
            'the Redis adapters need redis-py: pip install "fastsio[redis]"'
        ) from None
    return redis


class RedisLink:
    """`is_up`: the subscription works. `queue`: what is sent. `client`: for questions.

    channels and patterns are what is subscribed; sharded: by SSUBSCRIBE (Redis 7). on_message(channel, data) is called
    with bytes, in the order in which they come; on_state(is_up) when the subscription comes or goes. own_channel: one
    of the channels that nobody else subscribes to: while it is set, Redis is asked whether it knows of that. url,
    service: see url.connect().

    options: redis-py's, and these. silence_timeout: seconds in which Redis must answer; a connection on which it does
    not, or where TCP gets no acknowledgement, is given up (TCP_USER_TIMEOUT, keepalive, and redis-py's socket_timeout,
    where they are not given). max_waiting, max_waiting_bytes: what may wait for a connection; what is over that is
    lost. Raises ValueError for values that can't be, TypeError for options that there are not.
    """

    def __init__(
        self, url: str, on_message: Callable[[bytes, bytes], None], on_state: Callable[[bool], None],
        sharded: bool = False, options: dict[str, Any] | None = None, service: str = "",
    ) -> None:  # fmt: skip
        redis = require_redis()
        options = dict(options or {})
        self.silence_s = _positive("silence_timeout", options.pop("silence_timeout", SILENCE_S))
        most = _positive("max_waiting", options.pop("max_waiting", MAX_WAITING))
        most_bytes = _positive("max_waiting_bytes", options.pop("max_waiting_bytes", MAX_WAITING_BYTES))  # fmt: skip
        # The last is uvloop's, of a connection that TCP has given up: redis-py takes it for no error of the connection.
        self.errors = (redis.exceptions.RedisError, OSError, RuntimeError)
        given = _defaults(url, self.silence_s) | options
        self.client = connect(redis.asyncio, url, given, service)
        self.client.connection_pool.make_connection()  # raises TypeError for options that there are not
        passing = (redis.exceptions.ReadOnlyError, redis.exceptions.ClusterDownError)
        self.queue = RedisQueue(
            self.client,
            self.errors,
            passing,
            self.wait_for_up,
            int(most),
            int(most_bytes),
            self.silence_s,
        )
        self._refusal = redis.exceptions.ResponseError
        # What Redis calls the subscription's connection, and its number there.
        self._name = options.get("client_name") or f"fastsio-{secrets.token_hex(8)}"
        self._connection_id: int | None = None
        self.is_up = False
        self.channels: set[str] = set()
        self.patterns: set[str] = set()
        self.own_channel: str | None = None
        self.on_message = on_message
        # Called when Redis ends the subscription to a channel: in a cluster, as another node has it now.
        self.on_moved: Callable[[], None] | None = None
        self._on_state = on_state
        self._shard = "s" if sharded else ""
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._wire: RedisWire | None = None

    async def start(self) -> None:
        """Connect, and return when the subscription works; that is tried until it does."""
        self._tasks = [
            asyncio.create_task(self._keep_listening()),
            asyncio.create_task(self.queue.run()),
        ]
        await self._up.wait()

    async def stop(self) -> None:
        """Send what waits, if there is a connection, and close both."""
        if self.is_up:
            await self.queue.flush(1)
        tasks, self._tasks = self._tasks, []
        await end(tasks)
        await self.queue.abandon()
        await self.client.aclose()

    # --- out ---------------------------------------------------------------------------------

    def send(self, *command: Any) -> None:
        """Send a command behind those that were given before; its answer is not wanted. Never blocks."""
        self.queue.put(command)

    async def wait_for_up(self, seconds: float) -> None:
        """Wait until the subscription works; where it does already, the time."""
        if self.is_up:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._up.wait()

    # --- in ----------------------------------------------------------------------------------

    def subscribe(self, *channels: str) -> None:
        """Hear of these channels from now on, and again after each reconnect."""
        self._change(self.channels.update, channels, f"{self._shard}subscribe")

    def unsubscribe(self, *channels: str) -> None:
        """Hear of them no longer."""
        self._change(self.channels.difference_update, channels, f"{self._shard}unsubscribe")

    def psubscribe(self, *patterns: str) -> None:
        self._change(self.patterns.update, patterns, "psubscribe")

    def punsubscribe(self, *patterns: str) -> None:
        self._change(self.patterns.difference_update, patterns, "punsubscribe")

    def _change(self, note: Callable[[Any], Any], names: tuple[str, ...], command: str) -> None:
        note(names)
        # A connection that is being made subscribes to all of them.
        if self._wire is not None and not self._wire.lost.done() and names:
            self._wire.send(*self._commands(command, names))

    def _commands(self, command: str, names: Iterable[str]) -> list[Command]:
        """To subscribe to these, or no longer. In a Redis cluster the channels of one command must be of one slot."""
        return [(command, name) for name in names] if self._shard else [(command, *names)]

    async def _keep_listening(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not isinstance(error, self.errors):
                    logger.exception("Redis: listening has failed")
                delay_s = FIRST_RETRY_S if self.is_up else min(2 * delay_s, LAST_RETRY_S)
                self._set_up(False)
                logger.warning("Redis: no subscription, again in %.1f s: %s", delay_s, said(error))
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))

    async def _listen(self) -> None:
        """Subscribe to everything and give away what comes, until the connection breaks."""
        wire = await open_wire(self.client, self._heard, self._end_predecessor)
        # Connections that nobody uses now may have died unnoticed with the last: a question would be lost on them.
        await self.client.connection_pool.disconnect(inuse_connections=False)
        try:
            self._wire = wire
            wire.send(*self._subscriptions())
            await self._watch(wire)
        finally:
            self._wire = None
            await wire.close()

    async def _end_predecessor(self, connection: Any) -> None:
        """Let Redis close the connection that this one takes the place of, if it does not know that it has ended.

        Else it counts as a server that does not answer: for as long as TCP tries to reach it, five minutes if there is
        nothing to send. Redis 6.2; without the right to do this nothing happens.
        """
        try:
            if self._connection_id is not None:
                listed = await _asked(connection, "CLIENT", "LIST", "ID", self._connection_id)
                # Another Redis has other connections under these numbers.
                if f" name={self._name} ".encode() in _as_bytes(listed):
                    await _asked(connection, "CLIENT", "KILL", "ID", self._connection_id)
            await _asked(connection, "CLIENT", "SETNAME", self._name)
            self._connection_id = int(await _asked(connection, "CLIENT", "ID"))
        except self._refusal as error:
            self._connection_id = None
            logger.debug("Redis: connections can't be named: %s", said(error))

    def _subscriptions(self) -> list[Command]:
        """What a new connection has to say."""
        commands: list[Command] = []
        if self.patterns:
            commands.append(("psubscribe", *self.patterns))
        if self.channels:
            commands += self._commands(f"{self._shard}subscribe", self.channels)
        return [*commands, ("ping",)]

    async def _watch(self, wire: RedisWire) -> None:
        """Ask when nothing has come for half of silence_s. Raises when nothing comes upon that, or it has ended."""
        clock = asyncio.get_running_loop().time
        asked_at = clock()  # the subscriptions end with a ping
        while True:
            left_s = max(asked_at, wire.heard_at) + self.silence_s / 2 - clock()
            if left_s > 0:
                await asyncio.wait([wire.lost], timeout=left_s)
            elif asked_at > wire.heard_at:
                raise ConnectionError("the subscription does not answer")
            else:
                asked_at = clock()
                wire.send(("ping",))
            if wire.lost.done():
                wire.lost.result()

    def _heard(self, reply: Any) -> None:
        """Called for each message, and for what Redis answers to commands."""
        kind = reply[0] if isinstance(reply, list) else reply
        if kind == b"pmessage":
            self._give(reply[2], reply[3])
        elif kind == b"message" or kind == b"smessage":
            self._give(reply[1], reply[2])
        elif kind == b"sunsubscribe":
            if self.on_moved is not None and reply[1].decode() in self.channels:
                self.on_moved()
        elif isinstance(kind, Exception):
            assert self._wire is not None
            self._wire.fail(f"Redis refuses the subscription: {kind!r}")
        elif kind == b"pong" or kind == b"PONG":  # as RESP2 has it, and RESP3
            # Answers come in the order of the commands: the first ping's is behind the subscriptions'.
            if self.is_up:
                self._start(self._ask_of_own())
            self._set_up(True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks:
            self._tasks.remove(task)

    def _give(self, channel: bytes, data: bytes) -> None:
        """Whatever goes wrong with a message, the next is one of its own."""
        try:
            self.on_message(channel, data)
        except Exception:
            logger.exception("a message on %r could not be taken: %d bytes", channel, len(data))

    async def subscribers(self, channel: str) -> int:
        """How many connections are subscribed to a channel, by its name. Raises what Redis raises."""
        ask = self.client.pubsub_shardnumsub if self._shard else self.client.pubsub_numsub
        [(_, count)] = await ask(channel)
        return int(count)

    async def _ask_of_own(self) -> None:
        """A connection may live and have lost what it was subscribed to, behind a proxy that has changed Redis."""
        wire = self._wire
        if self.own_channel is None or wire is None:
            return
        try:
            is_known = await self.subscribers(self.own_channel) > 0
        except self.errors as error:
            wire.fail(f"Redis was asked for the subscription: {error!r}")
        else:
            if not is_known:
                wire.fail("Redis does not know of the subscription")

    def _set_up(self, is_up: bool) -> None:
        if is_up == self.is_up:
            return
        self.is_up = is_up
        if is_up:
            self._up.set()
        else:
            self._up.clear()
        self._on_state(is_up)


def _positive(name: str, value: Any) -> float:
    """A number over 0. Raises ValueError for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):
        raise ValueError(f"{name}={value!r}: a number over 0")
    return float(value)


async def _asked(connection: Any, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


def _as_bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _defaults(url: str, silence_s: float) -> dict[str, Any]:
    """redis-py's options, where the application does not give them.

    Without retries: redis-py would send what may have been done already, and a subscription would come back without
    anybody being told of what it has missed.
    """
    found: dict[str, Any] = {
        "socket_timeout": silence_s,
        "socket_connect_timeout": min(silence_s, 5.0),
    }
    if not url.startswith("unix:"):
        found |= {"socket_keepalive": True, "socket_keepalive_options": _tcp_options(silence_s)}
    return found


def _tcp_options(silence_s: float) -> dict[int, int]:
    """What makes TCP give up a peer that acknowledges nothing, as far as the system has it."""
    probe_s = max(1, round(silence_s / (PROBES + 1)))
    wanted = {
        "TCP_KEEPIDLE": probe_s,
        "TCP_KEEPINTVL": probe_s,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": round(silence_s * 1000),
    }
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}

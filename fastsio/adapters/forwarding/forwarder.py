"""Requests of polling clients that reach the wrong server go to the one that has the session, by Redis, and its answers
come back: with that a load balancer may give any request to any server.

A session's id ends with its server's name, ".XXXXXXXX". Each server listens to a channel of its own, for requests and
for the answers to those that it has passed on. What it can't pass on gets the answer that an unknown session gets: its
client connects anew. Nothing of a session is lost silently: where an answer does not come, the client is told so.

Messages are MessagePack arrays, whose first is a Word. Only fastsio's servers take part; those of Node know nothing
of it. It knows nothing of Socket.IO, and of the engine only handle(), refuse() and its sessions.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import msgspec

from fastsio._http import Request
from fastsio._ids import new_id
from fastsio.adapters.forwarding.relay import End, can_relay, relay
from fastsio.adapters.forwarding.settings import Forwarding, address_in
from fastsio.adapters.protocol.wire import unpack
from fastsio.adapters.redis_connection.calls import RedisCalls
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

NAME_LENGTH = 8
MARK = "."
# Servers that have requests of each other ask so often whether the other lives; one that is silent so long is dead.
ASK_S = 2.0
SILENT_S = 6.0
GOODBYE_S = 1.0

Headers = list[tuple[str, str]]
Answer = Callable[[int, Headers, bytes], None]


class Word(IntEnum):
    """What a message is; what follows is in brackets."""

    REQUEST = 1  # [name of who asks, number, method, target, headers, body, is too large, remote, is secure]
    ANSWER = 2  # [name of who answers, number, status, headers, body]
    GONE = 3  # [name of who has asked, number]: its client has gone
    CUT = 4  # [name, number]: end its client's connection
    RELEASE = 5  # [name of who has asked, number]: it ends; answer what you hold
    ASK = 6  # [name of who asks]
    HERE = 7  # [name, "host:port" or "" if that is not told]


class Passed:
    """A request that another server has: who waits for its answer here."""

    __slots__ = ("exchange", "owner", "request", "timer")

    def __init__(
        self, owner: str, request: Request, exchange: Any, timer: asyncio.TimerHandle
    ) -> None:
        self.owner = owner
        self.request = request
        self.exchange = exchange
        self.timer = timer


class RemoteExchange:
    """A request of another server's connection that waits for its answer here; see engine.ports.Exchange."""

    __slots__ = (
        "_forwarder", "is_secure", "name", "number", "on_abort", "receiver", "remote", "session", "sid",
    )  # fmt: skip

    def __init__(
        self, forwarder: "Forwarder", name: str, number: int, sid: str, remote: str, is_secure: bool
    ) -> None:  # fmt: skip
        self._forwarder = forwarder
        self.name = name
        self.number = number
        self.sid = sid
        self.remote = remote
        self.is_secure = is_secure
        self.on_abort: Callable[[], None] | None = None
        self.session: Any = None
        self.receiver: Any = None

    def respond(
        self, status: int, headers: Headers, body: bytes, *, keep_alive: bool = True, is_head: bool = False
    ) -> None:  # fmt: skip
        """Answer; whether the client's connection stays is the other server's affair."""
        self.on_abort = None
        self._forwarder.answer(self, status, headers, body)

    def accept_websocket(self, request: Request, headers: Headers, receiver: Any) -> bool:
        """Never: such requests are not passed on."""
        self.respond(400, [], b"not a WebSocket")
        return False

    def abort(self) -> None:
        self.on_abort = None
        self._forwarder.cut(self)


class Forwarder:
    """One server's part: `name` is its own, `held` are others' requests, by (name, number)."""

    def __init__(
        self, settings: Forwarding, url: str, prefix: str, options: dict[str, Any]
    ) -> None:  # fmt: skip
        self.name = new_id()[:NAME_LENGTH]
        self.held: dict[tuple[str, int], RemoteExchange] = {}
        self._settings = settings
        self._prefix = prefix
        self._link = RedisLink(url, self._arrived, self._state_changed, options=options)
        self._calls = RedisCalls(self._link)
        self._rare = RareLog(logger)
        self._engine: Any = None
        self._timeout_s = 0.0
        self._passed: dict[int, Passed] = {}
        self._numbers = 0
        # A request was answered.
        self._news = asyncio.Event()
        # When each server was heard last that has requests of ours, or of which there are some here.
        self._heard: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: asyncio.TimerHandle | None = None
        # Where other servers are reached, None: nowhere; and who waits to hear it.
        self._addresses: dict[str, tuple[str, int] | None] = {}
        self._wanted: dict[str, asyncio.Future[None]] = {}
        # Connections that are joined with other servers' by now, or soon.
        self._relays: set[asyncio.Task[None]] = set()
        self._ends: set[End] = set()
        self._take: dict[int, Callable[..., None]] = {
            Word.REQUEST: self._asked,
            Word.ANSWER: self._answered,
            Word.GONE: self._gone,
            Word.CUT: self._cut,
            Word.RELEASE: self._release,
            Word.ASK: self._tell,
            Word.HERE: self._is_here,
        }
        self._link.subscribe(self._channel(self.name))

    def _channel(self, name: str) -> str:
        return f"{self._prefix}-forward#{name}#"

    @property
    def passed(self) -> int:
        """How many requests other servers have of here."""
        return len(self._passed)

    # --- being served ------------------------------------------------------------------------

    def serve(self, engine: Any) -> None:
        """This engine has the sessions now, and none yet."""
        self._engine = engine
        options = engine.options
        self._timeout_s = self._settings.timeout or options.ping_interval + options.ping_timeout
        engine.mark_ids(MARK + self.name)
        engine.elsewhere = self.takes
        if not self._tasks:
            self._tasks = [asyncio.get_running_loop().create_task(self._link.start())]

    def leave(self) -> None:
        """The engine ends: what others hold for the clients here is to be answered."""
        if self._engine is not None:
            self._engine.elsewhere = None
        for number, passed in self._passed.items():
            self._publish(passed.owner, Word.RELEASE, self.name, number)

    async def stop(self) -> None:
        """The server has ended."""
        # What leave() has asked for comes by the subscription.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S if self._link.is_up else 0):
                while self._passed:
                    self._news.clear()
                    await self._news.wait()
        for number in list(self._passed):
            self._fail(number)
        await self._calls.stop(GOODBYE_S)
        if self._asking is not None:
            self._asking.cancel()
        for end in list(self._ends):
            end.transport.abort()
        tasks = [*self._tasks, *self._relays]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks = []
        await self._link.stop()

    # --- requests of here --------------------------------------------------------------------

    def takes(self, request: Request, exchange: Any) -> bool:
        """Pass a request on whose session is not here; False if it is nobody's, or can't be passed on."""
        sid = request.argument("sid") or ""
        owner = sid.rpartition(MARK)[2]
        if len(owner) != NAME_LENGTH or len(owner) == len(sid):
            return False
        if owner == self.name or not self._link.is_up or request.method not in ("GET", "POST"):
            return False
        if request.is_upgrade and not (can_relay(exchange) and self._addresses.get(owner, True)):
            return False
        if len(self._passed) + len(self._relays) + len(self._ends) >= self._settings.max_requests:
            self._rare.note(
                "many", "a request of another server's session is refused: Forwarding(max_requests=%d)",
                self._settings.max_requests,
            )  # fmt: skip
            exchange.respond(503, self._engine.answer_headers(request), b"")
            return True
        if len(request.body) > self._settings.max_bytes:
            return False
        if request.is_upgrade:
            task = asyncio.get_running_loop().create_task(self._relay(owner, request, exchange))
            self._relays.add(task)
            task.add_done_callback(self._relays.discard)
            exchange.on_abort = task.cancel
        else:
            self._pass_on(owner, request, exchange)
        return True

    async def _relay(self, owner: str, request: Request, exchange: Any) -> None:
        """Join the connection of a client that wants a WebSocket with its session's server, if that can be reached."""
        address = None
        try:
            address = await self._address_of(owner)
            # That of this machine, where the session's worker has gone: the connection would come back for ever.
            if address is not None and address != address_in(self._settings.advertise or ""):
                end = await relay(exchange, request, *address)
                self._ends.add(end)
                end.on_end = lambda: self._ends.discard(end)
                return
        except (TimeoutError, OSError) as error:
            self._rare.note("relay", "server %s can't be reached at %s: %r", owner, address, error)
        exchange.on_abort = None
        self._engine.refuse_unknown(request, exchange)

    async def _address_of(self, name: str) -> tuple[str, int] | None:
        if name not in self._addresses:
            wanted = self._wanted.get(name)
            if wanted is None:
                wanted = self._wanted[name] = asyncio.get_running_loop().create_future()
                self._publish(name, Word.ASK, self.name)
            async with asyncio.timeout(ASK_S):
                await asyncio.shield(wanted)
        return self._addresses.get(name)

    def _pass_on(self, owner: str, request: Request, exchange: Any) -> None:
        self._numbers += 1
        number = self._numbers
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._timeout_s, self._fail, number)
        self._passed[number] = Passed(owner, request, exchange, timer)
        exchange.on_abort = lambda: self._client_has_gone(number)
        self._watch(owner)
        self._publish(
            owner, Word.REQUEST, self.name, number, request.method, request.target, request.raw_headers,
            request.body, request.is_too_large, exchange.remote, exchange.is_secure,
        )  # fmt: skip

    def _client_has_gone(self, number: int) -> None:
        passed = self._forget(number)
        if passed is not None:
            self._publish(passed.owner, Word.GONE, self.name, number)

    def _forget(self, number: int) -> Passed | None:
        passed = self._passed.pop(number, None)
        if passed is not None:
            passed.timer.cancel()
            passed.exchange.on_abort = None
            self._news.set()
        return passed

    def _fail(self, number: int) -> None:
        """There will be no answer: the client is told that its session is not known, and connects anew."""
        passed = self._forget(number)
        if passed is not None:
            self._engine.refuse_unknown(passed.request, passed.exchange)

    # --- who lives ---------------------------------------------------------------------------

    def _watch(self, name: str) -> None:
        """There is a request between this server and that one: ask from now on whether it lives."""
        loop = asyncio.get_running_loop()
        self._heard.setdefault(name, loop.time())
        if self._asking is None:
            self._asking = loop.call_later(ASK_S, self._ask)

    def _ask(self) -> None:
        self._asking = None
        loop = asyncio.get_running_loop()
        concerned = {one.owner for one in self._passed.values()} | {name for name, _ in self.held}
        self._heard = {name: at for name, at in self._heard.items() if name in concerned}
        for name, at in list(self._heard.items()):
            if loop.time() - at > SILENT_S:
                self._has_gone(name)
            else:
                self._publish(name, Word.ASK, self.name)
        if concerned:
            self._asking = loop.call_later(ASK_S, self._ask)

    def _has_gone(self, name: str) -> None:
        """Another server has ended, or is out of reach: so have the requests that it has, and those that it brought."""
        self._heard.pop(name, None)
        self._addresses.pop(name, None)
        self._told_where(name)
        passed = [number for number, one in self._passed.items() if one.owner == name]
        held = [number for who, number in self.held if who == name]
        if passed or held:
            logger.warning(
                "server %s has gone, with %d requests from here and %d to here", name, len(passed), len(held)
            )  # fmt: skip
        for number in passed:
            self._fail(number)
        for number in held:
            self._gone(name, number)

    # --- requests of others ------------------------------------------------------------------

    def _asked(
        self, name: str, number: int, method: str, target: bytes, headers: list[Any], body: bytes,
        is_too_large: bool, remote: str, is_secure: bool,
    ) -> None:  # fmt: skip
        pairs = [(bytes(key), bytes(value)) for key, value in headers]
        request = Request(
            method, bytes(target), pairs, bytes(body), is_too_large=bool(is_too_large)
        )
        sid = request.argument("sid") or ""
        exchange = RemoteExchange(self, str(name), int(number), sid, str(remote), bool(is_secure))
        if self._engine is None or sid not in self._engine.sessions:
            # Whatever it is, it is not passed on once more.
            self._publish(exchange.name, Word.ANSWER, self.name, exchange.number, 0, [], b"")
            return
        self.held[exchange.name, exchange.number] = exchange
        self._watch(exchange.name)
        try:
            self._engine.handle(request, exchange)
        except Exception:  # what an application has hung in may raise anything
            logger.exception("a request that another server has passed on failed")
            self.answer(exchange, 500, [], b"")

    def answer(
        self, exchange: RemoteExchange, status: int, headers: Headers, body: bytes
    ) -> None:  # fmt: skip
        """Of a request that is held here."""
        if self.held.pop((exchange.name, exchange.number), None) is None:
            return
        if len(body) > self._settings.max_bytes:
            size = len(body)
            self._end_session(exchange, f"an answer of {size} bytes (Forwarding.max_bytes)")
            status, headers, body = 0, [], b""
        sent = self._calls.do(
            "PUBLISH", self._channel(exchange.name),
            msgspec.msgpack.encode([Word.ANSWER, self.name, exchange.number, status, headers, body]),
        )  # fmt: skip
        sent.add_done_callback(lambda sent: self._was_sent(sent, exchange))

    def _was_sent(self, sent: "asyncio.Future[Any]", exchange: RemoteExchange) -> None:
        """What the answer had in it is lost if nobody has got it."""
        if sent.cancelled() or sent.exception() is not None or not sent.result():
            self._end_session(exchange, "an answer has not reached the server that asked for it")

    def _end_session(self, exchange: RemoteExchange, why: str) -> None:
        session = None if self._engine is None else self._engine.sessions.get(exchange.sid)
        if session is not None:
            self._rare.note(
                "lost", "a session that another server's requests reach has ended: %s", why
            )
            session.abort("transport error", why)

    def cut(self, exchange: RemoteExchange) -> None:
        """End the connection of a client that breaks the rules."""
        if self.held.pop((exchange.name, exchange.number), None) is not None:
            self._publish(exchange.name, Word.CUT, self.name, exchange.number)

    # --- messages ----------------------------------------------------------------------------

    def _publish(self, name: str, *message: Any) -> None:
        """Send something to another server, and know that it has gone if nobody listens there."""
        sent = self._calls.do("PUBLISH", self._channel(name), msgspec.msgpack.encode(message))

        def done(sent: "asyncio.Future[Any]") -> None:
            if sent.cancelled() or sent.exception() is not None:
                if message[0] == Word.REQUEST:
                    self._fail(message[2])
            elif not sent.result():
                self._has_gone(name)

        sent.add_done_callback(done)

    def _arrived(self, channel: bytes, data: bytes) -> None:
        """Whatever it is, the subscription goes on."""
        try:
            word, *rest = unpack(data)
            self._take[word](*rest)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            logger.warning("no message of a server, on %r: %.200r", channel, data, exc_info=True)

    def _answered(self, name: str, number: int, status: int, headers: list[Any], body: bytes) -> None:  # fmt: skip
        self._has_told(name)
        if not status:
            self._fail(number)
            return
        passed = self._forget(number)
        if passed is not None:
            pairs = [(str(key), str(value)) for key, value in headers]
            passed.exchange.respond(int(status), pairs, bytes(body))

    def _gone(self, name: str, number: int) -> None:
        exchange = self.held.pop((name, number), None)
        if exchange is not None and exchange.on_abort is not None:
            on_abort, exchange.on_abort = exchange.on_abort, None
            on_abort()

    def _cut(self, name: str, number: int) -> None:
        self._has_told(name)
        passed = self._forget(number)
        if passed is not None:
            passed.exchange.abort()

    def _release(self, name: str, number: int) -> None:
        exchange = self.held.get((name, number))
        session = None if exchange is None else self._engine.sessions.get(exchange.sid)
        if session is not None and session.polling is not None and session.probe is None:
            session.polling.release()
            session.polling.is_releasing = False

    def _tell(self, name: str) -> None:
        self._has_told(name)
        self._publish(name, Word.HERE, self.name, self._settings.advertise or "")

    def _is_here(self, name: str, address: str) -> None:
        self._has_told(name)
        if name in self._wanted or name in self._heard:
            self._addresses[name] = address_in(address)
        self._told_where(name)

    def _told_where(self, name: str) -> None:
        wanted = self._wanted.pop(name, None)
        if wanted is not None and not wanted.done():
            wanted.set_result(None)

    def _has_told(self, name: str) -> None:
        if name in self._heard:
            self._heard[name] = asyncio.get_running_loop().time()

    def _state_changed(self, is_up: bool) -> None:
        """Without the subscription no answer comes: those that were on their way may be lost."""
        if not is_up:
            for number in list(self._passed):
                self._fail(number)
            for exchange in list(self.held.values()):
                self._gone(exchange.name, exchange.number)

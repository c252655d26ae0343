"""Engine.IO of a client: opening, upgrade, heartbeat, and the end of a connection. Knows nothing of Socket.IO.

`AsyncClient.eio` is one of these, with the attributes that applications read of python-engineio's.
Source: engine.io-protocol v4, "Heartbeat" and "Upgrade".
"""

import asyncio
import json as stdlib_json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fastsio._client import PacketReader
from fastsio._encoded import Encoded, encode_engine_packet
from fastsio.client import signals
from fastsio.client.dial import Dialer, Handshake
from fastsio.client.errors import OpenError
from fastsio.client.http import Http
from fastsio.client.logs import make_logger
from fastsio.client.polling import Polling
from fastsio.client.transport import CLOSE_TIMEOUT_S
from fastsio.client.urls import ServerUrl
from fastsio.client.wheels import LoopWheel, wheel_for

TRANSPORTS = ("polling", "websocket")
# What may wait to be written before emit() waits too: a server that is slow to read must not fill our memory.
HIGH_WATER_BYTES = 262_144
# A server's message may be as large as it likes.
MAX_MESSAGE_BYTES = 1 << 40
CLOSE = encode_engine_packet(b"1")
PONG = encode_engine_packet(b"3")
UPGRADE = encode_engine_packet(b"5")


class Reason:
    """Why a connection ended, as `disconnect` handlers are told."""

    CLIENT_DISCONNECT = "client disconnect"
    SERVER_DISCONNECT = "server disconnect"
    TRANSPORT_ERROR = "transport error"


class MessageHandler(Protocol):
    """Socket.IO's side of a client, as the engine sees it."""

    async def engine_opened(self) -> None: ...

    async def engine_closed(self, reason: str, was_lost: bool) -> None: ...

    def receive_packet(self, kind: int, namespace: str, id: int | None, data: Any) -> None: ...

    def receive_message(self, data: str | bytes) -> None: ...


class EngineClient:
    """One connection to an Engine.IO server after the other: connect(), send(), disconnect(), connect() again.

    `state` is "disconnected", "connecting", "connected" or "disconnecting". Belongs to one event loop at a time.
    """

    reason = Reason

    def __init__(
        self, handler: MessageHandler, logger: Any = False, json: Any = None, request_timeout: float | None = 5,
        http_session: Any = None, ssl_verify: bool = True, handle_sigint: bool = True,
        websocket_extra_options: dict[str, Any] | None = None, timestamp_requests: bool = True,
        is_raw: bool = False,
    ) -> None:  # fmt: skip
        self.handler = handler
        self.logger: logging.Logger = make_logger(logger, "fastsio.client.engine")
        self.handle_sigint = handle_sigint
        self.state = "disconnected"
        self.sid: str | None = None
        self.base_url: str | None = None
        self.transports: list[str] = []
        self.upgrades: list[str] = []
        self.ping_interval: float | None = None
        self.ping_timeout: float | None = None
        self.wheel_slot: Any = None
        self.is_heard = False
        self.queued_bytes = 0
        self._json = json
        self._is_raw = is_raw
        self._http = Http(http_session, ssl_verify)
        self._dialer = Dialer(
            self._http, request_timeout, dict(websocket_extra_options or {}), timestamp_requests
        )
        self._loop: Any = None
        self._transport: Any = None
        self._queue: list[Encoded | bytes] = []
        self._is_flush_due = False
        self._flushed: asyncio.Event | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closed: asyncio.Event | None = None
        self._shared_wheel: LoopWheel | None = None
        self._patience_s = 0.0
        self._alive_at = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- what applications read --------------------------------------------------------------

    @property
    def http(self) -> Any:
        """The aiohttp session in use, None if there is none."""
        return self._http.session

    @http.setter
    def http(self, session: Any) -> None:
        """A session to use from the next connection on; it is the application's to close."""
        self._http.use(session)

    @property
    def current_transport(self) -> str | None:
        return None if self._transport is None else self._transport.name

    def transport(self) -> str | None:
        """What carries the connection now: "polling" or "websocket"; None if there is none."""
        return self.current_transport

    # --- opening -----------------------------------------------------------------------------

    async def connect(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        transports: list[str] | str | None = None,
        engineio_path: str = "engine.io",
    ) -> None:
        """Open a connection and, if both sides can, take it from polling to WebSocket.

        Raises OpenError if it can't be had, ValueError for a client that is not disconnected, for transports of
        which none exists, and for what is no URL.
        """
        if self.state != "disconnected":
            raise ValueError("Client is not in a disconnected state")
        self.transports = _check_transports(transports)
        server = ServerUrl.parse(url, engineio_path)
        self._loop = asyncio.get_running_loop()
        if self.handle_sigint:
            signals.watch_loop(self._loop)
        self.state = "connecting"
        # A task of its own, which disconnect() may end.
        opening = self._opening = self._loop.create_task(self._open(server, dict(headers or {})))
        try:
            await opening
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise OpenError("Disconnected while connecting") from None
        finally:
            self._opening = None
            if self.state == "connecting":  # it was ended before its first step
                self.state = "disconnected"

    async def _open(self, server: ServerUrl, headers: dict[str, str]) -> None:
        try:
            if self.transports[0] == "polling":
                await self._open_polling(server, headers)
            else:
                self.base_url = server.of("websocket")
                self.logger.info("Attempting WebSocket connection to %s", self.base_url)
                transport, handshake = await self._dialer.websocket(self, server, headers)
                await self._enter(transport, handshake)
        except BaseException:
            await self._give_up()
            raise

    async def _open_polling(self, server: ServerUrl, headers: dict[str, str]) -> None:
        self.base_url = server.of("polling")
        self.logger.info("Attempting polling connection to %s", self.base_url)
        polling, handshake, packets = await self._dialer.polling(self, server, headers)
        await self._enter(polling, handshake)
        if "websocket" in handshake.upgrades and "websocket" in self.transports:
            # What came with the open packet is older than whatever comes over the WebSocket.
            polling.take(packets)
            packets = []
            if await self._upgrade(polling, server, headers):
                return
        if self._transport is polling:
            polling.start(packets)
            self._schedule_flush()

    async def _enter(self, transport: Any, handshake: Handshake) -> None:
        """The handshake is done: let Socket.IO say what it has to say."""
        self.logger.info("Connection accepted with %s", handshake)
        self._transport = transport
        self.sid, self.upgrades = handshake.sid, handshake.upgrades
        self.ping_interval = handshake.ping_interval_s
        self.ping_timeout = handshake.ping_timeout_s
        self._patience_s = self.ping_interval + self.ping_timeout
        self._alive_at = self._loop.time()
        self._closed = asyncio.Event()
        self.state = "connected"
        signals.connected_clients.add(self.handler)
        self._shared_wheel = wheel_for(self._loop, self._patience_s)
        self._shared_wheel.wheel.add(self, self._patience_s)
        try:
            await self.handler.engine_opened()
        except Exception as error:
            self.logger.exception("connect handler error")
            raise OpenError(f"Connect handler failed: {error}") from error

    async def _upgrade(self, polling: Polling, server: ServerUrl, headers: dict[str, str]) -> bool:
        """Take the session to WebSocket; False, with polling as it was, if that fails."""
        self.logger.info("Attempting WebSocket upgrade to %s", server.of("websocket"))
        assert self.sid is not None
        try:
            transport = await self._dialer.upgrade(self, server, headers, self.sid)
        except (OpenError, OSError) as error:
            self.logger.warning("WebSocket upgrade failed: %r", error)
            return False
        self._transport = transport
        polling.abort()
        self._queue.insert(0, UPGRADE)
        self._flush()
        if not self._http.is_custom:
            await self._http.close()
        self.logger.info("WebSocket upgrade was successful")
        return True

    # --- receiving: what transports call ---------------------------------------------------------

    def make_reader(self, transport: Any) -> PacketReader:
        return PacketReader(
            self.handler.receive_packet,
            self.handler.receive_message,
            transport.receive_engine,
            transport.receive_control,
            MAX_MESSAGE_BYTES,
            self._json,
            self._is_raw,
        )

    def receive_engine(self, transport: Any, kind: str, data: bytes) -> None:
        if transport is not self._transport:
            return
        if kind == "2":
            self._alive_at = self._loop.time()
            self.send_packet(encode_engine_packet(b"3" + data) if data else PONG)
        elif kind == "1":
            # As for Node's client, a reason to come back: who is put out for good was told so by Socket.IO before.
            self._lose("closed by the server", Reason.SERVER_DISCONNECT)
            self._start(transport.close())
        elif kind != "6":
            self.logger.error("Received unexpected packet of type %s", kind)

    def transport_ready(self, transport: Any) -> None:
        if transport is self._transport:
            self._flush()

    def transport_lost(self, transport: Any, why: str) -> None:
        if transport is self._transport:
            self._lose(why, Reason.TRANSPORT_ERROR)

    def _lose(self, why: str, reason: str) -> None:
        if self.state != "connected":
            return
        self.logger.info("%s", why)
        closed = self._leave()
        self.state = "disconnected"
        self._start(self._after_loss(reason, closed))

    def on_due(self) -> float:
        """The wheel's call: seconds until the next one, 0 if the server is silent for too long."""
        left: float = self._alive_at + self._patience_s - self._loop.time()
        was_heard, self.is_heard = self.is_heard, False
        if left > 0:
            return left
        if was_heard:
            # No ping, but something came: a long message is in its way.
            return self.ping_timeout or 1.0
        transport = self._transport
        if transport is not None:
            transport.abort()
            self.transport_lost(transport, "Server has stopped communicating, aborting")
        return 0

    # --- sending -----------------------------------------------------------------------------

    async def send(self, data: Any) -> None:
        """Send one message: str, bytes, or what JSON can hold. Dropped if there is no connection."""
        if isinstance(data, bytes | bytearray):
            self.send_packet(bytes(data))
        else:
            text = data if isinstance(data, str) else stdlib_json.dumps(data, separators=(",", ":"))
            self.send_packet(encode_engine_packet(b"4" + text.encode()))

    def send_packet(self, packet: Encoded | bytes) -> None:
        """Queue a packet; what is queued in a loop turn is one write. Dropped if there is no connection."""
        if self.state != "connected":
            return
        self._queue.append(packet)
        self.queued_bytes += packet.size if isinstance(packet, Encoded) else len(packet)
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        transport = self._transport
        if not self._queue or transport is None or not transport.is_writable:
            return
        queue, self._queue = self._queue, []
        self.queued_bytes = 0
        if self._flushed is not None:
            self._flushed.set()
        transport.send(queue)

    async def flushed(self) -> None:
        """Wait until little is queued, or the connection has gone."""
        while self.queued_bytes > HIGH_WATER_BYTES and self.state == "connected":
            await self._flushed_event().wait()

    def _flushed_event(self) -> asyncio.Event:
        """Set when the queue is next handed to the transport, or thrown away."""
        if self._flushed is None:
            self._flushed = asyncio.Event()
        self._flushed.clear()
        return self._flushed

    # --- closing -----------------------------------------------------------------------------

    async def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """End the connection, or the attempt to make one. `abort`: without waiting for the server's goodbye."""
        if self._opening is not None:
            opening = self._opening
            opening.cancel()
            if opening is not asyncio.current_task():
                await asyncio.wait([opening])
            return
        if self.state != "connected":
            return
        self._queue.append(CLOSE)
        self.state = "disconnecting"
        transport = self._transport
        self._flush()
        try:
            if self._queue:
                await self._wait_until_sent()
        finally:
            await self._part(transport, abort, reason or Reason.CLIENT_DISCONNECT)

    async def _part(self, transport: Any, abort: bool, reason: str) -> None:
        """Let the handlers know while the server says goodbye; the client is free again when both are done."""
        closed = self._leave()
        closing = self._start(self._say_goodbye(transport, abort))
        try:
            await self.handler.engine_closed(reason, False)
            await asyncio.wait([closing])
        finally:
            self.state = "disconnected"
            closed.set()

    async def _wait_until_sent(self) -> None:
        """Until a POST that was under way is over, or the server reads again."""
        flushed = self._flushed_event()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await flushed.wait()
        except TimeoutError:
            self.logger.warning("%d packets could not be sent", len(self._queue))

    async def _say_goodbye(self, transport: Any, abort: bool) -> None:
        if abort:
            transport.abort()
        else:
            await transport.close()
        await self._http.close()

    async def _give_up(self) -> None:
        """What an attempt to connect has left."""
        transport = self._transport
        if self.state == "connected":
            self._leave().set()
            self.state = "connecting"
        try:
            if isinstance(transport, Polling):
                # The server would keep the session until its ping is not answered.
                await transport.give_up()
            elif transport is not None:
                transport.abort()
            await self._http.close()
        finally:
            self.state = "disconnected"

    def _leave(self) -> asyncio.Event:
        """Forget the connection; returns the event that wait() waits for."""
        closed = self._closed
        assert closed is not None
        if self._shared_wheel is not None:
            self._shared_wheel.wheel.remove(self)
            self._shared_wheel = None
        signals.connected_clients.discard(self.handler)
        self._transport = None
        self.sid = None
        self._queue.clear()
        self.queued_bytes = 0
        if self._flushed is not None:
            self._flushed.set()
        return closed

    async def _after_loss(self, reason: str, closed: asyncio.Event) -> None:
        try:
            await self._http.close()
            await self.handler.engine_closed(reason, True)
        finally:
            closed.set()

    async def wait(self) -> None:
        """Wait until the connection has ended and the handlers know it."""
        if self._closed is not None:
            await self._closed.wait()

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether the connection belongs to `loop`."""
        return self._loop is loop

    # --- tasks -------------------------------------------------------------------------------

    def _start(self, coroutine: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a task, which is kept until it ends."""
        task = asyncio.get_running_loop().create_task(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, seconds: float = 0) -> None:
        await asyncio.sleep(seconds)

    def create_event(self) -> asyncio.Event:
        return asyncio.Event()


def _check_transports(transports: list[str] | str | None) -> list[str]:
    """Those that exist, in their order; both if none are given."""
    if transports is None:
        return list(TRANSPORTS)
    given = [transports] if isinstance(transports, str) else transports
    known = [transport for transport in given if transport in TRANSPORTS]
    if not known:
        raise ValueError(f"No valid transports provided: {transports!r}")
    return known

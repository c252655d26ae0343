"""TestClient: one connection to an application in memory, and the namespaces that it has joined.

It answers the server's pings by itself. Source: socket.io-protocol v5; reasons as the official client gives them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self

import orjson

from fastsio._client import PacketReader
from fastsio._codec import NO_DATA, Parser, encode_packet
from fastsio._frames import ProtocolError
from fastsio.exceptions import ConnectionError
from fastsio.testing.errors import ConnectionRefused
from fastsio.testing.link import Link
from fastsio.testing.running import DEFAULT_TIMEOUT_S, Running
from fastsio.testing.settle import describe
from fastsio.testing.socket import TestSocket
from fastsio.testing.wire import CLOSE, PONG, PollingWire, Target, WebSocketWire

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
MAX_MESSAGE_BYTES = 1 << 30
PORT = 50000


class TestClient(TestSocket):
    """A client of `app` that joins `namespace`: `async with TestClient(app) as client`, or connect() and close().

    `app` is an AsyncServer, an IO, an ASGIApp or an ASGI application that carries one. auth: what a client's `auth`
    is, a dict. headers, query: of the handshake's request. transport: "websocket" or "polling". address: where it
    comes from. timeout: seconds, what it waits at most for anything. Several clients of one application share
    its server. A client can connect once.
    """

    def __init__(
        self, app: Any, namespace: str = "/", *, auth: Any = None, headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None, transport: str = "websocket", address: str = "127.0.0.1",
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> None:  # fmt: skip
        if transport not in ("websocket", "polling"):
            raise ValueError(f"transport={transport!r}: websocket or polling")
        super().__init__(self, namespace)
        self.app = app
        self.transport = transport
        self.eio_sid: str | None = None
        self.reader: Any = None
        self._auth = auth
        self._headers = dict(headers or {})
        self._query = dict(query or {})
        self._address = (address, PORT)
        self._timeout = timeout
        self._running: Running | None = None
        self._wire: WebSocketWire | PollingWire | None = None
        self._sockets: dict[str, TestSocket] = {}
        self._refusals: dict[str, ConnectionRefused] = {}
        self._failure: BaseException | None = None
        self._is_lost = False
        self._decoder: Any = None
        self._news = asyncio.Event()

    # --- connecting --------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:  # fmt: skip
        await close_after(self.close, error)

    async def connect(self) -> Self:
        """Connect, join the namespace, and settle. Raises ConnectionRefused; RuntimeError the second time."""
        if self._wire is not None:
            raise RuntimeError("a TestClient connects once: make another one")
        self._running = await Running.acquire(self.app)
        try:
            await self._open(self._running)
            await self._join(self, self._auth)
        except BaseException:
            await self.close()
            raise
        return self

    async def _open(self, running: Running) -> None:
        target = Target(running.path, self._query, self._headers)
        json = running.hub.json
        is_raw = isinstance(json, Parser)
        if isinstance(json, Parser):
            self._decoder = json.new_decoder()
        self.reader = PacketReader(
            self._take_packet, self._take_message, self._take_engine, self._take_control,
            MAX_MESSAGE_BYTES, None if is_raw else json, is_raw,
        )  # fmt: skip

        def link(on_bytes: Callable[[bytes], None]) -> Link:
            return Link(running.server, self._address, self._guarded(on_bytes), running.moved)

        kind = WebSocketWire if self.transport == "websocket" else PollingWire
        self._wire = kind(link, target, self)
        async with asyncio.timeout(self._timeout):
            await self._wire.open()
        await self.wait_for(lambda: self.eio_sid, self._timeout)

    def _guarded(self, call: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Bytes that break the protocol the test hears of at its next wait."""

        def guarded(data: bytes) -> None:
            if self._running is None:
                return
            try:
                call(data)
            except ProtocolError as error:
                self._failure = self._failure or error
            self._news.set()

        return guarded

    async def join_namespace(self, namespace: str, auth: Any = None) -> TestSocket:
        """Join another namespace on the same connection. Raises ConnectionRefused, ValueError if it is joined."""
        socket = TestSocket(self, namespace)
        joined = self._sockets.get(socket.namespace)
        if joined is not None and joined.is_connected:
            raise ValueError(f"{socket.namespace!r} is joined already")
        await self._join(socket, auth)
        return socket

    async def _join(self, socket: TestSocket, auth: Any) -> None:
        name = socket.namespace
        self._sockets[name] = socket
        self._refusals.pop(name, None)
        if isinstance(
            auth, Mapping
        ):  # the official client keeps what it has had in its former life
            socket.offset = auth.get("offset")
        self.put_packet(CONNECT, name, NO_DATA if auth is None else auth, None)
        await self.wait_for(
            lambda: socket.sid or name in self._refusals or self._is_lost, self._timeout
        )
        if name in self._refusals:
            del self._sockets[name]
            raise self._refusals[name]
        if socket.sid is None:
            why = "connection lost" if self._is_lost else f"no answer within {self._timeout:g} s"
            raise ConnectionError(f"{name!r} was not joined: {why}")
        await self.settle()

    # --- waiting -----------------------------------------------------------------------------

    @property
    def running(self) -> Running:
        if self._running is None:
            raise RuntimeError(
                "the client is not connected: `async with TestClient(app)`, or connect()"
            )
        return self._running

    def limit(self, timeout: float | None) -> float:
        """How many seconds to wait."""
        return self._timeout if timeout is None else timeout

    async def wait_for(self, condition: Callable[[], Any], timeout_s: float) -> None:
        """Until `condition()` is true, or the time is up. Raises what an on() function raised meanwhile."""
        ends_at = asyncio.get_running_loop().time() + timeout_s
        while not self._raise_failure() and not condition():
            self._news.clear()
            try:
                async with asyncio.timeout_at(ends_at):
                    await self._news.wait()
            except TimeoutError:
                return

    def _raise_failure(self) -> bool:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return False

    async def run_until_settled(self) -> None:
        if self._running is not None:
            await self._running.settle(self._timeout)
        self._raise_failure()

    # --- the end -----------------------------------------------------------------------------

    async def disconnect(self) -> None:
        """Leave all namespaces and close the connection. Returns when the disconnect handlers have ended.

        AssertionError if they have not within the client's timeout.
        """
        if not self._is_lost:
            await self.leave(self._sockets.values(), self._say_goodbye, "io client disconnect")

    def _say_goodbye(self) -> None:
        assert self._wire is not None
        for socket in self._sockets.values():
            if socket.is_connected:
                socket.put(DISCONNECT)
        self._wire.close()

    async def drop(self) -> None:
        """Lose the connection without a word, as a network does. Returns when the disconnect handlers have ended."""
        if self._wire is not None and not self._is_lost:
            await self.leave(self._sockets.values(), self._wire.lose, "transport close")

    async def leave(
        self, sockets: Collection[TestSocket], act: Callable[[], None], reason: str
    ) -> None:
        """Do `act`, by which `sockets` are disconnected, and wait for the handlers that begin then."""
        await self.settle()
        tasks = self.running.hub.tasks
        before = set(tasks)
        act()
        for socket in sockets:
            socket.end(reason)
        await self.settle()
        ends_at = asyncio.get_running_loop().time() + self._timeout
        # One that waits for its turn behind other handlers has no task of its own.
        while late := set(tasks) if any(map(self._is_leaving, sockets)) else tasks - before:
            left_s = ends_at - asyncio.get_running_loop().time()
            if left_s <= 0:
                names = ", ".join(map(describe, late))
                raise AssertionError(
                    f"not ended within {self._timeout:g} s of the disconnect: {names}"
                )
            await asyncio.wait(late, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        await self.settle()

    def _is_leaving(self, socket: TestSocket) -> bool:
        """Whether the server still runs, or has yet to run, its disconnect handler."""
        namespace = self.running.hub.namespaces.get(socket.namespace)
        return namespace is not None and socket.sid in namespace.leaving

    async def close(self) -> None:
        """disconnect(), if connected, and let go of the application; the last client of it ends its server."""
        running = self._running
        if running is None:
            return
        try:
            if self.eio_sid is not None:
                await self.disconnect()
        finally:
            if self._wire is not None and not self._is_lost:
                self._wire.lose()
            self._running = None
            if self.reader is not None:
                self.reader.stop()
            await running.release(self._timeout)

    # --- packets -----------------------------------------------------------------------------

    def put_packet(self, kind: int, namespace: str, data: Any, ack_id: int | None) -> None:
        """Send a Socket.IO packet."""
        assert self._wire is not None
        self._wire.send(encode_packet(kind, data, namespace, ack_id, self.running.hub.json))

    def wire_lost(self) -> None:
        """The connection has ended."""
        self._is_lost = True
        for socket in self._sockets.values():
            socket.end("transport close")
        self.disconnect_reason = self.disconnect_reason or "transport close"
        self._news.set()

    def _take_message(self, message: str | bytes) -> None:
        """A message in the application's own form of packets."""
        packet = self._decoder.decode(message)
        if packet is not None:
            data = None if packet.data is NO_DATA else packet.data
            self._take_packet(packet.type, packet.namespace, packet.id, data)

    def _take_packet(self, kind: int, namespace: str, ack_id: int | None, data: Any) -> None:
        try:
            self._take(kind, namespace, ack_id, data)
        except Exception as error:  # noqa: BLE001 - of the test's own functions it may be any
            # Not here: the packets behind this one have to come too.
            self._failure = self._failure or error

    def _take(self, kind: int, namespace: str, ack_id: int | None, data: Any) -> None:
        socket = self._sockets.get(namespace)
        if socket is None:
            raise AssertionError(
                f"packet type {kind} in {namespace!r}, which the client has not joined"
            )
        if kind in (EVENT, BINARY_EVENT):
            socket.take_event(data, ack_id)
        elif kind in (ACK, BINARY_ACK):
            socket.take_ack(data, ack_id)
        elif kind == CONNECT:
            socket.sid = data["sid"]
            socket.pid = data.get("pid")
            socket.is_connected = True
        elif kind == CONNECT_ERROR:
            self._refusals[namespace] = ConnectionRefused(data.get("message", ""), data.get("data"))
        else:
            socket.end("io server disconnect")

    def _take_engine(self, kind: str, data: bytes) -> None:
        """An Engine.IO packet that is no message."""
        assert self._wire is not None
        if kind == "0":
            self.eio_sid = orjson.loads(data)["sid"]
            self._wire.begin(self.eio_sid)
        elif kind == "1":
            self._wire.ended()
        elif kind == "2":
            self._wire.send(PONG)

    def _take_control(self, opcode: int, data: Any) -> None:
        """A WebSocket frame that carries no packet."""
        if opcode == CLOSE and self._wire is not None:
            self._wire.close()


async def close_after(close: Callable[[], Awaitable[None]], error: BaseException | None) -> None:
    """close(); if the test has failed already with `error`, that stays what it fails with."""
    try:
        await close()
    except AssertionError as failure:
        if error is None:
            raise
        error.add_note(f"and at the end: {failure}")

"""Socket.IO of a client: namespaces, events, acks, connecting and reconnecting. Knows no transport (see engine.py).

All of it runs on one event loop. How functions of the application are called is left to the two clients: AsyncClient
calls them where it is, Client in threads.
Source: socket.io-protocol v5; behaviour of python-socketio 5.18 where that leaves something open.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any

from fastsio import exceptions
from fastsio._codec import check_event_name, encode_packet
from fastsio._eager import start_eager
from fastsio._encoded import Encoded, encode_engine_packet
from fastsio.client.base import BaseClient
from fastsio.client.engine import EngineClient
from fastsio.client.errors import OpenError
from fastsio.client.namespaces import fit_arguments

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)


class ClientCore(BaseClient):
    """The state of one client and the coroutines behind its methods."""

    def _prepare(self) -> None:
        super()._prepare()
        self.callbacks: dict[str, dict[int, Callable[..., Any]]] = {}
        self._ack_ids = itertools.count(1)
        self._calls: set[asyncio.Future[tuple[Any, ...]]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        # Set whenever a namespace was connected or refused, or the connection has gone.
        self._news: asyncio.Event | None = None
        self._is_connecting = False
        self._leaving: set[str] = set()
        self._wait_timeout_s: float | None = 1
        self._partial: Any = None
        self._reconnect_task: asyncio.Task[None] | None = None
        self._reconnect_abort: asyncio.Event | None = None

    def _make_engine(self, options: dict[str, Any]) -> EngineClient:
        return EngineClient(
            self,
            handle_sigint=self.handle_sigint,
            json=self.json,
            is_raw=self._custom_packet is not None,
            **options,
        )

    # --- how the application's functions are called ------------------------------------------------

    async def _call_user(self, function: Callable[..., Any], args: Any) -> Any:
        """Call a function or coroutine function of the application; its result."""
        raise NotImplementedError

    def _run_event(
        self, handler: Callable[..., Any], args: list[Any], namespace: str, id: int | None
    ) -> None:
        """Run the handler of an event; _answer() with its result if `id` is not None."""
        raise NotImplementedError

    def _run_callback(self, callback: Callable[..., Any], args: list[Any]) -> None:
        """Run the callback of an ack."""
        raise NotImplementedError

    async def _value_of(self, value: Any) -> Any:
        """A parameter of connect() that may be given as a function."""
        return await self._call_user(value, ()) if callable(value) else value

    async def _trigger(self, event: str, namespace: str, *args: Any) -> None:
        """Run the handler of a reserved event to its end; what it raises is logged."""
        handler, values = self._find_handler(event, namespace, list(args))
        if handler is None:
            return
        if event == "disconnect":
            values = list(fit_arguments(handler, tuple(values)))
        try:
            await self._call_user(handler, values)
        except Exception:
            self.logger.exception("%s handler failed [%s]", event, namespace)

    # --- connecting --------------------------------------------------------------------------

    async def _connect(
        self, url: Any, headers: Any, auth: Any, transports: Any, namespaces: Any, socketio_path: str,
        wait: bool, wait_timeout: float | None, retry: bool,
    ) -> None:  # fmt: skip
        if self.connected:
            raise exceptions.ConnectionError("Already connected")
        await self._stop_reconnecting()
        self._reconnect_abort = asyncio.Event()
        self.connection_url = url
        self.connection_headers = headers
        self.connection_auth = auth
        self.connection_transports = transports
        self.connection_namespaces = self._namespaces_of(namespaces)
        self.socketio_path = socketio_path
        self._wait_timeout_s = wait_timeout
        try:
            await self._connect_once(wait)
        except OpenError as error:
            if retry:
                await self._reconnect()
                if self.connected:
                    return
            raise exceptions.ConnectionError(error.why) from error

    def _namespaces_of(self, given: Any) -> list[str]:
        """What connect() was given; or those that have handlers; or "/"."""
        if isinstance(given, str):
            return [given]
        if given is not None:
            return list(dict.fromkeys(given))
        registered = dict.fromkeys([*self.handlers, *self.namespace_handlers])
        registered.pop("*", None)
        return list(registered) or ["/"]

    async def _connect_once(self, wait: bool) -> None:
        """One attempt. Raises OpenError without a connection, ConnectionError if a namespace is refused."""
        if self._is_connecting:
            raise ValueError("Client is not in a disconnected state")
        self.namespaces = {}
        self.failed_namespaces = []
        self._news = asyncio.Event()
        self._is_connecting = True
        try:
            await self._open()
            if wait:
                await self._wait_for_namespaces()
            if self.eio.state != "connected":
                await self.eio.wait()
                raise exceptions.ConnectionError("Unexpected connection error")
            self.connected = True
        finally:
            self._is_connecting = False

    async def _open(self) -> None:
        url = await self._value_of(self.connection_url)
        headers = await self._value_of(self.connection_headers)
        try:
            await self.eio.connect(
                url, headers, self.connection_transports, self.socketio_path or "socket.io"
            )
        except OpenError as error:
            for namespace in self.connection_namespaces:
                answer = error.why if error.answer is None else error.answer
                await self._trigger("connect_error", namespace, answer)
            raise

    async def _wait_for_namespaces(self) -> None:
        """Until the server has answered for each. Otherwise disconnects and raises ConnectionError."""
        assert self._news is not None
        wanted = set(self.connection_namespaces)
        try:
            while len(self.namespaces) + len(self.failed_namespaces) < len(wanted):
                if self.eio.state != "connected":
                    break
                async with asyncio.timeout(self._wait_timeout_s):
                    await self._news.wait()
                self._news.clear()
        except BaseException as error:
            if not isinstance(error, TimeoutError):
                await self.eio.disconnect(abort=True)
                raise
        if set(self.namespaces) == wanted:
            return
        await self._leave_server()
        if self.failed_namespaces:
            raise exceptions.ConnectionError(
                "One or more namespaces failed to connect: " + ", ".join(self.failed_namespaces)
            )
        raise exceptions.ConnectionError("Unexpected connection error")

    # --- the engine's calls ------------------------------------------------------------------

    async def engine_opened(self) -> None:
        self.sid = self.eio.sid
        auth = await self._value_of(self.connection_auth) or {}
        for namespace in self.connection_namespaces:
            self._send(CONNECT, namespace, auth)

    async def engine_closed(self, reason: str, was_lost: bool) -> None:
        is_told_to_stop = self._reconnect_abort is not None and self._reconnect_abort.is_set()
        may_reconnect = self.reconnection and not self._is_connecting and not is_told_to_stop
        will_reconnect = was_lost and may_reconnect
        was_connected = self.connected
        # Namespaces that the server has put us out of know it already, and are not tried again.
        namespaces = [n for n in self.namespaces if n not in self._leaving]
        will_reconnect = will_reconnect and not (self._leaving and not namespaces)
        self._fail_calls()
        self.callbacks = {}
        self._partial = None
        if was_connected:
            for namespace in namespaces:
                await self._trigger("disconnect", namespace, reason)
                if not will_reconnect:
                    await self._trigger("__disconnect_final", namespace)
        self.connected = False
        self.namespaces = {}
        self.sid = None
        if self._news is not None:
            self._news.set()
        if will_reconnect and self._reconnect_task is None:
            self._start_reconnecting()

    def _fail_calls(self) -> None:
        for call in self._calls:
            if not call.done():
                call.set_exception(
                    exceptions.ClientGoneError("the connection went before the answer came")
                )
        self._calls.clear()

    # --- packets that come -------------------------------------------------------------------

    def receive_packet(self, kind: int, namespace: str, id: int | None, data: Any) -> None:
        """A packet whose shape the codec has checked."""
        if kind in (EVENT, BINARY_EVENT):
            handlers = self.handlers.get(namespace)
            handler = None if handlers is None else handlers.get(data[0])
            args = data[1:]
            if handler is None:
                handler, args = self._find_handler(data[0], namespace, args)
            if handler is not None:
                self._run_event(handler, args, namespace, id)
            elif id is not None:
                self._answer(namespace, id, None)
        elif kind in (ACK, BINARY_ACK):
            self._take_ack(namespace, id, data)
        elif kind == CONNECT:
            self._spawn(self._take_connect(namespace, data))
        elif kind == DISCONNECT:
            self._spawn(self._take_disconnect(namespace))
        else:
            self._spawn(self._take_refusal(namespace, data))

    def _take_ack(self, namespace: str, id: int | None, data: Any) -> None:
        callback = self.callbacks.get(namespace, {}).pop(id, None) if id is not None else None
        if callback is None:
            self.logger.warning("Unknown callback received, ignoring.")
        else:
            self._run_callback(callback, data or [])

    async def _take_connect(self, namespace: str, data: Any) -> None:
        if namespace in self.namespaces:
            return
        self.logger.info("Namespace %s is connected", namespace)
        self.namespaces[namespace] = (data or {}).get("sid", self.sid or "")
        await self._trigger("connect", namespace)
        self._tell_news()

    async def _take_disconnect(self, namespace: str) -> None:
        """The server has put us out: it is not tried again."""
        if not self.connected or namespace not in self.namespaces:
            return
        if namespace in self._leaving:
            return
        self._leaving.add(namespace)
        try:
            await self._trigger("disconnect", namespace, self.reason.SERVER_DISCONNECT)
            await self._trigger("__disconnect_final", namespace)
        finally:
            self._leaving.discard(namespace)
        self.namespaces.pop(namespace, None)
        if self.connected and not self.namespaces:
            self.connected = False
            await self.eio.disconnect()

    async def _take_refusal(self, namespace: str, data: Any) -> None:
        self.logger.info("Connection to namespace %s was rejected", namespace)
        args = () if data is None else data if isinstance(data, list) else (data,)
        await self._trigger("connect_error", namespace, *args)
        self.failed_namespaces.append(namespace)
        self.namespaces.pop(namespace, None)
        if namespace == "/":
            self.namespaces = {}
            self.connected = False
        self._tell_news()

    def _tell_news(self) -> None:
        if self._news is not None:
            self._news.set()

    def receive_message(self, data: str | bytes) -> None:
        """A raw message, for a packet class of the application's own."""
        if self._partial is not None:
            if not self._partial.add_attachment(data):
                return
            packet, self._partial = self._partial, None
        else:
            packet = self.packet_class(encoded_packet=data)
            if packet.packet_type in (BINARY_EVENT, BINARY_ACK):
                self._partial = packet
                return
        self.receive_packet(packet.packet_type, packet.namespace or "/", packet.id, packet.data)

    # --- packets that go ---------------------------------------------------------------------

    def _send(self, kind: int, namespace: str, data: Any = None, id: int | None = None) -> None:
        """Queue a packet. Raises TypeError for what can't be encoded."""
        if self._custom_packet is None:
            if kind == DISCONNECT:
                self._put(encode_packet(kind, namespace=namespace))
            else:
                self._put(encode_packet(kind, data, namespace, id, self.json))
            return
        encoded = self._custom_packet(kind, data=data, namespace=namespace, id=id).encode()
        for part in encoded if isinstance(encoded, list) else [encoded]:
            is_text = isinstance(part, str)
            self._put(encode_engine_packet(b"4" + part.encode()) if is_text else bytes(part))

    def _put(self, packet: Encoded | bytes) -> None:
        """Hand a packet to the engine."""
        self.eio.send_packet(packet)

    def _send_event(
        self, event: str, data: Any, namespace: str | None, callback: Callable[..., Any] | None
    ) -> int | None:
        """Queue an event; the id of its ack, None without a callback."""
        target = namespace or "/"
        if target not in self.namespaces:
            raise exceptions.BadNamespaceError(target + " is not a connected namespace.")
        check_event_name(event)
        args = [event, *data] if isinstance(data, tuple) else [event, data]
        if data is None:
            del args[1:]
        id = None
        if callback is not None:
            id = next(self._ack_ids)
            self.callbacks.setdefault(target, {})[id] = callback
        try:
            self._send(EVENT, target, args, id)
        except BaseException:
            if id is not None:
                self.callbacks[target].pop(id, None)
            raise
        return id

    def _answer(self, namespace: str, id: int, result: Any) -> None:
        """Send the ack of an event: nothing, one value, or a tuple of several."""
        data = [] if result is None else list(result) if isinstance(result, tuple) else [result]
        try:
            self._send(ACK, namespace, data, id)
        except (TypeError, ValueError):
            self.logger.exception("the answer to an event can't be sent [%s]", namespace)

    async def _call(
        self, event: str, data: Any, namespace: str | None, timeout_s: float | None
    ) -> Any:
        """An event and its answer: None, one value, or a tuple of several."""
        if (namespace or "/") in self.namespaces and self.eio.state != "connected":
            raise exceptions.ClientGoneError("the connection has gone")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[Any, ...]] = loop.create_future()
        id = self._send_event(event, data, namespace, AckOfCall(answer))
        timer = None if timeout_s is None else loop.call_later(timeout_s, _expire, answer)
        self._calls.add(answer)
        try:
            values = await answer
        finally:
            if timer is not None:
                timer.cancel()
            self._calls.discard(answer)
            self.callbacks.get(namespace or "/", {}).pop(id or 0, None)
        return None if not values else values[0] if len(values) == 1 else values

    # --- the end -----------------------------------------------------------------------------

    async def _disconnect(self) -> None:
        """Leave all namespaces and close; an attempt to connect or to reconnect ends too."""
        await self._stop_reconnecting()
        await self._leave_server()

    async def _leave_server(self) -> None:
        for namespace in self.namespaces:
            self._send(DISCONNECT, namespace)
        await self.eio.disconnect()
        await self.eio.wait()

    async def _wait(self) -> None:
        """Until the connection has ended and is not coming back."""
        while True:
            await self.eio.wait()
            task = self._reconnect_task
            if task is not None:
                # Not awaited itself: who gives up waiting does not end the reconnecting.
                await asyncio.wait([task])
            elif self.eio.state != "connected":
                return

    # --- reconnecting ------------------------------------------------------------------------

    def _start_reconnecting(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reconnect())
        self._reconnect_task = task
        task.add_done_callback(self._forget_reconnecting)

    def _forget_reconnecting(self, task: asyncio.Task[None]) -> None:
        if self._reconnect_task is task:
            self._reconnect_task = None
        if not task.cancelled() and task.exception() is not None:
            self.logger.error("reconnecting failed", exc_info=task.exception())

    async def _stop_reconnecting(self) -> None:
        if self._reconnect_abort is not None:
            self._reconnect_abort.set()
        task = self._reconnect_task
        if task is not None and task is not asyncio.current_task():
            if self._is_connecting:
                await self.eio.disconnect()
            await asyncio.wait([task])

    def _delays(self) -> Any:
        """Seconds before each attempt: doubling up to the maximum, each off by up to randomization_factor."""
        delay = self.reconnection_delay
        for attempt in itertools.count(1):
            if self.reconnection_attempts and attempt > self.reconnection_attempts:
                return
            base = min(delay, self.reconnection_delay_max)
            yield max(0.0, base * (1 + self.randomization_factor * (2 * random.random() - 1)))
            delay = min(2 * delay, self.reconnection_delay_max)

    async def _reconnect(self) -> None:
        """Try until it works, the attempts are used up, or somebody says stop."""
        abort = self._reconnect_abort
        assert abort is not None
        for delay_s in self._delays():
            self.logger.info("Connection failed, new attempt in %.02f seconds", delay_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await abort.wait()
            if abort.is_set():
                break
            try:
                await self._connect_once(True)
            except (OpenError, exceptions.ConnectionError, ValueError) as error:
                self.logger.info("Reconnection failed: %s", error)
            else:
                self.logger.info("Reconnection successful")
                return
            if abort.is_set():
                break
        self.logger.info("Reconnecting has ended without a connection")
        for namespace in self.connection_namespaces:
            await self._trigger("__disconnect_final", namespace)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        start_eager(coroutine, self._tasks, "client")


class AckOfCall:
    """The callback of a call(): its arguments are what the call returns."""

    __slots__ = ("future",)

    def __init__(self, future: asyncio.Future[tuple[Any, ...]]) -> None:
        self.future = future

    def __call__(self, *args: Any) -> None:
        if not self.future.done():
            self.future.set_result(args)


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(exceptions.TimeoutError())

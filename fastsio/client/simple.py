"""SimpleClient and AsyncSimpleClient: one namespace, and events that are received by asking for them."""

import asyncio
import threading
from typing import Any

from fastsio import exceptions
from fastsio.client.aio import AsyncClient
from fastsio.client.sync import Client


class AsyncSimpleClient:
    """A client for programs that read events one by one. The arguments are client_class's."""

    client_class = AsyncClient

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.client_args = args
        self.client_kwargs = kwargs
        self.client: Any = None
        self.namespace = "/"
        # Set while connected, and when the connection has gone for good.
        self.connected_event = asyncio.Event()
        self.connected = False
        self.input_event = asyncio.Event()
        self.input_buffer: list[list[Any]] = []

    async def connect(
        self, url: Any, headers: Any = {}, auth: Any = None, transports: Any = None,  # noqa: B006 - theirs
        namespace: str = "/", socketio_path: str = "socket.io", wait_timeout: float = 5,
    ) -> None:  # fmt: skip
        """Connect; see AsyncClient.connect(). Raises ConnectionError, RuntimeError if it is connected."""
        if self.connected:
            raise RuntimeError("Already connected")
        self.namespace = namespace
        self.input_buffer = []
        self.input_event.clear()
        self.client = self.client_class(*self.client_args, **self.client_kwargs)
        _listen(self)
        await self.client.connect(
            url, headers=headers, auth=auth, transports=transports, namespaces=[namespace],
            socketio_path=socketio_path, wait_timeout=wait_timeout,
        )  # fmt: skip

    @property
    def sid(self) -> str | None:
        """The client's id; it changes with each reconnection. None before connect()."""
        return self.client.get_sid(self.namespace) if self.client else None

    @property
    def transport(self) -> str | None:
        """What carries the connection now: "polling" or "websocket"; "" before connect()."""
        return self.client.transport() if self.client else ""

    async def emit(self, event: str, data: Any = None) -> None:
        """Send an event; waits while the client reconnects. Raises DisconnectedError when that has ended."""
        while True:
            await self.connected_event.wait()
            if not self.connected:
                raise exceptions.DisconnectedError
            try:
                return await self.client.emit(event, data, namespace=self.namespace)  # type: ignore[no-any-return]
            except exceptions.SocketIOError:
                await asyncio.sleep(0)  # the connection goes just now

    async def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:  # noqa: ASYNC109
        """Send an event and return the server's answer; see AsyncClient.call()."""
        while True:
            await self.connected_event.wait()
            if not self.connected:
                raise exceptions.DisconnectedError
            try:
                return await self.client.call(
                    event, data, namespace=self.namespace, timeout=timeout
                )
            except exceptions.TimeoutError:
                raise
            except exceptions.SocketIOError:
                await asyncio.sleep(0)

    async def receive(self, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109
        """The next event as [name, *args]. Raises TimeoutError after `timeout` seconds, DisconnectedError."""
        while not self.input_buffer:
            await _wait_for(self.connected_event, timeout)
            if not self.connected:
                raise exceptions.DisconnectedError
            await _wait_for(self.input_event, timeout)
            self.input_event.clear()
        return self.input_buffer.pop(0)

    async def disconnect(self) -> None:
        """Leave the server."""
        if self.connected:
            await self.client.disconnect()
            self.client = None
            self.connected = False

    async def __aenter__(self) -> "AsyncSimpleClient":
        return self

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        await self.disconnect()


async def _wait_for(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        raise exceptions.TimeoutError from None


class SimpleClient:
    """AsyncSimpleClient for threads: the same methods as plain functions."""

    client_class = Client

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.client_args = args
        self.client_kwargs = kwargs
        self.client: Any = None
        self.namespace = "/"
        self.connected_event = threading.Event()
        self.connected = False
        self.input_event = threading.Event()
        self.input_buffer: list[list[Any]] = []

    def connect(
        self, url: Any, headers: Any = {}, auth: Any = None, transports: Any = None,  # noqa: B006 - theirs
        namespace: str = "/", socketio_path: str = "socket.io", wait_timeout: float = 5,
    ) -> None:  # fmt: skip
        """Connect; see Client.connect(). Raises ConnectionError, RuntimeError if it is connected."""
        if self.connected:
            raise RuntimeError("Already connected")
        self.namespace = namespace
        self.input_buffer = []
        self.input_event.clear()
        self.client = self.client_class(*self.client_args, **self.client_kwargs)
        _listen(self)
        self.client.connect(
            url, headers=headers, auth=auth, transports=transports, namespaces=[namespace],
            socketio_path=socketio_path, wait_timeout=wait_timeout,
        )  # fmt: skip

    @property
    def sid(self) -> str | None:
        """The client's id; it changes with each reconnection. None before connect()."""
        return self.client.get_sid(self.namespace) if self.client else None

    @property
    def transport(self) -> str | None:
        """What carries the connection now: "polling" or "websocket"; "" before connect()."""
        return self.client.transport() if self.client else ""

    def emit(self, event: str, data: Any = None) -> None:
        """Send an event; waits while the client reconnects. Raises DisconnectedError when that has ended."""
        while True:
            self.connected_event.wait()
            if not self.connected:
                raise exceptions.DisconnectedError
            try:
                return self.client.emit(event, data, namespace=self.namespace)  # type: ignore[no-any-return]
            except exceptions.SocketIOError:
                self.client.sleep(0)

    def call(self, event: str, data: Any = None, timeout: float | None = 60) -> Any:
        """Send an event and return the server's answer; see Client.call()."""
        while True:
            self.connected_event.wait()
            if not self.connected:
                raise exceptions.DisconnectedError
            try:
                return self.client.call(event, data, namespace=self.namespace, timeout=timeout)
            except exceptions.TimeoutError:
                raise
            except exceptions.SocketIOError:
                self.client.sleep(0)

    def receive(self, timeout: float | None = None) -> list[Any]:
        """The next event as [name, *args]. Raises TimeoutError after `timeout` seconds, DisconnectedError."""
        while not self.input_buffer:
            if not self.connected_event.wait(timeout):
                raise exceptions.TimeoutError
            if not self.connected:
                raise exceptions.DisconnectedError
            if not self.input_event.wait(timeout):
                raise exceptions.TimeoutError
            self.input_event.clear()
        return self.input_buffer.pop(0)

    def disconnect(self) -> None:
        """Leave the server."""
        if self.connected:
            self.client.disconnect()
            self.client = None
            self.connected = False

    def __enter__(self) -> "SimpleClient":
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        self.disconnect()


def _listen(simple: Any) -> None:
    """The handlers of a simple client. Plain functions without waiting: both kinds of client can call them."""

    def connect() -> None:
        simple.connected = True
        simple.connected_event.set()

    def disconnect() -> None:
        simple.connected_event.clear()

    def gone() -> None:
        simple.connected = False
        simple.connected_event.set()
        simple.input_event.set()

    def receive(event: str, *args: Any) -> None:
        simple.input_buffer.append([event, *args])
        simple.input_event.set()

    namespace = simple.namespace
    simple.client.on("connect", connect, namespace=namespace)
    simple.client.on("disconnect", disconnect, namespace=namespace)
    simple.client.on("__disconnect_final", gone, namespace=namespace)
    simple.client.on("*", receive, namespace=namespace)

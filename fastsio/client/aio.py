"""AsyncClient: python-socketio's client for asyncio. Argument shapes; the state is core.py's."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from fastsio._eager import start_eager
from fastsio.client.core import ClientCore
from fastsio.client.engine import HIGH_WATER_BYTES


class AsyncClient(ClientCore):
    """A Socket.IO client.

    reconnection, reconnection_attempts (0: without end), reconnection_delay and reconnection_delay_max in
    seconds, randomization_factor: what happens when the connection is lost. serializer: "default", "msgpack" or
    a Packet class. json: a module with dumps and loads instead of the built-in one. handle_sigint: say goodbye on
    Ctrl+C, if the program has no handler of its own. logger, engineio_logger: True prints.
    request_timeout: seconds for a request. http_session: an aiohttp.ClientSession or a function that makes one.
    ssl_verify=False: no check of certificates. websocket_extra_options: for aiohttp's ws_connect().
    timestamp_requests: a `t` in each request's query, against caches.
    """

    def is_asyncio_based(self) -> bool:
        return True

    # --- connection --------------------------------------------------------------------------

    async def connect(
        self, url: Any, headers: Any = {}, auth: Any = None, transports: Any = None,  # noqa: B006 - theirs
        namespaces: Any = None, socketio_path: str = "socket.io", wait: bool = True, wait_timeout: float = 1,
        retry: bool = False,
    ) -> None:  # fmt: skip
        """Connect to a server, and to `namespaces` (by default those that have handlers).

        url, headers and auth may be functions or coroutine functions, called again for each reconnection.
        transports: ["polling", "websocket"] by default: the first opens, the other is upgraded to. wait: return
        when the server has let us into all namespaces, each within wait_timeout seconds of the one before.
        retry: go on as after a lost connection if the first attempt fails. Raises ConnectionError.
        """
        await self._connect(
            url, headers, auth, transports, namespaces, socketio_path, wait, wait_timeout, retry
        )

    async def wait(self) -> None:
        """Wait until the connection has ended and is not coming back."""
        await self._wait()

    async def disconnect(self) -> None:
        """Leave the server. `disconnect` handlers have run when this returns."""
        await self._disconnect()

    async def shutdown(self) -> None:
        """disconnect(), or the end of reconnecting; nothing if there is neither."""
        await self._disconnect()

    # --- events ------------------------------------------------------------------------------

    async def emit(
        self, event: str, data: Any = None, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """Send an event: `data` is one argument, a tuple several, None no argument.

        callback(*args) is called with the server's answer. Waits only while the server is too slow to take what was
        sent before. Raises BadNamespaceError, TypeError for what JSON can't hold.
        """
        self._send_event(event, data, namespace, callback)
        if self.eio.queued_bytes > HIGH_WATER_BYTES:
            await self.eio.flushed()

    async def send(
        self, data: Any, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """emit("message", data, …)."""
        await self.emit("message", data=data, namespace=namespace, callback=callback)

    async def call(
        self, event: str, data: Any = None, namespace: str | None = None,
        timeout: float | None = 60,  # noqa: ASYNC109 - their name
    ) -> Any:  # fmt: skip
        """Send an event and return the server's answer: None, one value, or a tuple of several.

        Raises TimeoutError after `timeout` seconds (None: no limit), and at once, as a DisconnectedError, when the
        connection goes.
        """
        return await self._call(event, data, namespace, timeout)

    # --- tasks -------------------------------------------------------------------------------

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run a coroutine function as a task, which is kept until it ends."""
        return self.eio.start_background_task(target, *args, **kwargs)

    async def sleep(self, seconds: float = 0) -> None:
        """asyncio.sleep()."""
        await asyncio.sleep(seconds)

    # --- how functions of the application are called -----------------------------------------

    async def _call_user(self, function: Callable[..., Any], args: Any) -> Any:
        result = function(*args)
        return await result if inspect.isawaitable(result) else result

    def _run_event(
        self, handler: Callable[..., Any], args: list[Any], namespace: str, id: int | None
    ) -> None:
        try:
            result = handler(*args)
        except Exception:
            self.logger.exception("event handler %r failed [%s]", handler, namespace)
            return
        if result is not None and inspect.isawaitable(result):
            start_eager(self._finish_event(result, handler, namespace, id), self._tasks, "event")
        elif id is not None:
            self._answer(namespace, id, result)

    async def _finish_event(
        self, result: Any, handler: Any, namespace: str, id: int | None
    ) -> None:
        try:
            value = await result
        except Exception:
            self.logger.exception("event handler %r failed [%s]", handler, namespace)
            return
        if id is not None:
            self._answer(namespace, id, value)

    def _run_callback(self, callback: Callable[..., Any], args: list[Any]) -> None:
        try:
            result = callback(*args)
        except Exception:
            self.logger.exception("callback %r failed", callback)
            return
        if result is not None and inspect.isawaitable(result):
            start_eager(_await(result), self._tasks, "callback of an ack")


async def _await(awaitable: Any) -> None:
    await awaitable

"""Client: python-socketio's client for threads. The asyncio client's state on a shared loop, handlers in threads."""

import asyncio
import collections
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from fastsio._encoded import Encoded
from fastsio.client import loop_thread, signals
from fastsio.client.core import AckOfCall, ClientCore
from fastsio.client.engine import HIGH_WATER_BYTES, EngineClient
from fastsio.client.requests_session import take_over
from fastsio.client.websocket_client import translate_options
from fastsio.client.workers import shared_workers

# Packets that other threads may have queued before emit() waits for the loop.
MAX_OUTBOX = 1_000


class Client(ClientCore):
    """A Socket.IO client whose methods may be called from any thread; handlers run in threads of their own.

    The arguments are AsyncClient's, but http_session is a requests.Session (or a function that makes one), of which
    headers, cookies, auth, verify, cert and proxies are taken over, and websocket_extra_options are those of
    websocket-client's create_connection().
    """

    def _prepare(self) -> None:
        super()._prepare()
        self._outbox: collections.deque[Encoded | bytes] = collections.deque()
        self._is_outbox_due = False
        if self.handle_sigint:
            signals.watch_process()

    def _make_engine(self, options: dict[str, Any]) -> EngineClient:
        if options.get("http_session") is not None:
            options["http_session"] = take_over(options["http_session"])
        if options.get("websocket_extra_options"):
            options["websocket_extra_options"] = translate_options(
                options["websocket_extra_options"]
            )
        return super()._make_engine(options)

    # --- connection --------------------------------------------------------------------------

    def connect(
        self, url: Any, headers: Any = {}, auth: Any = None, transports: Any = None,  # noqa: B006 - theirs
        namespaces: Any = None, socketio_path: str = "socket.io", wait: bool = True, wait_timeout: float = 1,
        retry: bool = False,
    ) -> None:  # fmt: skip
        """Connect to a server; see AsyncClient.connect(). Raises ConnectionError."""
        loop_thread.run(
            self._connect(
                url, headers, auth, transports, namespaces, socketio_path, wait, wait_timeout, retry
            )
        )

    def wait(self) -> None:
        """Wait until the connection has ended and is not coming back."""
        loop_thread.run(self._wait())

    def disconnect(self) -> None:
        """Leave the server. `disconnect` handlers have run when this returns."""
        loop_thread.run(self._disconnect())

    def shutdown(self) -> None:
        """disconnect(), or the end of reconnecting; nothing if there is neither."""
        loop_thread.run(self._disconnect())

    def say_goodbye(self, timeout_s: float) -> None:
        """disconnect() within `timeout_s` seconds, for a program that is about to end."""
        try:
            loop_thread.run(self._disconnect(), timeout_s)
        except TimeoutError:
            self.logger.warning("no goodbye within %s s", timeout_s)

    # --- events ------------------------------------------------------------------------------

    def emit(
        self, event: str, data: Any = None, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """Send an event: `data` is one argument, a tuple several, None no argument.

        callback(*args) is called in a thread with the server's answer. Waits only while the server is too slow to
        take what was sent before. Raises BadNamespaceError, TypeError for what JSON can't hold.
        """
        self._send_event(event, data, namespace, callback)
        if self.eio.queued_bytes > HIGH_WATER_BYTES or len(self._outbox) > MAX_OUTBOX:
            loop_thread.run(self.eio.flushed())

    def send(
        self, data: Any, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """emit("message", data, …)."""
        self.emit("message", data=data, namespace=namespace, callback=callback)

    def call(
        self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = 60
    ) -> Any:
        """Send an event and return the server's answer: None, one value, or a tuple of several.

        Raises TimeoutError after `timeout` seconds (None: no limit), and at once, as a DisconnectedError, when the
        connection goes.
        """
        return loop_thread.run(self._call(event, data, namespace, timeout))

    def _put(self, packet: Encoded | bytes) -> None:
        if loop_thread.is_on_loop():
            self.eio.send_packet(packet)
            return
        # One wake-up of the loop for all that is queued until it comes to it.
        self._outbox.append(packet)
        if not self._is_outbox_due:
            self._is_outbox_due = True
            loop_thread.shared_loop().call_soon_threadsafe(self._empty_outbox)

    def _empty_outbox(self) -> None:
        self._is_outbox_due = False
        while self._outbox:
            self.eio.send_packet(self._outbox.popleft())

    # --- tasks -------------------------------------------------------------------------------

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> threading.Thread:
        """Run a function in a daemon thread, which is returned: join() waits for its end."""
        thread = threading.Thread(target=target, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float = 0) -> None:
        """time.sleep()."""
        time.sleep(seconds)

    # --- how functions of the application are called -----------------------------------------

    async def _call_user(self, function: Callable[..., Any], args: Any) -> Any:
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()

        def work() -> None:
            value: Any = None
            error: BaseException | None = None
            try:
                value = function(*args)
            except SystemExit:
                pass  # As in any thread, it ends the function and not the program.
            except BaseException as caught:  # noqa: BLE001 - raised where it is awaited
                error = caught
            loop.call_soon_threadsafe(_settle, result, value, error)

        shared_workers.submit(work)
        return await result

    def _run_event(
        self, handler: Callable[..., Any], args: list[Any], namespace: str, id: int | None
    ) -> None:
        shared_workers.submit(self._run_in_thread, handler, args, namespace, id)

    def _run_in_thread(
        self, handler: Callable[..., Any], args: list[Any], namespace: str, id: int | None
    ) -> None:
        try:
            result = handler(*args)
            if inspect.iscoroutine(result):
                result.close()
                raise TypeError("a coroutine function needs AsyncClient")
        except SystemExit:
            return  # As in any thread, it ends the function and not the program.
        except Exception:
            self.logger.exception("event handler %r failed [%s]", handler, namespace)
            return
        if id is not None:
            self._answer(namespace, id, result)

    def _run_callback(self, callback: Callable[..., Any], args: list[Any]) -> None:
        # That of a call() is ours, and belongs to the loop.
        if isinstance(callback, AckOfCall):
            callback(*args)
        else:
            shared_workers.submit(self._run_in_thread, callback, args, "callback", None)


def _settle(result: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if result.done():
        return
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(value)

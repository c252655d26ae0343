"""Manager and the engine as a sync Server's applications see them: plain functions, from any thread.

What is looked at is read on the event loop's thread, and given as a copy.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from fastsio.api.manager import AsyncManager
from fastsio.api.views import EngineView


class Manager(AsyncManager):
    """AsyncManager for a sync Server: see there."""

    # --- looking -----------------------------------------------------------------------------

    def _ask(self, fn: Callable[..., Any], *args: Any) -> Any:
        return fn(*args) if self.server is None else self.server._ask(fn, *args)

    @property
    def rooms(self) -> Any:
        """namespace → room → sid → id of the session: a copy."""
        view = super().rooms

        def copied() -> dict[str, dict[Any, dict[str, str]]]:
            return {
                name: {room: dict(members) for room, members in rooms.items()}
                for name, rooms in view.items()
            }

        return self._ask(copied)

    @property
    def pending_connect(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self._ask(lambda: super(Manager, self).pending_connect)
        return found

    @property
    def pending_disconnect(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self._ask(lambda: super(Manager, self).pending_disconnect)
        return found

    def get_namespaces(self) -> list[str]:
        return list(self._ask(lambda: list(super(Manager, self).rooms)))

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        look = super().get_participants
        return iter(self._ask(lambda: list(look(namespace, room))))

    def is_connected(self, sid: str, namespace: str) -> bool:
        return bool(self._ask(super().is_connected, sid, namespace))

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        sid: str | None = self._ask(super().sid_from_eio_sid, eio_sid, namespace)
        return sid

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        eio_sid: str | None = self._ask(super().eio_sid_from_sid, sid, namespace)
        return eio_sid

    def can_disconnect(self, sid: str, namespace: str) -> bool:  # type: ignore[override]
        """is_connected()."""
        return self.is_connected(sid, namespace)

    # --- doing: the server's methods ---------------------------------------------------------

    def emit(  # type: ignore[override]
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
        callback: Any = None, to: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Server.emit()."""
        self.server.emit(event, data, to, room, skip_sid, namespace, callback)

    def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:  # type: ignore[override]
        """Server.disconnect()."""
        self.server.disconnect(sid, namespace)

    def enter_room(  # type: ignore[override]
        self, sid: str, namespace: str, room: Any, eio_sid: str | None = None
    ) -> None:
        """Server.enter_room()."""
        self.server.enter_room(sid, room, namespace)

    def leave_room(self, sid: str, namespace: str, room: Any) -> None:  # type: ignore[override]
        """Server.leave_room()."""
        self.server.leave_room(sid, room, namespace)

    def close_room(self, room: Any, namespace: str) -> None:  # type: ignore[override]
        """Server.close_room()."""
        self.server.close_room(room, namespace)


class SyncEngineView(EngineView):
    """`sio.eio` of a sync Server: see EngineView."""

    def is_asyncio_based(self) -> bool:
        return False

    def send(self, sid: str, data: Any) -> None:  # type: ignore[override]
        self._server._do(super().send, sid, data)

    def disconnect(self, sid: str | None = None) -> None:  # type: ignore[override]
        self._server._do(super().disconnect, sid)

    def shutdown(self) -> None:  # type: ignore[override]
        self._server.shutdown()

    def handle_request(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._server.handle_request(environ, start_response)

    def start_background_task(  # type: ignore[override]
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> threading.Thread:
        thread: threading.Thread = self._server.start_background_task(target, *args, **kwargs)
        return thread

    def sleep(self, seconds: float = 0) -> None:  # type: ignore[override]
        self._server.sleep(seconds)

    def create_queue(self, *args: Any, **kwargs: Any) -> queue.Queue[Any]:  # type: ignore[override]
        """queue.Queue()."""
        return queue.Queue(*args, **kwargs)

    def get_queue_empty_exception(self) -> type[Exception]:
        """queue.Empty."""
        return queue.Empty

    def create_event(self, *args: Any, **kwargs: Any) -> threading.Event:  # type: ignore[override]
        """threading.Event()."""
        return threading.Event(*args, **kwargs)

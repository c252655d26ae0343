"""Namespace: python-socketio's class-based namespaces for a sync Server."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from fastsio.api.namespace import PREFIX, BaseServerNamespace, fitting


class Namespace(BaseServerNamespace):
    """The handlers of one namespace as methods on_connect, on_disconnect, on_<event>: plain functions.

    Give an instance to Server.register_namespace(). The methods below are the server's, in this namespace
    where none is named.
    """

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Call the method of an event; what it returns is the client's ack. None if there is no such method.

        A subclass may have its own: then it gets every event of the namespace, `connect` and `disconnect` too.
        """
        name = PREFIX + (event or "")
        handler = getattr(self, name, None)
        return None if handler is None else handler(*fitting(self, name, args))

    def emit(
        self, event: str, data: Any = None, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """Server.emit()."""
        self.server.emit(
            event, data, to, room, skip_sid, namespace or self.namespace, callback, ignore_queue
        )

    def send(
        self, data: Any, to: Any = None, room: Any = None, skip_sid: Any = None, namespace: str | None = None,
        callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """Server.send()."""
        self.server.send(
            data, to, room, skip_sid, namespace or self.namespace, callback, ignore_queue
        )

    def call(
        self, event: str, data: Any = None, to: str | None = None, sid: str | None = None,
        namespace: str | None = None, timeout: float | None = None, ignore_queue: bool = False,
    ) -> Any:  # fmt: skip
        """Server.call(), without a time limit unless one is given."""
        return self.server.call(
            event, data, to, sid, namespace or self.namespace, timeout, ignore_queue
        )

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Server.enter_room()."""
        self.server.enter_room(sid, room, namespace=namespace or self.namespace)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Server.leave_room()."""
        self.server.leave_room(sid, room, namespace=namespace or self.namespace)

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Server.close_room()."""
        self.server.close_room(room, namespace=namespace or self.namespace)

    def get_session(self, sid: str, namespace: str | None = None) -> dict[str, Any]:
        """Server.get_session()."""
        found: dict[str, Any] = self.server.get_session(sid, namespace=namespace or self.namespace)
        return found

    def save_session(self, sid: str, session: dict[str, Any], namespace: str | None = None) -> None:
        """Server.save_session()."""
        self.server.save_session(sid, session, namespace=namespace or self.namespace)

    def session(
        self, sid: str, namespace: str | None = None
    ) -> AbstractContextManager[dict[str, Any]]:
        """Server.session()."""
        context: AbstractContextManager[dict[str, Any]] = self.server.session(
            sid, namespace=namespace or self.namespace
        )
        return context

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Server.disconnect()."""
        self.server.disconnect(sid, namespace=namespace or self.namespace)

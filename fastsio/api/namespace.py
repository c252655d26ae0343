"""Class-based namespaces: python-socketio's AsyncNamespace, and the base of its synchronous sibling."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastsio.core.handlers import positional_count

PREFIX = "on_"


class BaseNamespace:
    """`namespace` is the name: "/" if none is given, "*" for every namespace without a class of its own."""

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace or "/"

    def is_asyncio_based(self) -> bool:
        return False


class BaseServerNamespace(BaseNamespace):
    """`server` is the one that it is registered with, None before."""

    def __init__(self, namespace: str | None = None) -> None:
        super().__init__(namespace=namespace)
        self.server: Any = None

    def _set_server(self, server: Any) -> None:
        self.server = server

    def rooms(self, sid: str, namespace: str | None = None) -> list[Any]:
        """The rooms a client is in, its own sid among them."""
        rooms: list[Any] = self.server.rooms(sid, namespace=namespace or self.namespace)
        return rooms


def methods_of(owner: BaseNamespace, base: type) -> dict[str, Callable[..., Any]]:
    """The on_… methods by event; none if `owner` has a trigger_event() of its own, which then gets every event."""
    if type(owner).trigger_event is not base.trigger_event or "trigger_event" in vars(owner):  # type: ignore[attr-defined]
        return {}
    found = {}
    for name in dir(owner):
        if name.startswith(PREFIX) and len(name) > len(PREFIX):
            method = getattr(owner, name)
            if callable(method):
                found[name.removeprefix(PREFIX)] = method
    return found


def fitting(owner: Any, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """As many of the arguments as the method takes. Its signature is looked at once: that takes 10 us."""
    method = getattr(owner, name)
    function = getattr(method, "__func__", method)
    known: dict[str, tuple[Any, int]] = vars(owner).setdefault("_taken", {})
    found = known.get(name)
    if found is None or found[0] is not function:
        _, taken = positional_count(method, is_own=True)
        found = known[name] = (function, taken)
    return args if found[1] < 0 else args[: found[1]]


class AsyncNamespace(BaseServerNamespace):
    """The handlers of one namespace as methods on_connect, on_disconnect, on_<event>; plain or coroutine ones.

    Give an instance to AsyncServer.register_namespace(). The methods below are the server's, in this namespace
    where none is named.
    """

    def is_asyncio_based(self) -> bool:
        return True

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Call the method of an event; what it returns is the client's ack. None if there is no such method.

        A subclass may have its own: then it gets every event of the namespace, `connect` and `disconnect` too.
        """
        name = PREFIX + (event or "")
        handler = getattr(self, name, None)
        if handler is None:
            return None
        result = handler(*fitting(self, name, args))
        return await result if hasattr(result, "__await__") else result

    async def emit(
        self, event: str, data: Any = None, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """AsyncServer.emit()."""
        await self.server.emit(
            event, data, to, room, skip_sid, namespace or self.namespace, callback, ignore_queue
        )

    async def send(
        self, data: Any, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None, callback: Callable[..., Any] | None = None, ignore_queue: bool = False,
    ) -> None:  # fmt: skip
        """AsyncServer.send()."""
        await self.server.send(
            data, to, room, skip_sid, namespace or self.namespace, callback, ignore_queue
        )

    async def call(
        self, event: str, data: Any = None, to: str | None = None, sid: str | None = None,
        namespace: str | None = None, timeout: float | None = None, ignore_queue: bool = False,  # noqa: ASYNC109
    ) -> Any:  # fmt: skip
        """AsyncServer.call(), without a time limit unless one is given."""
        return await self.server.call(
            event, data, to, sid, namespace or self.namespace, timeout, ignore_queue
        )

    async def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """AsyncServer.enter_room()."""
        await self.server.enter_room(sid, room, namespace=namespace or self.namespace)

    async def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """AsyncServer.leave_room()."""
        await self.server.leave_room(sid, room, namespace=namespace or self.namespace)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """AsyncServer.close_room()."""
        await self.server.close_room(room, namespace=namespace or self.namespace)

    async def get_session(self, sid: str, namespace: str | None = None) -> dict[str, Any]:
        """AsyncServer.get_session()."""
        session: dict[str, Any] = await self.server.get_session(
            sid, namespace=namespace or self.namespace
        )
        return session

    async def save_session(
        self, sid: str, session: dict[str, Any], namespace: str | None = None
    ) -> None:
        """AsyncServer.save_session()."""
        await self.server.save_session(sid, session, namespace=namespace or self.namespace)

    def session(
        self, sid: str, namespace: str | None = None
    ) -> AbstractAsyncContextManager[dict[str, Any]]:
        """AsyncServer.session()."""
        context: AbstractAsyncContextManager[dict[str, Any]] = self.server.session(
            sid, namespace=namespace or self.namespace
        )
        return context

    async def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """AsyncServer.disconnect()."""
        await self.server.disconnect(sid, namespace=namespace or self.namespace)

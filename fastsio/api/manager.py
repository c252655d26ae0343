"""AsyncManager: python-socketio's client manager, as a view of the core. Clients and rooms are the core's.

It is what `sio.manager` is. One that is given as client_manager= must not do more than this one: what it would
change is done by compiled code that does not ask it. Those that join servers are in fastsio/managers.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from fastsio.api.views import View, eio_sid_of, sessions_of
from fastsio.core.hub import Hub

# What a subclass may have of its own: neither is part of sending or joining.
HOOKS = ("__init__", "initialize", "set_server")


class Members(View):
    """`manager.rooms[namespace][room]`: sid to the id of the client's session."""

    def __init__(self, namespace: Any, room: Any) -> None:
        self._namespace = namespace
        self._room = room

    def _sockets(self) -> dict[str, Any]:
        found: dict[str, Any] = self._namespace.everyone_in(self._room)
        return found

    def __getitem__(self, sid: Any) -> str:
        return eio_sid_of(self._sockets()[sid])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sockets())

    def __len__(self) -> int:
        return len(self._sockets())


class Rooms(View):
    """`manager.rooms[namespace]`: room to its Members. None is the room of all, and each sid a room of its own."""

    def __init__(self, namespace: Any) -> None:
        self._namespace = namespace

    def __getitem__(self, room: Any) -> Members:
        members = Members(self._namespace, room)
        if not members:
            raise KeyError(room)
        return members

    def __iter__(self) -> Iterator[Any]:
        everyone = self._namespace.everyone_in(None)
        if everyone:
            yield None
        yield from everyone
        yield from [room for room in self._namespace.rooms if room not in everyone]


class RoomsByNamespace(View):
    """`manager.rooms`: the namespaces that have clients."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def __getitem__(self, namespace: Any) -> Rooms:
        found = self._hub.namespaces.get(namespace)
        if found is None or found.is_deserted:
            raise KeyError(namespace)
        return Rooms(found)

    def __iter__(self) -> Iterator[str]:
        return iter(
            [name for name, one in list(self._hub.namespaces.items()) if not one.is_deserted]
        )


class AsyncManager:
    """Who is connected and in which rooms. Sids, rooms and namespaces that are unknown are empty, not errors."""

    def __init__(self) -> None:
        self.server: Any = None
        self.logger: Any = None

    @property
    def bus(self) -> Any:
        """What joins its server with others, for IO(adapter=…); None: nothing."""
        return None

    @property
    def _hub(self) -> Hub:
        if self.server is None:
            raise RuntimeError("the manager has no server yet: give it to one as client_manager=")
        hub: Hub = self.server.hub
        return hub

    def set_server(self, server: Any) -> None:
        """The server's call, once."""
        self.server = server

    def initialize(self) -> None:
        """Called before the first client comes; for subclasses."""

    # --- looking -----------------------------------------------------------------------------

    @property
    def rooms(self) -> RoomsByNamespace:
        """namespace → room → sid → id of the session."""
        return RoomsByNamespace(self._hub)

    @property
    def pending_connect(self) -> dict[str, list[str]]:
        """The clients whose connect handler has not ended, by namespace."""
        return {
            name: list(one.joining) for name, one in self._hub.namespaces.items() if one.joining
        }

    @property
    def pending_disconnect(self) -> dict[str, list[str]]:
        """The clients that have gone and whose disconnect handler has not ended, by namespace."""
        return {
            name: list(one.leaving) for name, one in self._hub.namespaces.items() if one.leaving
        }

    def get_namespaces(self) -> list[str]:
        """The names of the namespaces that have clients."""
        return list(self.rooms)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """(sid, id of the session) of everyone in a room, in any of a list of rooms, or (None) in the namespace.

        Also those whose connect or disconnect handler is at work.
        """
        found = self._hub.get(namespace)
        if found is None:
            return
        several = isinstance(room, (list, tuple, set, frozenset)) and not (
            isinstance(room, tuple) and room in found.rooms
        )
        everyone: dict[str, Any] = {}
        for one in room if several else (room,):
            everyone.update(found.everyone_in(one))
        for sid, socket in everyone.items():
            yield sid, eio_sid_of(socket)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        """The rooms a client is in, its own sid among them."""
        rooms: list[Any] = self.server.rooms(sid, namespace)
        return rooms

    def is_connected(self, sid: str, namespace: str) -> bool:
        """Whether the client is in the namespace: admitted, and not gone."""
        found = self._hub.get(namespace)
        return found is not None and sid in found.sockets

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        """Whether the client's connect handler is still at work."""
        found = self._hub.get(namespace)
        return found is not None and sid in found.joining

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        """Whether a room is a client's own."""
        found = self._hub.get(namespace)
        return found is not None and found.is_sid(room)

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        """The sid that a session has in a namespace, None if it is not in it."""
        session = sessions_of(self._hub).get(eio_sid)
        if session is not None and session.handler is not None:
            socket = session.handler.find(namespace)
            if socket is not None:
                sid: str = socket.id
                return sid
        found = self._hub.get(namespace)
        coming = {} if found is None else {**found.joining, **found.leaving}
        return next((sid for sid, one in coming.items() if eio_sid_of(one) == eio_sid), None)

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        """The id of a client's session, None for an unknown sid."""
        found = self._hub.get(namespace)
        socket = None if found is None else found.find(sid)
        return None if socket is None else eio_sid_of(socket)

    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        """is_connected()."""
        return self.is_connected(sid, namespace)

    # --- doing: the server's methods ---------------------------------------------------------

    async def emit(
        self, event: str, data: Any, namespace: str, room: Any = None, skip_sid: Any = None,
        callback: Any = None, to: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """AsyncServer.emit()."""
        await self.server.emit(event, data, to, room, skip_sid, namespace, callback)

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """AsyncServer.disconnect()."""
        await self.server.disconnect(sid, namespace)

    async def enter_room(
        self, sid: str, namespace: str, room: Any, eio_sid: str | None = None
    ) -> None:
        """AsyncServer.enter_room()."""
        await self.server.enter_room(sid, room, namespace)

    async def leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """AsyncServer.leave_room()."""
        await self.server.leave_room(sid, room, namespace)

    async def close_room(self, room: Any, namespace: str) -> None:
        """AsyncServer.close_room()."""
        await self.server.close_room(room, namespace)


def checked(manager: Any, base: type[AsyncManager] = AsyncManager) -> AsyncManager:
    """What was given as client_manager=, or a new `base`. Raises TypeError for one that does more than that."""
    if manager is None:
        return base()
    if not isinstance(manager, base) or (base is AsyncManager and not is_async(manager)):
        raise TypeError(
            f"client_manager={manager!r}: a fastsio.{base.__name__}, or one of the managers for message queues "
            f"that go with this server, such as {_EXAMPLES[base is AsyncManager]}"
        )
    classes = type(manager).__mro__
    known = next(cls for cls in classes if cls.__module__.startswith("fastsio."))
    own = [
        name
        for cls in classes[: classes.index(known)]
        for name in vars(cls)
        if hasattr(base, name) and name not in HOOKS and not name.startswith("__")
    ]
    if own:
        raise TypeError(
            f"client_manager={manager!r}: its {own[0]}() would never be called; fastsio keeps clients and rooms itself"
        )
    return manager


_EXAMPLES = ("fastsio.RedisManager", "fastsio.AsyncRedisManager")


def is_async(manager: AsyncManager) -> bool:
    """Whether its emit() is a coroutine function."""
    return inspect.iscoroutinefunction(manager.emit)


def with_bus(options: dict[str, Any], manager: AsyncManager) -> dict[str, Any]:
    """A server's options, with what its manager joins it to others by. Raises ValueError for two such things."""
    bus = manager.bus
    if bus is None:
        return options
    if options.get("adapter") is not None:
        raise ValueError(
            f"adapter={options['adapter']!r} and client_manager={manager!r}: only one can join servers"
        )
    return {**options, "adapter": bus}

"""PubSubManager and AsyncPubSubManager: managers that join servers, and publish without one.

Signatures and contracts: python-socketio 5.18's classes of these names. As there, a subclass with _publish(data) and
_listen() is a manager for another message queue. A server's own messages go by its bus (adapters/pubsub/bus.py);
what is below is for a manager that has no server, or whose server is not served.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastsio.adapters.pubsub import wire
from fastsio.adapters.pubsub.bus import PubSubBus
from fastsio.adapters.pubsub.pipe import Pipe
from fastsio.adapters.pubsub.task_pipe import TaskPipe
from fastsio.adapters.pubsub.thread_pipe import Ear, ThreadPipe
from fastsio.api.manager import AsyncManager
from fastsio.api.sync_views import Manager

default_logger = logging.getLogger("fastsio.adapters")


class Messages:
    """The messages of one who publishes by itself."""

    def __init__(self, json: Any) -> None:
        self._json = wire.readable_json(json)
        self.host_id = secrets.token_hex(16)

    def emit(
        self, event: str, data: Any, namespace: str | None, room: Any, skip_sid: Any, callback: Any
    ) -> bytes:  # fmt: skip
        """Raises RuntimeError for a callback, TypeError for what JSON can't hold, ValueError for a reserved name."""
        if callback is not None:
            raise RuntimeError("Callbacks can only be issued from the context of a server.")
        args = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        rooms = None if room is None else _listed(room)
        message = wire.event_of(self._json, [event, *args])
        return wire.emit(
            self._json, message, self.host_id, namespace or "/", rooms, _listed(skip_sid)
        )

    def act(self, method: str, namespace: str | None, **fields: Any) -> bytes:
        """What is to happen to a client or a room."""
        return wire.message(self._json, method, self.host_id, namespace or "/", **fields)


def _listed(rooms: Any) -> list[Any]:
    if rooms is None:
        return []
    return list(rooms) if isinstance(rooms, (list, tuple, set, frozenset)) else [rooms]


class PubSubManager(Manager):
    """A manager of a Server, or of none. A subclass for a message queue has _publish(data) and _listen().

    channel: the name on which servers send and hear. write_only: nothing is heard, and nothing else is needed to
    publish from any process: `RedisManager(url, write_only=True).emit("event", data, room="x")`. logger: gets what goes
    wrong while publishing without a served server, by default "fastsio.adapters". json: a module with dumps() and
    loads(), for that. Methods may be called from any thread.
    """

    name = "pubsub"

    def __init__(
        self, channel: str = "socketio", write_only: bool = False, logger: Any = None, json: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel = channel
        self.write_only = write_only
        self.logger = logger
        self._messages = Messages(json)
        self.host_id = self._messages.host_id
        self._bus: PubSubBus | None = None

    @property
    def bus(self) -> PubSubBus:
        """What joins its server with others: the same each time."""
        if self._bus is None:
            self._bus = PubSubBus(self._pipe(), self.write_only, self._send_aside)
        return self._bus

    # --- what a message queue is made of -----------------------------------------------------

    def _publish(self, data: dict[str, Any]) -> None:
        """Publish a message, a dict of JSON. May block, and raise."""
        raise NotImplementedError("This method must be implemented in a subclass.")

    def _listen(self) -> Iterator[Any]:
        """Yield each message that comes, as JSON (str, bytes) or as the dict, for ever. In a thread of its own."""
        raise NotImplementedError("This method must be implemented in a subclass.")

    def _pipe(self) -> Pipe:
        listen = None if self.write_only else _listening(self)
        return ThreadPipe(self._send, listen, self.name, self._close)

    def _send(self, data: bytes) -> None:
        """Publish a message as bytes, or raise."""
        self._publish(wire.read(self._messages._json, data))

    def _close(self) -> None:
        """Let go of what _send() has opened: its server has ended."""

    def _send_aside(self, data: bytes) -> None:
        """Publish it without a served server: what fails is logged, as python-socketio does."""
        try:
            self._send(data)
        except Exception as error:  # noqa: BLE001 - of any library
            (self.logger or default_logger).error("Cannot publish to %s: %r", self.name, error)

    # --- what it does ------------------------------------------------------------------------

    def emit(  # type: ignore[override]
        self, event: str, data: Any, namespace: str | None = None, room: Any = None, skip_sid: Any = None,
        callback: Any = None, to: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """Send an event to a client or room (`room` or `to`: one, or a list), or to everyone, on all servers.

        data: None for no argument, a tuple for several. callback: only with a server. Raises TypeError for what JSON
        can't hold, ValueError for a reserved name. What can't be published is logged.
        """
        room = to or room
        if self.server is None:
            self._send_aside(self._messages.emit(event, data, namespace, room, skip_sid, callback))
            return
        if callback is not None and room is None:
            raise ValueError("Cannot use callback without a room set.")
        self.server.emit(
            event, data, None, room, skip_sid, namespace, callback, bool(kwargs.get("ignore_queue"))
        )

    def can_disconnect(self, sid: str, namespace: str) -> bool:  # type: ignore[override]
        """Whether the client is here; for one that is not, the others are told to disconnect it."""
        if self.server is not None and self.is_connected(sid, namespace):
            return True
        self.disconnect(sid, namespace)
        return False

    def disconnect(self, sid: str, namespace: str | None = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Disconnect a client from a namespace, wherever it is."""
        if self.server is None:
            self._send_aside(self._messages.act("disconnect", namespace, sid=sid))
        else:
            self.server.disconnect(sid, namespace, bool(kwargs.get("ignore_queue")))

    def enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:  # type: ignore[override]
        """Put a client into a room, wherever it is."""
        if self.server is None:
            self._send_aside(self._messages.act("enter_room", namespace, sid=sid, room=room))
        else:
            self.server.enter_room(sid, room, namespace)

    def leave_room(self, sid: str, namespace: str, room: Any) -> None:  # type: ignore[override]
        """Take a client out of a room, wherever it is."""
        if self.server is None:
            self._send_aside(self._messages.act("leave_room", namespace, sid=sid, room=room))
        else:
            self.server.leave_room(sid, room, namespace)

    def close_room(self, room: Any, namespace: str | None = None) -> None:  # type: ignore[override]
        """Take everyone out of a room, on all servers."""
        if self.server is None:
            self._send_aside(self._messages.act("close_room", namespace, room=room))
        else:
            self.server.close_room(room, namespace)


def _listening(manager: PubSubManager) -> Any:
    def listen(ear: Ear) -> Iterator[Any]:
        found = iter(manager._listen())
        ear.up()
        yield from found

    return listen


class AsyncPubSubManager(AsyncManager):
    """PubSubManager for an AsyncServer, with coroutines: _publish() is one, _listen() an async generator."""

    name = "asyncpubsub"
    # Whether _listen() yields None when it is subscribed.
    _tells = False
    # How many messages are published at a time: see TaskPipe.
    _at_a_time = 1

    def __init__(
        self, channel: str = "socketio", write_only: bool = False, logger: Any = None, json: Any = None
    ) -> None:  # fmt: skip
        super().__init__()
        self.channel = channel
        self.write_only = write_only
        self.logger = logger
        self._messages = Messages(json)
        self.host_id = self._messages.host_id
        self._bus: PubSubBus | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._turn: asyncio.Task[None] | None = None

    @property
    def bus(self) -> PubSubBus:
        """What joins its server with others: the same each time."""
        if self._bus is None:
            self._bus = PubSubBus(self._pipe(), self.write_only, self._send_later)
        return self._bus

    # --- what a message queue is made of -----------------------------------------------------

    async def _publish(self, data: dict[str, Any]) -> None:
        """Publish a message, a dict of JSON. May raise."""
        raise NotImplementedError("This method must be implemented in a subclass.")

    def _listen(self) -> AsyncIterator[Any]:
        """Yield each message that comes, as JSON (str or bytes) or as the dict, for ever."""
        raise NotImplementedError("This method must be implemented in a subclass.")

    def _pipe(self) -> Pipe:
        listen = None if self.write_only else self._listen
        return TaskPipe(self._send, listen, self.name, self._close, self._tells, self._at_a_time)

    async def _send(self, data: bytes) -> None:
        """Publish a message as bytes, or raise."""
        await self._publish(wire.read(self._messages._json, data))

    async def _close(self) -> None:
        """Let go of what _send() has opened: its server has ended."""

    async def _send_aside(self, data: bytes) -> None:
        """Publish it without a served server: what fails is logged, as python-socketio does."""
        try:
            await self._send(data)
        except Exception as error:  # noqa: BLE001 - of any library
            (self.logger or default_logger).error("Cannot publish to %s: %r", self.name, error)

    def _send_later(self, data: bytes) -> None:
        """_send_aside() for who can't wait, behind what was to be sent before."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no loop runs here: it goes when the server is served
            self.bus.keep(data)
            return
        before = self._turn

        async def send() -> None:
            if before is not None and before.get_loop() is loop:
                with contextlib.suppress(asyncio.CancelledError):
                    await before
            await self._send_aside(data)

        self._turn = task = loop.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    # --- what it does ------------------------------------------------------------------------

    async def emit(
        self, event: str, data: Any, namespace: str | None = None, room: Any = None, skip_sid: Any = None,
        callback: Any = None, to: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See PubSubManager.emit()."""
        room = to or room
        if self.server is None:
            await self._send_aside(
                self._messages.emit(event, data, namespace, room, skip_sid, callback)
            )
            return
        if callback is not None and room is None:
            raise ValueError("Cannot use callback without a room set.")
        await self.server.emit(
            event, data, None, room, skip_sid, namespace, callback, bool(kwargs.get("ignore_queue"))
        )

    async def can_disconnect(self, sid: str, namespace: str) -> bool:
        """See PubSubManager.can_disconnect()."""
        if self.server is not None and self.is_connected(sid, namespace):
            return True
        await self.disconnect(sid, namespace)
        return False

    async def disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """See PubSubManager.disconnect()."""
        if self.server is None:
            await self._send_aside(self._messages.act("disconnect", namespace, sid=sid))
        else:
            await self.server.disconnect(sid, namespace, bool(kwargs.get("ignore_queue")))

    async def enter_room(
        self, sid: str, namespace: str, room: Any, eio_sid: str | None = None
    ) -> None:
        """See PubSubManager.enter_room()."""
        if self.server is None:
            await self._send_aside(self._messages.act("enter_room", namespace, sid=sid, room=room))
        else:
            await self.server.enter_room(sid, room, namespace)

    async def leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """See PubSubManager.leave_room()."""
        if self.server is None:
            await self._send_aside(self._messages.act("leave_room", namespace, sid=sid, room=room))
        else:
            await self.server.leave_room(sid, room, namespace)

    async def close_room(self, room: Any, namespace: str | None = None) -> None:
        """See PubSubManager.close_room()."""
        if self.server is None:
            await self._send_aside(self._messages.act("close_room", namespace, room=room))
        else:
            await self.server.close_room(room, namespace)

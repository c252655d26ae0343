"""The observer that tells admins of a server, and does what they ask for.

Events and commands are those of @socket.io/admin-ui 0.5; in what it does not lay down, this does as Node's
server side.
"""

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

from fastsio.admin.figures import Figures
from fastsio.admin.logins import Logins
from fastsio.admin.shown import described, iso_time, shown
from fastsio.core.hub import Hub
from fastsio.core.namespace import Namespace
from fastsio.core.reasons import python_reason
from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")

ALREADY = "instrument(): there is an observer already; uninstrument() ends one"
DEVELOPMENT, PRODUCTION = "development", "production"
COMMANDS = ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"]


class Admin:
    """The observer of one server. All of it runs on the engine's loop, but for the constructor."""

    def __init__(
        self, hub: Hub, auth: Any, mode: Any, read_only: bool, server_id: str | None, namespace: str,
        server_stats_interval: float,
    ) -> None:  # fmt: skip
        """Only checks: see begin(). Raises ValueError, and RuntimeError as that does."""
        if hub.observer is not None:
            raise RuntimeError(ALREADY)
        self._logins = Logins(auth, hub.registry.adapt)
        self.watches_events = _is_development(mode)
        self._read_only = bool(read_only)
        self._name = _checked_name(namespace)
        self._hub = hub
        interval_s = _checked_interval(server_stats_interval)
        self.figures = Figures(hub, server_id, interval_s, self._tell)
        # Those who have been admitted, by sid; and those who will be with their connect, with a new session's id.
        self._admins: dict[str, Socket] = {}
        self._granted: dict[str, str | None] = {}
        self._handlers: dict[str, Callable[..., Any]] = {"connect": self._connect}
        if not self._read_only:
            for event, act in (
                ("emit", self._emit), ("join", self._join), ("leave", self._leave), ("_disconnect", self._disconnect),
            ):  # fmt: skip
                self._handlers[event] = functools.partial(self._obey, event, act)

    def begin(self) -> None:
        """Let admins in, and look on. Raises RuntimeError if the server is instrumented already."""
        self._hub.observe(self)
        self._is_new = self._name not in self._hub.namespaces
        self._namespace: Namespace = self._hub.namespace(self._name)
        for event, fn in self._handlers.items():
            self._hub.registry.add(event, fn, self._name, is_ours=True)

    def end(self) -> None:
        """Take back all that begin() did; admins are disconnected. Nothing happens the second time."""
        hub, namespace = self._hub, self._namespace
        if hub.observer is not self:
            return
        self.figures.stop()
        hub.observe(None)
        ours = hub.registry.functions.get(self._name, {})
        for event, fn in self._handlers.items():
            if event in ours and ours[event].fn == fn:  # the application may have put its own there
                hub.registry.remove(event, self._name)
        leaving = list(self._admins.values())
        self._admins.clear()
        self._granted.clear()
        for socket in leaving:
            socket.disconnect()
        if self._is_new and not hub.registry.has(self._name) and namespace is hub.get(self._name):
            for socket in [*namespace.joining.values(), *namespace.sockets.values()]:
                socket.disconnect()
            del hub.namespaces[self._name]

    # --- admins ------------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        """The namespace's connect handler."""
        session_id = await self._logins.admit(auth)
        socket = self._namespace.find(sid)
        if socket is None or socket.is_dropped or not socket.session.is_open:
            return  # gone meanwhile
        if sid in self._namespace.sockets:  # always_connect
            self._welcome(socket, session_id, is_told=True)
            return
        # Others may be on their way too; who went before the admission is forgotten here.
        joining = self._namespace.joining
        self._granted = {one: its for one, its in self._granted.items() if one in joining}
        self._granted[sid] = session_id

    def _welcome(self, socket: Socket, session_id: str | None, is_told: bool = False) -> None:
        """A new admin: what can be done here, and what there is. `is_told`: the others know of its socket."""
        self._admins[socket.id] = socket
        if session_id is not None:
            self._send([socket], "session", session_id)
        if not is_told:
            self._tell_joined(socket)
        features = ["AGGREGATED_EVENTS", *([] if self._read_only else COMMANDS)]
        if self.watches_events:
            features.append("ALL_EVENTS")
        self._send([socket], "config", {"supportedFeatures": features})
        if self.watches_events:
            namespaces = list(self._hub.namespaces.values())
            everyone = [described(one) for name in namespaces for one in name.sockets.values()]
            self._send([socket], "all_sockets", everyone)
        self.figures.start()

    def _tell(self, event: str, *args: Any) -> None:
        if self._admins:
            self._send(self._admins.values(), event, *args)

    def _send(self, sockets: Iterable[Socket], event: str, *args: Any) -> None:
        """Send an event to admins. What can't be sent is logged: whoever looks on is in nobody's way."""
        try:
            encoded = self._namespace.encode_event([event, *args])
        except Exception as error:  # noqa: BLE001 - a module given as json= may raise anything
            logger.warning("admins are not told of an %s: %r", event, error)
            return
        for socket in sockets:
            socket.send_packet(encoded)

    # --- what the core tells -----------------------------------------------------------------

    def session_opened(self, session: Any) -> None:
        self.figures.counts.add("rawConnection")

    def session_closed(self, session: Any, reason: str) -> None:
        words = python_reason(reason, session.has_said_goodbye)
        self.figures.counts.add("rawDisconnection", sub_type=words)

    def session_upgraded(self, session: Any) -> None:
        if self.watches_events and session.handler is not None:
            for name, socket in session.handler.sockets.items():
                update = {"id": socket.id, "nsp": name, "transport": session.transport}
                self._tell("socket_updated", update)

    def socket_joined(self, socket: Socket) -> None:
        if socket.namespace is self._namespace and socket.id in self._granted:
            self._welcome(socket, self._granted.pop(socket.id))
        else:
            self._tell_joined(socket)

    def _tell_joined(self, socket: Socket) -> None:
        if self.watches_events and self._admins:
            now = iso_time()
            self._tell("room_joined", socket.namespace.name, socket.id, socket.id, now)
            self._tell("socket_connected", described(socket), now)

    def socket_left(self, socket: Socket, reason: str) -> None:
        if self._admins.pop(socket.id, None) is not None and not self._admins:
            self.figures.stop()
        if self.watches_events and self._admins:
            name, now = socket.namespace.name, iso_time()
            self._tell("room_left", name, socket.id, socket.id, now)
            words = python_reason(reason, socket.session.has_said_goodbye)
            self._tell("socket_disconnected", name, socket.id, words, now)

    def room_joined(self, socket: Socket, room: Any) -> None:
        self._tell("room_joined", socket.namespace.name, shown(room), socket.id, iso_time())

    def room_left(self, socket: Socket, room: Any) -> None:
        self._tell("room_left", socket.namespace.name, shown(room), socket.id, iso_time())

    def event_received(self, socket: Socket, args: list[Any]) -> None:
        if socket.namespace is not self._namespace:
            self._tell("event_received", socket.namespace.name, socket.id, args, iso_time())

    def event_sent(self, sockets: list[Socket], args: list[Any]) -> None:
        if self._admins:
            now = iso_time()
            for socket in sockets:
                if socket.namespace is not self._namespace:
                    self._tell("event_sent", socket.namespace.name, socket.id, args, now)

    # --- what admins may ask for -------------------------------------------------------------

    def _obey(self, event: str, act: Callable[..., None], sid: str, *args: Any) -> None:
        """A command. One that can't be done is logged, as its page waits for no answer."""
        try:
            if sid not in self._admins:
                raise ValueError("not an admin")
            act(*args)
        except (TypeError, ValueError) as error:
            logger.warning(
                "admin sid=%.6s… asked for %r with %r: %s", sid, event, list(args), error
            )

    def _find(self, name: Any, room: Any) -> tuple[Namespace | None, list[Socket]]:
        """A namespace and those in it whom a command means: everyone, or who is in a room or has that sid."""
        if not isinstance(name, str):
            raise TypeError(f"a namespace that is {name!r}")
        namespace = self._hub.get(name)
        rooms = None if room is None else frozenset(room if isinstance(room, list) else [room])
        return namespace, [] if namespace is None else list(namespace.adapter.members(rooms))

    def _emit(self, name: Any, room: Any, event: str, *data: Any) -> None:
        namespace, _ = self._find(name, room)
        if namespace is not None:
            namespace.emit_to([event, *data], room, None, None)

    def _join(self, name: Any, room: Any, chosen: Any = None) -> None:
        namespace, sockets = self._find(name, chosen)
        if namespace is not None and namespace.is_sid(room):
            raise ValueError(f"room {room!r} is a client's own")
        for socket in sockets:
            socket.join(room)

    def _leave(self, name: Any, room: Any, chosen: Any = None) -> None:
        for socket in self._find(name, room if chosen is None else chosen)[1]:
            socket.leave(room)

    def _disconnect(self, name: Any, close: Any = False, chosen: Any = None) -> None:
        for socket in self._find(name, chosen)[1]:
            socket.disconnect(bool(close))


def _is_development(mode: Any) -> bool:
    """As with python-socketio True and False are not "development"."""
    if isinstance(mode, bool):
        return False
    if mode not in (DEVELOPMENT, PRODUCTION):
        raise ValueError(f'mode={mode!r}: "development" or "production"')
    return bool(mode == DEVELOPMENT)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or "," in name or name.strip("/*") == "":
        raise ValueError(f'namespace={name!r}: one of its own for admins, such as "/admin"')
    return name if name.startswith("/") else f"/{name}"


def _checked_interval(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError(f"server_stats_interval={seconds!r}: a number of seconds above 0")
    return float(seconds)

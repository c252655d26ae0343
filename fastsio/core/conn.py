"""A socket's conn: the connection that it shares with the sockets of other namespaces, as Node's engine shows it.

Source: engine.io's Socket, the part that applications use. What a packet goes through is compiled and tells nobody: see
socket.on_any() and on_any_outgoing() for what comes and goes.
"""

from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core.emitter import Emitter, Handlers
from fastsio.core.handlers import called

if TYPE_CHECKING:
    from fastsio.core.peer import Peer

EVENTS = ("close", "upgrade")


class TransportView:
    """What a conn uses now: `name` is "polling", "websocket" or "webtransport"."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<transport {self.name}>"


class RawSocket(Emitter):
    """One client's connection. `id` is the session's: a secret between server and client.

    on("close") calls `fn(reason, description)` when it has ended, after the sockets' listeners; on("upgrade") calls
    `fn(transport)` when it has switched to another transport. once, off and the others are as on sockets.
    """

    __slots__ = ("_peer", "_session", "by_event")

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer
        self._session: Any = peer.session
        self.by_event: dict[str, Handlers] | None = None

    def __repr__(self) -> str:
        return f"<RawSocket {self.id[:6]}…, {self.ready_state}>"

    # --- what it is --------------------------------------------------------------------------

    @property
    def id(self) -> str:
        sid: str = self._session.id
        return sid

    @property
    def protocol(self) -> int:
        """The version of Engine.IO that the client speaks: 3 or 4."""
        protocol: int = getattr(self._session, "protocol", 4)
        return protocol

    @property
    def request(self) -> Any:
        """The HTTP request that opened it: method, url, path, query, headers."""
        return self._session.request

    @property
    def remote_address(self) -> str:
        """The client's address; behind trusted proxies what these say."""
        address: str = self._session.origin.address
        return address

    @property
    def ready_state(self) -> str:
        """ "open" or "closed"."""
        return "open" if self._session.is_open else "closed"

    @property
    def transport(self) -> TransportView:
        return TransportView(self._session.transport)

    @property
    def upgraded(self) -> bool:
        """Whether it polls no more; also if it never has."""
        return bool(self._session.transport != "polling")

    # --- what can be done --------------------------------------------------------------------

    def send(self, data: Any) -> None:
        """Send an Engine.IO message past Socket.IO: a str, or a dict or list as JSON. Nothing happens after the end.

        Raises TypeError for anything else, such as bytes: on this connection they would be an attachment.
        """
        hub = self._peer.hub
        message = hub.encode_message(data)
        if hub.is_elsewhere():
            hub.call_soon(self._send, message)
        else:
            self._send(message)

    write = send

    def _send(self, message: Any) -> None:
        if self._session.outlet is not None:
            self._session.outlet.send(message)

    def close(self, discard: bool = False) -> None:
        """Close it behind what was sent; `discard` leaves that out. The sockets' reason is "forced close"."""
        hub = self._peer.hub
        if hub.is_elsewhere():
            hub.call_soon(self.close, discard)
        elif not self._session.is_open:
            return
        elif discard:
            self._session.abort("forced close")
        else:
            self._session.close("forced close")

    # --- what happens ------------------------------------------------------------------------

    def set_listeners(self, event: str, handlers: Handlers) -> None:
        if event not in EVENTS:
            raise ValueError(f"event {event!r} of a conn: one of {', '.join(EVENTS)}")
        super().set_listeners(event, handlers)
        if event == "upgrade":
            self._peer.hub.hear_upgrades()

    def tell(self, event: str, *args: Any) -> None:
        """Run the listeners of an event; what they raise is logged."""
        for handler in self.handlers_of(event):
            if handler.once:
                self.forget(event, handler)
            count = handler.max_args if handler.max_args >= 0 else len(args)
            start_eager(
                called(handler.fn, *args[:count]),
                self._peer.hub.tasks,
                f"listener of a conn's {event!r}",
            )

"""RemoteSocket: a client as fetch_sockets() shows it.

It has what can be known and done of a client wherever it is. Source: Node's RemoteSocket.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.core.flags import FlaggedSocket
from fastsio.core.handshake import Handshake

if TYPE_CHECKING:
    from fastsio.core.socket import Socket


class RemoteSocket:
    """id, handshake and data are the socket's; rooms are those that it was in when it was fetched."""

    __slots__ = ("_socket", "id", "rooms")

    def __init__(self, socket: "Socket") -> None:
        self._socket = socket
        self.id: str = socket.id
        self.rooms: set[Any] = socket.rooms

    def __repr__(self) -> str:
        return f"<RemoteSocket {self.id[:6]}…>"

    @property
    def handshake(self) -> Handshake:
        return self._socket.handshake

    @property
    def data(self) -> dict[str, Any]:
        return self._socket.data

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """As Socket.emit()."""
        self._socket.emit(event, *args, ack=ack)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """As Socket.emit_with_ack()."""
        return await self._socket.emit_with_ack(event, *args)

    def timeout(self, seconds: float) -> FlaggedSocket:
        """As Socket.timeout()."""
        return self._socket.timeout(seconds)

    def join(self, room: Any) -> None:
        """Make it join a room, or every room of a list."""
        self._socket.join(room)

    def leave(self, room: Any) -> None:
        self._socket.leave(room)

    def disconnect(self, close: bool = False) -> None:
        """As Socket.disconnect()."""
        self._socket.disconnect(close)

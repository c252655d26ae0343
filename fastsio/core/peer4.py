"""Peers of clients that speak Socket.IO protocol v4, those of Socket.IO 1.x and 2.x. They come over Engine.IO v3.

They are in "/" without asking, their CONNECT reply says nothing (the id of a socket follows from the session's), a
refusal is its data alone, and what they send along to a namespace is a query in its name.
Source: socket.io-protocol v4; Node's Socket.IO 4 with `allowEIO3`.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fastsio._codec import NO_DATA
from fastsio._encoded import Encoded
from fastsio.core.peer import CONNECT, Peer

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket


class Peer4(Peer):
    """One client of Socket.IO protocol v4."""

    __slots__ = ()

    protocol = 4

    def opened(self) -> None:
        """The client knows its session: it is in "/" as soon as it has been asked about."""
        # A refusal of "/" is an error event in every namespace of such a client, and it has asked for none.
        if self.hub.find_namespace("/") is not None:
            self._connect("/", None)

    def control(self, packet_type: int, name: str, data: Any) -> None:
        if packet_type == CONNECT:
            # Not decoded, as Node does with the rest of the name: "/é" would then be none that `of("/é")` has.
            name, _, query = name.partition("?")
            data = dict(parse_qsl(query, keep_blank_values=True)) or None
        super().control(packet_type, name, data)

    def new_socket_id(self, namespace: "Namespace") -> str:
        """What the client makes of its session's id."""
        sid: str = self.session.id
        if namespace.name != "/":
            sid = f"{namespace.name}#{sid}"
        if self.hub.cluster is not None:
            self.hub.cluster.bus.id_made(namespace.name, sid)
        return sid

    def connect_packet(self, socket: "Socket") -> Encoded:
        return socket.namespace.encode_control(CONNECT, NO_DATA)

    def _said_of(self, error: dict[str, Any]) -> Any:
        return error.get("data") or error["message"]

"""What the page gets to see of a socket, a room and a time."""

from datetime import UTC, datetime
from typing import Any

from fastsio.core.socket import Socket

# The id of a session is a secret between client and server; the page needs only to tell clients apart.
CLIENT_ID_CHARS = 12


def iso_time(seconds: float | None = None) -> str:
    """A time (seconds since 1970, None: now) as JavaScript writes it."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(room: Any) -> Any:
    """A room for JSON: rooms may be anything hashable."""
    return room if isinstance(room, (str, int, float)) else str(room)


def described(socket: Socket) -> dict[str, Any]:
    """A socket as the page wants it. Without what the client sent as `auth`, and without its session dict."""
    handshake = socket.handshake
    return {
        "id": socket.id,
        "clientId": socket.session.id[:CLIENT_ID_CHARS],
        "transport": socket.transport,
        "nsp": socket.namespace.name,
        "data": {},
        "handshake": {
            "address": handshake.address,
            "headers": handshake.headers,
            "query": handshake.query,
            "issued": handshake.issued,
            "secure": handshake.secure,
            "time": iso_time(handshake.issued / 1000),
            "url": handshake.url,
            "xdomain": handshake.xdomain,
        },
        "rooms": [socket.id, *(shown(room) for room in socket.rooms if room != socket.id)],
    }

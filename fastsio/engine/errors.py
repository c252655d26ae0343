"""What the official server answers to a request that it refuses.

Source: engine.io 6.6, seen on the wire; engine.io-protocol v4, "HTTP long-polling".
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from fastsio.engine.ports import Request

if TYPE_CHECKING:
    from fastsio.engine.session import Session


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request: the official code and message, and the HTTP status of the plain request."""

    code: int
    message: str
    status: int = 400

    @property
    def body(self) -> bytes:
        return orjson.dumps({"code": self.code, "message": self.message})


UNKNOWN_TRANSPORT = Refusal(0, "Transport unknown")
UNKNOWN_SID = Refusal(1, "Session ID unknown")
BAD_HANDSHAKE_METHOD = Refusal(2, "Bad handshake method")
BAD_REQUEST = Refusal(3, "Bad request")
UNSUPPORTED_PROTOCOL_VERSION = Refusal(5, "Unsupported protocol version")
# The code of refusals whose message is not fixed.
FORBIDDEN = 4


def context_of(refusal: Refusal, request: Request, session: "Session | None") -> dict[str, Any]:
    """What Node's connection_error tells besides code and message; `session` is the one that the request names."""
    transport = request.argument("transport")
    if refusal is UNKNOWN_TRANSPORT:
        return {"transport": transport}
    if refusal is UNKNOWN_SID:
        return {"sid": request.argument("sid")}
    if refusal is BAD_HANDSHAKE_METHOD:
        return {"method": request.method}
    protocol = 4 if request.argument("EIO") == "4" else 3
    if refusal is UNSUPPORTED_PROTOCOL_VERSION:
        return {"protocol": protocol}
    if session is None:
        return {"name": "TRANSPORT_HANDSHAKE_ERROR"}
    if session.transport != transport:
        previous = session.transport
        return {
            "name": "TRANSPORT_MISMATCH",
            "transport": transport,
            "previous_transport": previous,
        }
    previous_protocol = session.protocol
    return {
        "name": "PROTOCOL_MISMATCH",
        "protocol": protocol,
        "previous_protocol": previous_protocol,
    }

"""What the official server answers to a request that it refuses.

Source: engine.io 6.6, seen on the wire; engine.io-protocol v4, "HTTP long-polling".
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused request: the official code and message, and the HTTP status of the plain request."""

    code: int
    message: str
    status: int = 400

    @property
    def body(self) -> bytes:
        return b'{"code":%d,"message":"%s"}' % (self.code, self.message.encode())


UNKNOWN_TRANSPORT = Refusal(0, "Transport unknown")
UNKNOWN_SID = Refusal(1, "Session ID unknown")
BAD_HANDSHAKE_METHOD = Refusal(2, "Bad handshake method")
BAD_REQUEST = Refusal(3, "Bad request")
UNSUPPORTED_PROTOCOL_VERSION = Refusal(5, "Unsupported protocol version")
# The code of refusals whose message is not fixed.
FORBIDDEN = 4

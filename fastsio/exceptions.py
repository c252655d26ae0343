"""The errors that users catch and raise, under python-socketio's module name."""

from fastsio.core.errors import (
    BadNamespaceError,
    ClientGoneError,
    ConnectionError,
    ConnectionRefusedError,
    DisconnectedError,
    InvalidArgumentError,
    LimitError,
    PartialAnswersError,
    RateLimitError,
    SocketIOError,
    TimeoutError,
)

__all__ = [
    "BadNamespaceError",
    "ClientGoneError",
    "ConnectionError",
    "ConnectionRefusedError",
    "DisconnectedError",
    "InvalidArgumentError",
    "LimitError",
    "PartialAnswersError",
    "RateLimitError",
    "SocketIOError",
    "TimeoutError",
]

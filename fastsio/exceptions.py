"""The errors that users catch and raise, under python-socketio's module name."""

from fastsio.core.errors import (
    BadNamespaceError,
    ClientGoneError,
    ConnectionError,
    ConnectionRefusedError,
    DisconnectedError,
    InvalidArgumentError,
    PartialAnswersError,
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
    "PartialAnswersError",
    "SocketIOError",
    "TimeoutError",
]

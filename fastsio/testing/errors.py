"""What a test client raises besides AssertionError, which says that something expected did not happen."""

from typing import Any

from fastsio.exceptions import ConnectionError


class ConnectionRefused(ConnectionError):
    """The server did not let the client in.

    `message` and `data` are what its connect_error would carry (data None: none). `status` is the HTTP status of a
    refused handshake, whose body is the message then; None where a namespace refused.
    """

    def __init__(self, message: str, data: Any = None, status: int | None = None) -> None:
        super().__init__(message, *(() if data is None else (data,)))
        self.message = message
        self.data = data
        self.status = status

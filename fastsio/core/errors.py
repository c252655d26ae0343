"""What users catch and raise. The names and texts are python-socketio's where it has the error."""

from typing import Any


class SocketIOError(Exception):
    """Base of all errors here."""


class ConnectionError(SocketIOError):
    """A connection could not be made or kept."""


class ConnectionRefusedError(ConnectionError):
    """Raise it in a `connect` handler or a middleware to refuse the client.

    The first argument is the message that the client's connect_error carries, a second one its `data`,
    several more a list of them.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.error_args: dict[str, Any] = {
            "message": str(args[0]) if args else "Connection rejected by server"
        }
        if len(args) == 2:
            self.error_args["data"] = args[1]
        elif len(args) > 2:
            self.error_args["data"] = list(args[1:])


class TimeoutError(SocketIOError):
    """The client did not answer in time."""


class PartialAnswersError(TimeoutError):
    """Not all clients answered a broadcast in time; `responses` is a list of the answers that came."""

    def __init__(self, responses: list[Any]) -> None:
        super().__init__("operation has timed out")
        self.responses = responses


class BadNamespaceError(SocketIOError):
    """The namespace is not connected."""


class DisconnectedError(SocketIOError):
    """There is no connection, or no longer."""


class RateLimitError(SocketIOError):
    """A client's event is over a limit (limit()) and was not handled.

    event: its name; retry_after: seconds until one may pass.
    """

    def __init__(self, event: str, retry_after: float) -> None:
        super().__init__(f"too many events {event!r}, try again in {retry_after:.2g} s")
        self.event = event
        self.retry_after = retry_after

    @property
    def answer(self) -> dict[str, Any]:
        """What the client's ack gets."""
        return {
            "error": {
                "code": "rate_limited",
                "event": self.event,
                "retry_after": round(self.retry_after, 3),
                "message": str(self),
            }
        }


class LimitError(SocketIOError, ValueError):
    """A client would have more than an option of the server allows; `option` is its name."""

    def __init__(self, message: str, option: str) -> None:
        super().__init__(f"{message} ({option})")
        self.option = option


class ClientGoneError(DisconnectedError, TimeoutError):
    """The client went, or had gone, before it answered.

    A TimeoutError too: python-socketio waits until the time is up, so that is what its users catch.
    """


class InvalidArgumentError(SocketIOError, ValueError):
    """A client's argument is not what a typed handler takes, so the handler was not called.

    event; argument: its index among the event's, from 0, and name, that of the parameter; path: where in it, such as
    "position.x" or "tags[2]", empty for the argument itself; message. In a refused connect, event is "connect" and
    argument 0 is what the client sent as `auth`.
    """

    def __init__(self, event: str, argument: int, name: str, path: str, message: str) -> None:
        super().__init__(event, argument, name, path, message)
        self.event = event
        self.argument = argument
        self.name = name
        self.path = path
        self.message = message
        # The handler's own `ack`, where it has one: that is what answers the client.
        self.ack: Any = None

    def __str__(self) -> str:
        where = f"{self.name}.{self.path}".replace(".[", "[") if self.path else self.name
        return f"argument {self.argument} of {self.event!r} ({where}): {self.message}"

    @property
    def answer(self) -> dict[str, Any]:
        """What the client's ack gets."""
        return {
            "error": {
                "code": "invalid_argument",
                "event": self.event,
                "argument": self.argument,
                "name": self.name,
                "path": self.path,
                "message": self.message,
            }
        }

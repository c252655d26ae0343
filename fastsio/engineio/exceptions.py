"""python-engineio's exceptions, for those who catch them by these names.

The server itself raises none of them to applications: what a client does wrong ends that client's session.
"""


class EngineIOError(Exception):
    """The base of all others."""


class ContentTooLongError(EngineIOError):
    """A message is over max_http_buffer_size."""


class UnknownPacketError(EngineIOError):
    """A packet's type is none that the protocol has."""


class QueueEmpty(EngineIOError):
    """There is nothing to take from a queue."""


class SocketIsClosedError(EngineIOError):
    """The client has gone."""


class ConnectionError(EngineIOError):
    """A client can't connect."""


__all__ = [
    "ConnectionError",
    "ContentTooLongError",
    "EngineIOError",
    "QueueEmpty",
    "SocketIsClosedError",
    "UnknownPacketError",
]

"""python-engineio's servers over fastsio's engine: messages between server and client, without Socket.IO."""

from fastsio.engineio import exceptions, packet, payload
from fastsio.engineio.asgi import ASGIApp
from fastsio.engineio.server import AsyncServer

__all__ = ["ASGIApp", "AsyncServer", "exceptions", "packet", "payload"]

"""fastsio: the fastest Socket.IO server there is, in Python. Two API styles: AsyncServer and IO."""

from fastsio import exceptions
from fastsio.api.aio import AsyncServer
from fastsio.api.io import IO
from fastsio.serve import RunningServer, run, start

__all__ = ["IO", "AsyncServer", "RunningServer", "exceptions", "run", "start"]

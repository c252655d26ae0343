from collections.abc import Callable
from socket import socket
from typing import Any

from fastsio._handles import Wires

class Listener:
    @property
    def sockets(self) -> list[socket]: ...
    def close(self) -> None: ...

class Wire: ...

def listen(wires: Wires, sock: socket, make: Callable[[], Any], backlog: int) -> Listener: ...

"""Connections as Python sees them; see _conn.pyx."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio._http import Request
from fastsio._stream import Stream

class Conn(Stream, asyncio.Protocol):
    is_busy: bool
    http: Any
    on_abort: Callable[[], None] | None
    has_served: bool
    def __init__(self, router: Any) -> None: ...
    def respond(
        self,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        keep_alive: bool = True,
        is_head: bool = False,
    ) -> None: ...
    def accept_websocket(
        self, request: Request, headers: list[tuple[str, str]], receiver: Any
    ) -> bool: ...
    def close_websocket(self, code: int = -1) -> None: ...
    def connection_lost(self, error: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def on_due(self) -> float: ...
    def close(self) -> None: ...
    def retire(self) -> None: ...

class SecureConn(Conn): ...

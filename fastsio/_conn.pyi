"""Connections as Python sees them; see _conn.pyx."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio._deflate import Deflate
from fastsio._fanout import Outlet
from fastsio._http import Request

class Conn(Outlet, asyncio.Protocol):
    transport: Any
    is_secure: bool
    deflate: Deflate | None
    session: Any
    receiver: Any
    on_abort: Callable[[], None] | None
    wheel_slot: int | None
    def __init__(self, router: Any) -> None: ...
    @property
    def remote(self) -> str: ...
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
    def send_text(self, packet: bytes) -> None: ...
    def on_due(self) -> float: ...
    def close(self) -> None: ...
    def retire(self) -> None: ...
    def abort(self) -> None: ...

class SecureConn(Conn): ...

"""Hosted WebSockets as Python sees them; see _hosted.pyx."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastsio._fanout import Outlet
from fastsio._http import Request

class HostedSocket(Outlet):
    remote: str
    is_secure: bool
    session: Any
    receiver: Any
    on_abort: Callable[[], None] | None
    wheel_slot: int | None
    refusal: tuple[int, list[tuple[str, str]], bytes] | None
    headers: list[tuple[str, str]]
    is_interrupted: bool
    def __init__(
        self,
        engine: Any,
        remote: str,
        is_secure: bool,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        driver: asyncio.Task[Any] | None,
    ) -> None: ...
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
    is_undecided: bool
    def wait(self) -> asyncio.Future[None]: ...
    def opened(self) -> None: ...
    def take_text(self, text: str) -> None: ...
    def take_binary(self, data: bytes) -> None: ...
    def disconnected(self, code: int) -> None: ...
    def gone(self, error: BaseException | None) -> None: ...
    def send_text(self, packet: bytes) -> None: ...
    def close_websocket(self, code: int = -1) -> None: ...
    def release(self) -> None: ...
    def on_due(self) -> float: ...
    def abort(self) -> None: ...

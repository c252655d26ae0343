"""Dispatch as Python sees it; see _dispatch.pyx."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio._encoded import Encoded
from fastsio._fanout import Member
from fastsio._json import Json

class Handler:
    fn: Callable[..., Any]
    call: Callable[..., Any]
    prefix: int
    max_args: int
    takes_ack: bool
    once: bool
    concurrency: int
    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        prefix: int = 0,
        max_args: int = -1,
        takes_ack: bool = False,
        once: bool = False,
        call: Callable[..., Any] | None = None,
        concurrency: int = 0,
    ) -> None: ...

class AckSender:
    def __call__(self, *args: Any) -> None: ...
    def __bool__(self) -> bool: ...

class Replies:
    due: int

class NamespaceBase:
    name: str
    json: Json
    handlers: dict[str, Handler]
    fallback: Handler | None
    tasks: set[asyncio.Task[Any]]
    handler_errors: int
    max_running: int
    on_failure: Callable[[Any, Exception, list[Any], int], None] | None
    observer: Any
    recovery: Any
    asks_adapter: bool
    home: int
    sockets: dict[str, Any]
    joining: dict[str, Any]
    rooms: dict[Any, dict[str, Any]]
    leaving: dict[str, Any]
    guards: list[Callable[..., Any]]
    connection_handlers: tuple[Handler, ...]
    attendants: tuple[Any, ...] | None
    is_passing: bool
    def emit_to(self, args: list[Any], room: Any, skip: Any, callback: Any) -> None: ...
    def encode_event(self, args: list[Any], id: int = -1) -> Encoded: ...
    def encode_connect(self, sid: str) -> Encoded: ...
    def is_elsewhere(self) -> bool: ...
    def encode_control(self, type: int, data: Any = ...) -> Encoded: ...

class SocketBase(Member):
    namespace: Any
    peer: Any
    _auth: dict[str, Any] | None
    _handshake: Any
    _joined: set[Any] | None
    _data: dict[str, Any] | None
    _ack_count: int
    by_event: dict[str, tuple[Handler, ...]] | None
    of_any: tuple[Handler, ...] | None
    acks: dict[int, Any] | None
    turns: dict[Any, Any] | None
    issued: float
    is_connected: bool
    middleware: Any
    is_dropped: bool
    is_refused: bool
    def forget(self, event: str, handler: Handler) -> None: ...
    def begin_turn(
        self,
        handler: Handler,
        args: list[Any],
        id: int,
        replies: Any,
        on_end: Callable[[], None] | None,
    ) -> bool: ...
    def wait_for_turn(self, handler: Handler, args: list[Any], id: int, replies: Any) -> None: ...
    def run_any(self, args: list[Any], id: int) -> int: ...
    def run_several(self, handlers: list[Handler], args: list[Any], id: int) -> int: ...
    def take(self, args: list[Any], id: int) -> None: ...
    async def answer(
        self, handler: Handler, args: list[Any], id: int, replies: Replies | None = None
    ) -> None: ...
    def reply_to(self, id: int, result: Any) -> None: ...
    def note(self, event: str, error: BaseException) -> None: ...
    def run_handler(self, handler: Handler, event: str, *args: Any) -> None: ...
    def send_packet(self, encoded: Encoded, is_volatile: bool = False) -> bool: ...

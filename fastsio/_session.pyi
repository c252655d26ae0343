"""Sessions as Python sees their compiled base; see _session.pyx."""

from collections.abc import Callable
from typing import Any

from fastsio._fanout import SessionBase
from fastsio._http import Request
from fastsio._wheel import Wheel

class EngineBase:
    sessions: dict[str, Any]
    wheel: Wheel
    now: Callable[[], float]
    arrivals: Any
    ping_interval_s: float
    handler: Any
    new_id: Callable[[], str]
    front: Any
    watches_flow: bool
    _hooks: Any
    _questions: Any
    _ask: Callable[..., None] | None
    _initial: Any
    _checks_origin: bool
    _has_cors: bool
    _opens_websockets: bool
    session_class: type[Any]
    def use_open_packet(self, packet: bytes) -> None: ...
    def serve_plainly(self, request: Request, exchange: Any) -> bool: ...
    def cors_headers(self, request: Request) -> list[tuple[str, str]]: ...
    def accepts_origin(self, request: Request, origin: str, exchange: Any) -> bool: ...

class SessionCore(SessionBase):
    engine: Any
    request: Any
    remote: str
    transport: str
    polling: Any
    probe: Any
    wheel_slot: Any
    is_secure: bool
    has_said_goodbye: bool
    _awaits_pong: bool
    _deadline: Callable[[], None] | None
    _deadline_at: float
    def __init__(
        self, engine: EngineBase, sid: str, request: Any, remote: str, is_secure: bool
    ) -> None: ...
    def start_websocket(self, conn: Any, transport: str = "websocket") -> None: ...
    def set_deadline(self, seconds: float, call: Callable[[], None]) -> None: ...
    def clear_deadline(self) -> None: ...
    def websocket_closed(self, conn: Any, code: int) -> None: ...
    def connection_lost(self, conn: Any, error: Exception | None) -> None: ...
    def end(self, reason: str, description: str | None = None) -> None: ...
    def _finish(self, reason: str, description: str | None) -> None: ...
    def forget(self) -> None: ...
    def answer_last_poll(self, polling: Any) -> None: ...

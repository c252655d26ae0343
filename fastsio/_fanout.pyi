"""Fan-out as Python sees it; see _fanout.pyx."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from fastsio._encoded import Encoded

class MessageHandler:
    def receive_text(self, data: bytes) -> None: ...
    def receive_binary(self, data: bytes) -> None: ...

class SessionBase:
    id: str
    outlet: Any
    handler: Any
    flow: Any
    ping_at: float
    is_open: bool
    heard: bool
    is_crowded: bool
    at_work: int
    def write_failed(self, error: BaseException) -> None: ...

class Member:
    id: str
    session: Any

class Sends: ...

class Flusher:
    is_scheduled: bool
    failures: int
    dropped: int
    send_timeout_s: float
    sends: Sends | None
    is_counting: bool
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    def __init__(self, call_soon: Callable[..., Any], loop: Any = None) -> None: ...
    def run(self) -> None: ...

class FlowControl:
    def flushed(self, outlet: Outlet) -> int: ...

class Outlet:
    queue: list[Encoded]
    buffered_bytes: int
    max_buffered_bytes: int
    is_writable: bool
    is_closed: bool
    is_overflowing: bool
    dropped: int
    flow: FlowControl | None
    dialect: int
    def drain(self) -> None: ...
    def overflow(self) -> None: ...
    def flush_failed(self, error: BaseException) -> None: ...
    def set_flusher(self, flusher: Flusher) -> None: ...
    def send(self, encoded: Encoded, is_volatile: bool = False) -> bool: ...
    def take_queue(self) -> list[Encoded]: ...
    def adopt_queue(self, queue: list[Encoded]) -> None: ...

def fan_out(
    members: Mapping[str, Member],
    encoded: Encoded,
    skip: Container[str] | None = None,
    is_volatile: bool = False,
) -> int: ...

"""WebSocket frames as Python sees them; see _frames.pyx."""

from typing import Any

class ProtocolError(Exception):
    close_code: int
    reason: str
    size: int | None
    option: str | None
    packets: list[tuple[str, bytes]]
    def __init__(self, close_code: int, reason: str) -> None: ...

class OverLimit(ProtocolError):
    def __init__(self, close_code: int, reason: str, option: str) -> None: ...

class FrameReader:
    events: list[tuple[Any, ...]]
    def __init__(
        self,
        max_message_bytes: int,
        expect_mask: bool = True,
        take_compressed: bool = False,
        max_frames: int = 0,
    ) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> None: ...

def build_frame(
    opcode: int, payload: bytes, mask: bytes | None = None, fin: bool = True
) -> bytes: ...
def utf8_valid(data: bytes) -> bool: ...

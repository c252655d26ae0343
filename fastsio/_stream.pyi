"""The writing side of a connection as Python sees it; see _stream.pyx."""

from typing import Any

from fastsio._deflate import Deflate
from fastsio._fanout import Outlet

class Stream(Outlet):
    transport: Any
    is_secure: bool
    deflate: Deflate | None
    session: Any
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def send_text(self, packet: bytes) -> None: ...
    def end_writing(self) -> None: ...
    def abort(self) -> None: ...

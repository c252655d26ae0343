"""A client's bytes as Python sees them; see _client.pyx."""

from collections.abc import Callable
from typing import Any

from fastsio._encoded import Encoded

def masked_packets(packets: list[Encoded | bytes]) -> bytes: ...
def masked_frame(opcode: int, payload: bytes) -> bytes: ...

class PacketReader:
    def __init__(
        self,
        on_packet: Callable[[int, str, int | None, Any], None],
        on_message: Callable[[str | bytes], None],
        on_engine: Callable[[str, bytes], None],
        on_control: Callable[[int, Any], None],
        max_message_bytes: int,
        json: Any = None,
        is_raw: bool = False,
    ) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> None: ...
    def take_text(self, packet: bytes) -> None: ...
    def take_binary(self, data: bytes) -> None: ...
    def stop(self) -> None: ...

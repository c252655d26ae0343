"""permessage-deflate as Python sees it; see _deflate.pyx."""

from fastsio._encoded import Encoded

class Compression:
    threshold: int
    level: int
    mem_level: int
    def __init__(self, threshold: int, level: int, mem_level: int) -> None: ...

class Deflate:
    window_bits: int
    peer_window_bits: int
    has_context: bool
    peer_has_context: bool
    holds_memory: bool
    def __init__(
        self,
        compression: Compression,
        window_bits: int,
        has_context: bool,
        peer_window_bits: int,
        peer_has_context: bool,
    ) -> None: ...
    def compress(self, packets: list[Encoded]) -> bytes: ...
    def decompress(self, is_text: bool, data: bytes, max_bytes: int) -> bytes: ...

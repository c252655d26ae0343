"""MessagePack as Python sees it; see _msgpack.pyx."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fastsio._codec import MessageDecoder, Parser

class ExtType(NamedTuple):
    code: int
    data: bytes

def require_msgspec() -> None: ...
def node_value(code: int, data: bytes) -> Any: ...

class MsgPackDecoder(MessageDecoder):
    def __init__(self, ext_hook: Callable[[int, bytes], Any] | None = None) -> None: ...
    def fields(self, message: bytes) -> tuple[int, str, Any, Any]: ...

class MsgPack(Parser):
    decoder: MsgPackDecoder
    def __init__(
        self,
        dumps_default: Callable[[Any], Any] | None = None,
        ext_hook: Callable[[int, bytes], Any] | None = None,
    ) -> None: ...
    def pack(self, type: int, namespace: str | None, id: int | None, data: Any) -> bytes: ...

"""Packets as Python sees them; see _codec.pyx."""

from typing import Any, Final

from fastsio._encoded import Encoded
from fastsio._json import Json

NO_DATA: Final[Any]
RESERVED_EVENTS: Final[frozenset[str]]

def check_event_name(event: Any) -> None: ...

class Packet:
    type: int
    attachments: int
    namespace: str
    id: int | None
    data: Any

def split_packet(text: str | bytes, json: Any = None) -> Packet: ...

class Decoder:
    def __init__(self, json: Any = None) -> None: ...
    def add_text(self, text: str | bytes) -> Packet | None: ...
    def add_binary(self, data: bytes) -> Packet | None: ...

def encode_packet(
    type: int, data: Any = ..., namespace: str = "/", id: int | None = None, json: Any = None
) -> Encoded: ...

class Parser(Json):
    def __init__(self, *args: Any) -> None: ...
    def encode(self, type: int, namespace: str, id: int, data: Any) -> Encoded: ...
    def new_decoder(self) -> MessageDecoder: ...

class MessageDecoder:
    def decode(self, message: str | bytes) -> Packet | None: ...

def checked_packet(type_: Any, namespace: Any, id: Any, data: Any) -> Packet: ...

"""Raw Engine.IO messages as Python sees them; see _raw.pyx."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastsio._encoded import Encoded
from fastsio._fanout import MessageHandler
from fastsio._json import Json

class RawMessages:
    fn: Callable[[str, Any], Any] | None
    is_serial: bool
    max_running: int
    json: Json
    tasks: set[asyncio.Task[Any]]
    handler_errors: int
    def __init__(self, json: Json, tasks: set[asyncio.Task[Any]], is_serial: bool) -> None: ...

class RawHandler(MessageHandler):
    messages: RawMessages
    engine_session: Any
    sid: str
    is_busy: bool
    at_work: int
    is_closing: bool
    def __init__(
        self, messages: RawMessages, session: Any, loop: asyncio.AbstractEventLoop
    ) -> None: ...
    def put(self, encoded: Encoded) -> bool: ...
    def call(self, data: Any) -> None: ...
    def keep(self, data: Any, size: int) -> None: ...
    def resume(self) -> None: ...

class PassedOn(MessageHandler):
    def take(self, is_text: bool, data: bytes) -> None: ...

def decode_message(data: bytes, json: Json) -> Any: ...
def encode_message(data: Any, json: Json) -> Encoded: ...
def encode_raw_packet(packet: str | bytes) -> Encoded: ...
def encode_base64(data: bytes) -> str: ...
def json_text(data: Any, json: Json) -> str: ...

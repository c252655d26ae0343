"""JSON as Python sees it; see _json.pyx."""

from typing import Any

class Json:
    dumps: Any
    loads: Any
    max_depth: int
    max_attachments: int
    def __init__(self, module: Any = None) -> None: ...

DEFAULT_JSON: Json

def is_nested_too_deeply(text: bytes) -> bool: ...

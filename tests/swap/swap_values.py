"""Values as they stand in a transcript: JSON that keeps bytes, tuples and their types apart.

Used on both ends: by the server's process for what handlers saw, by the test for what clients saw.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# Longer texts and bytes stand in a transcript as their length and digest.
LONG = 200
_SID = re.compile(r"(?<![\w-])[\w-]{20}(?![\w-])", re.ASCII)


def describe(value: Any) -> Any:
    """`value` as JSON has it, with what JSON does not have named."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONG else {"$str": len(value), "sha": _sha(value.encode())}
    if isinstance(value, (bytes, bytearray, memoryview)):
        kind, data = f"${type(value).__name__}", bytes(value)
        return {kind: data.hex()} if len(data) <= LONG else {kind: len(data), "sha": _sha(data)}
    if isinstance(value, tuple):
        return {"$tuple": [describe(item) for item in value]}
    if isinstance(value, list):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, BaseException):
        return {"$error": type(value).__name__, "text": str(value)}
    return {"$object": type(value).__name__}


def without_sids(lines: list[str]) -> list[str]:
    """The lines with every id replaced by `<1>`, `<2>`, … in the order in which they come up."""
    names: dict[str, str] = {}
    return [
        _SID.sub(lambda found: names.setdefault(found[0], f"<{len(names) + 1}>"), line)
        for line in lines
    ]


def line_of(who: str, entry: Any) -> str:
    """One line of a transcript."""
    return f"{who}: {json.dumps(entry, ensure_ascii=False)}"


def to_wire(value: Any) -> Any:
    """Arguments for the JavaScript client: bytes become {"$bytes": hex}."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, (list, tuple)):
        return [to_wire(item) for item in value]
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    return value


def from_wire(value: Any) -> Any:
    """What the JavaScript client saw, with its bytes as bytes."""
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"$bytes"}:
            return bytes.fromhex(value["$bytes"])
        return {key: from_wire(item) for key, item in value.items()}
    return value


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]

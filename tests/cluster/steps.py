"""Chains of calls as the tests write them for servers of both kinds: names are Node's, bytes are {"$bytes": hex}."""

from __future__ import annotations

import re
from typing import Any


def revive(value: Any) -> Any:
    """Bytes in it as bytes."""
    if isinstance(value, list):
        return [revive(one) for one in value]
    if isinstance(value, dict):
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        return {key: revive(one) for key, one in value.items()}
    return value


def freeze(value: Any) -> Any:
    """What revive() has made, as lines of JSON carry it."""
    if isinstance(value, (list, tuple)):
        return [freeze(one) for one in value]
    if isinstance(value, dict):
        return {key: freeze(one) for key, one in value.items()}
    return {"$bytes": value.hex()} if isinstance(value, bytes) else value


def snake(name: str) -> str:
    """Node's name of a method as ours."""
    name = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return f"{name}_" if name in ("in", "except") else name


def follow(value: Any, steps: list[list[Any]]) -> Any:
    """What the last step returns, each being a method of what the one before it has returned."""
    for method, *args in steps:
        name = snake(method)
        given = [one / 1000 for one in args] if name == "timeout" else revive(args)
        member = getattr(value, name)
        value = member(*given) if callable(member) else member
    return value

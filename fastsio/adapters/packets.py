"""Packets and the JSON in them."""


def json_of(event: bytes) -> bytes:
    """[event, *args] in JSON, from an event without an id and without its type: `[…]` or `/chat,[…]`."""
    return event if event.startswith(b"[") else event[event.index(b",") + 1 :]

"""Packets of Socket.IO as clients send them, right ones and wrong ones, from a seeded generator of random numbers.

Source: socket.io-protocol v5, engine.io-protocol v4.
"""

from __future__ import annotations

import json
import random
from typing import Any

EVENTS = (
    "echo",
    "ask",
    "enter",
    "say",
    "wait",
    "nobody",
    "leave",
    "close",
    "disconnect",
    "connect",
)
ENGINE_PACKETS = (
    "1",
    "2",
    "2probe",
    "3",
    "3probe",
    "5",
    "6",
    "0{}",
    "4",
    "7",
    "",
    "b",
    "bAA=",
    "b4AA==",
)


def value(rng: random.Random, depth: int = 0) -> Any:
    """Something that JSON can hold."""
    kind = rng.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return rng.choice(
            ("a", "room", "", "\u2028", "x" * rng.choice((1, 300, 3000)), "é\U0001f600")
        )
    if kind < 6:
        return rng.choice((0, -1, 2**53, 1.5, True, None))
    if kind < 8:
        return [value(rng, depth + 1) for _ in range(rng.randrange(3))]
    return {rng.choice("abc"): value(rng, depth + 1) for _ in range(rng.randrange(3))}


def packets(rng: random.Random) -> list[str | bytes]:
    """One Socket.IO packet of a client, with its attachments or without, as Engine.IO packets."""
    nsp = rng.choice(("", "", "", "/n,", "/n,", "/none,", "/n?x=1,"))
    ack = rng.choice(("", "", str(rng.randrange(5)), str(rng.randrange(10**6))))
    kind = rng.randrange(12)
    if kind < 2:
        return [
            f"40{nsp}" + rng.choice(("", "{}", '{"refuse":1}', '{"pid":"x","offset":"y"}', "[]"))
        ]
    if kind == 2:
        return [f"41{nsp}"]
    if kind < 7:
        return [f"42{nsp}{ack}" + json.dumps([rng.choice(EVENTS), *value_list(rng)])]
    if kind < 9:
        return [f"43{nsp}{rng.randrange(4)}" + json.dumps(value_list(rng))]
    if kind == 9:
        return [rng.choice(ENGINE_PACKETS)]
    return binary_packets(rng, nsp, ack)


def value_list(rng: random.Random) -> list[Any]:
    return [value(rng) for _ in range(rng.randrange(3))]


def binary_packets(rng: random.Random, nsp: str, ack: str) -> list[str | bytes]:
    """A binary event or ack; sometimes an attachment is missing, or one too many, or the head is."""
    count = rng.randrange(1, 4)
    holders = [{"_placeholder": True, "num": number} for number in range(count)]
    named = rng.choice((count, count, count, count + 1, 0, 11))
    if rng.random() < 0.3:
        head = f"46{named}-{nsp}{ack or 0}" + json.dumps(holders)
    else:
        head = f"45{named}-{nsp}{ack}" + json.dumps([rng.choice(EVENTS), *holders])
    sent = rng.choice((count, count, count, count - 1, count + 1))
    attachments = [rng.randbytes(rng.choice((0, 1, 200))) for _ in range(sent)]
    return [*([head] if rng.random() < 0.9 else []), *attachments]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Bytes with a mistake."""
    if not data:
        return rng.randbytes(3)
    at = rng.randrange(len(data))
    return rng.choice((
        data[:at],
        data[at:],
        data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
        data[:at] + data[at : at + 8] * 3 + data[at + 8 :],
        data[:at] + rng.choice((b"\x1e", b"\x00", b"\xff", b"[" * 50, b"9" * 25, b'"')) + data[at:],
    ))  # fmt: skip

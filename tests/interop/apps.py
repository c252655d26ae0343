"""What the two interop applications share: data they send, counters, and the log of what they saw.

The application itself is written once in each API style with the same events, in app_aio.py
(AsyncServer) and app_io.py (IO); a scenario does not know which of the two it talks to.
"""

from __future__ import annotations

import asyncio
from typing import Any

NAMESPACES = ("/", "/chat", "/news", "/admin")
NAMED = 'ünï 😀 "quoted" \u2028'
SAME = b"same"


def picture() -> dict[str, Any]:
    """One of every binary type that Python has, and one buffer twice."""
    return {
        "bytes": bytes(i * 7 & 255 for i in range(256)),
        "array": bytearray(b"array"),
        "view": memoryview(b"view")[1:],
        "twice": [SAME, SAME],
        "name": "p.png",
    }


def describe(value: Any) -> Any:
    """The shape of what arrived, with every bytes object replaced by its type and hex."""
    if isinstance(value, dict):
        return {key: describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    shown = value.hex() if isinstance(value, (bytes, bytearray)) else value
    return f"{type(value).__name__} {shown}"


def as_list(answer: Any) -> list[Any]:
    """What `call` and `emit_with_ack` return (a value, or a tuple of several) as a list."""
    return list(answer) if isinstance(answer, tuple) else [answer]


class Counter:
    """Checks that 0, 1, 2, ... came in order."""

    def __init__(self) -> None:
        self.count = 0
        self.wrong: list[int] | None = None

    def add(self, i: int) -> None:
        if i != self.count and self.wrong is None:
            self.wrong = [i, self.count]
        self.count += 1

    def report(self) -> dict[str, Any]:
        return {"count": self.count, "wrong": self.wrong}


class Flow:
    """Events that are sent until the client says stop, never far ahead of what it has received."""

    WINDOW = 2_000

    def __init__(self) -> None:
        self.sent = 0
        self.is_stopped = False
        self._received = 0
        self._news = asyncio.Event()

    async def has_sent(self, batch: int) -> None:
        """Count a batch, let the loop turn, and wait while the client is too far behind."""
        self.sent += batch
        await asyncio.sleep(0)
        while self.sent - self._received > self.WINDOW:
            self._news.clear()
            await self._news.wait()

    def got(self, count: int) -> None:
        self._received = count
        self._news.set()

    def stop(self) -> None:
        self.is_stopped = True


# How python-socketio calls what Node calls otherwise.
PYTHON_REASONS = {
    "client namespace disconnect": "client disconnect",
    "server namespace disconnect": "server disconnect",
    "forced close": "server disconnect",
    "forced server close": "server disconnect",
    "server shutting down": "server disconnect",
}


def reason_in(style: str, reason: str) -> str:
    """Node's reason as the `disconnect` handlers of a style get it."""
    return PYTHON_REASONS.get(reason, reason) if style == "aio" else reason


class Log:
    """What the application saw, as (event, namespace, sid, ...) tuples in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []

    def add(self, *entry: Any) -> None:
        self.entries.append(entry)

    def of(self, event: str, namespace: str | None = None) -> list[tuple[Any, ...]]:
        return [e for e in self.entries if e[0] == event and namespace in (None, e[1])]

    def reasons(self, namespace: str | None = None) -> list[str]:
        """Disconnect reasons in the order in which the handlers ran."""
        return [entry[3] for entry in self.of("disconnect", namespace)]

"""How the processes of the long runs talk with the one that started them: lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


def answer_lines(answers: dict[str, Callable[[], Any]]) -> asyncio.Event:
    """Answer what comes on the standard input from now on; the event is set at its end."""
    loop, ended, pending = asyncio.get_running_loop(), asyncio.Event(), bytearray()

    def read() -> None:
        data = os.read(0, 4096)
        pending.extend(data)
        if not data:
            loop.remove_reader(0)
            ended.set()
        while (end := pending.find(b"\n")) >= 0:
            line = pending[:end].decode()
            del pending[: end + 1]
            say(answers[line]())

    loop.add_reader(0, read)
    return ended

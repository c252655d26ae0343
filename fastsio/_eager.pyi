"""Eager tasks as Python sees them; see _eager.pyx."""

import asyncio
from collections.abc import Coroutine
from typing import Any

def start_eager(
    coroutine: Coroutine[Any, Any, Any], tasks: set[asyncio.Task[Any]], what: str
) -> asyncio.Task[Any] | None: ...

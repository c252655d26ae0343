"""The compiled base of AsyncServer as Python sees it; see _aio.pyx."""

from collections.abc import Callable
from typing import Any

from fastsio.core.hub import Hub

class AsyncServerBase:
    hub: Hub
    def __init__(self, hub: Hub) -> None: ...
    async def emit(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        room: Any = None,
        skip_sid: Any = None,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
        ignore_queue: bool = False,
    ) -> None: ...

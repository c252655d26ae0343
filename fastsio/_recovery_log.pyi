"""The log of kept packets as Python sees it; see _recovery_log.pyx."""

from collections.abc import Mapping
from typing import Any

from fastsio._encoded import Encoded

class RecoveryLog:
    position: int
    floor: int
    bytes: int
    def __init__(self, max_packets: float, max_bytes: float, keep_s: float) -> None: ...
    def __len__(self) -> int: ...
    def new_offset(self) -> str: ...
    def begin(self, position: int) -> None: ...
    def append(
        self,
        encoded: Encoded,
        offset: str,
        rooms: frozenset[Any] | None,
        excluded: frozenset[Any],
        now: float,
        position: int = 0,
    ) -> None: ...
    def expire(self, now: float) -> None: ...
    def missed(
        self, offset: str | None, since: int, rooms: Mapping[Any, int], now: float
    ) -> list[Encoded] | None: ...
    def behind(self, start: int, rooms: Mapping[Any, int]) -> list[Encoded]: ...

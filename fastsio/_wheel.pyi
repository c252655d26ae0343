"""The timer wheel as Python sees it; see _wheel.pyx."""

from collections.abc import Callable
from typing import Any

MIN_TICK_S: float
MAX_TICK_S: float
LATE_S: float

class Wheel:
    count: int
    on_stall: Callable[[float], None] | None
    def __init__(self, loop: Any, shortest_s: float) -> None: ...
    def add(self, entry: Any, delay_s: float) -> None: ...
    def remove(self, entry: Any) -> None: ...
    def close(self) -> None: ...

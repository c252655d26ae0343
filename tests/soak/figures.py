"""Numbers of the long runs: the slope of memory, the machine they were made on, their files."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Line:
    """y = start + slope * x, by least squares; `error` is the slope's standard error."""

    slope: float
    start: float
    error: float

    @property
    def least(self) -> float:
        """The slope's lower bound, 95 % sure: above it, it is no chance that y grows."""
        return self.slope - 2 * self.error


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """The line through points of at least three different x; ValueError for less."""
    n = len(points)
    if len({x for x, _ in points}) < 3:
        raise ValueError(f"{n} points make no line: three different x are wanted")
    mean_x = sum(x for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    start = mean_y - slope * mean_x
    rest = sum((y - start - slope * x) ** 2 for x, y in points)
    return Line(slope, start, math.sqrt(rest / (n - 2) / spread))


def machine() -> str:
    """In a few words, what a run was made on."""
    kind = "unknown CPUs"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            kind = " ".join(line.partition(":")[2].split())
            break
    system = f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    return f"{os.cpu_count()} CPUs ({kind}), {system}"


def write(name: str, result: dict[str, Any]) -> Path:
    """Keep a result for docs/reliability.md."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path

"""Where the transcripts differ, line by line ("- " is Node's line, "+ " ours), and why ours is right.

The key is a scenario, or scenario.mode where it differs otherwise with each mode.
"""

# ruff: noqa: E501 - a line of a transcript is a line here

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`lines` are those of a diff, in order."""

    reason: str
    lines: tuple[str, ...]


DIFFERENCES: dict[str, Difference] = {}

# What is being built: scenario -> whose work it is.
AWAITED: dict[str, str] = {}

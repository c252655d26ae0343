"""The invariant of all long runs: every connect that was accepted gets exactly one disconnect, with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

SHOWN = 20


class Ledger:
    """Who is in, and what was wrong with those who went. A client's key is its sid and namespace, or anything else.

    `accepted` connects; `ended`: disconnects by reason; `wrong`: how many were none of both, `complaints` the first.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self.ended: Counter[str] = Counter()
        self.wrong = 0
        self.complaints: list[str] = []
        self._open: set[Hashable] = set()

    def accept(self, key: Hashable) -> None:
        """A connect was accepted: its disconnect is due from now on."""
        if key in self._open:
            self._complain(f"{key!r} was accepted twice")
        self._open.add(key)
        self.accepted += 1

    def end(self, key: Hashable, reason: Any) -> None:
        """A disconnect was told."""
        if key not in self._open:
            self._complain(f"a disconnect of {key!r}, which is not in ({reason!r})")
        elif not isinstance(reason, str) or not reason:
            self._complain(f"{key!r} has gone for the reason {reason!r}")
        self._open.discard(key)
        self.ended[str(reason)] += 1

    def _complain(self, text: str) -> None:
        self.wrong += 1
        if len(self.complaints) < SHOWN:
            self.complaints.append(text)

    @property
    def open(self) -> int:
        """How many are in."""
        return len(self._open)

    def report(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "disconnects": self.ended.total(),
            "open": self.open,
            "wrong": self.wrong,
            "complaints": self.complaints,
            "reasons": dict(self.ended.most_common()),
        }


def judge(report: dict[str, Any]) -> list[str]:
    """What a report says that must not be, once all clients have gone."""
    found = list(report["complaints"])
    if report["open"]:
        found.append(f"{report['open']} clients have gone and had no disconnect")
    if report["accepted"] != report["disconnects"] and not found:
        found.append(f"{report['accepted']} connects and {report['disconnects']} disconnects")
    return found

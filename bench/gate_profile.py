"""Where the instructions of an operation go, read from what callgrind wrote.

Not by callgrind_annotate: it takes what the functions around the measured part call for their own cost.
Source: Valgrind's manual, "Callgrind Format Specification".
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

NAME = re.compile(r"(c?)(fn|ob)=\((\d+)\)(?: (.*))?")
RECURSION = re.compile(r"'\d+$")
LINES = 45


@dataclass
class Profile:
    """Instructions of each function: `own`, and `inclusive` of what it calls; `calls` of it."""

    own: Counter[str] = field(default_factory=Counter)
    inclusive: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


def read(dump: Path) -> Profile:
    profile = Profile()
    names: dict[tuple[str, str], str] = {}
    now = {"fn": "", "ob": "", "cfn": "", "cob": ""}
    called = None
    for line in dump.read_text(errors="replace").splitlines():
        if match := NAME.match(line):
            of_callee, kind, number, name = match.groups()
            if name is not None:
                names[kind, number] = name
            now[of_callee + kind] = names[kind, number]
            if kind == "fn" and not of_callee:
                now["cob"] = now["ob"]
        elif line.startswith("calls="):
            called = int(line[6:].split()[0])
        elif line[:1] in "+-*0123456789" and line:
            _add(profile, now, int(line.split()[1]), called)
            if called is not None:
                called, now["cob"] = None, now["ob"]
    return profile


def _add(profile: Profile, now: dict[str, str], cost: int, called: int | None) -> None:
    """One line of costs: of the function itself, or with `called` of as many calls of another."""
    caller = _title(now["fn"], now["ob"])
    profile.inclusive[caller] += cost
    if called is None:
        profile.own[RECURSION.sub("", caller)] += cost
        return
    callee = _title(now["cfn"], now["cob"])
    for name in {callee, RECURSION.sub("", callee)}:
        profile.calls[name] += called


def _title(function: str, library: str) -> str:
    return f"[{Path(library).name.partition('.')[0]}] {function}"


def show(profile: Profile, runs: int) -> None:
    """Print both lists, for one of `runs`; the functions around the measured part are left out."""
    whole = sum(profile.own.values())
    inside = Counter({name: cost for name, cost in profile.inclusive.items() if cost < whole})
    for title, costs in (("own", profile.own), ("with callees", inside)):
        print(f"{title:>12}  share    calls  function")
        for name, cost in costs.most_common(LINES):
            calls = profile.calls[name] / runs
            print(f"{cost / runs:>12,.0f} {cost / whole:>6.1%} {calls:>8.1f}  {name}")
        print()

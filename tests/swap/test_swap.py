"""Every scenario with python-socketio under uvicorn and with fastsio under its own server.

The transcripts have to be equal, or differ exactly as swap_differences.py says, whose reasons stand in
docs/differences.md.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import swap_scenarios
from swap_differences import DIFFERENCES
from swap_scenario import SCENARIOS

# See swap_process.DOORS. Beneath an ASGI server the environ has its entries.
DOOR = os.environ.get("FASTSIO_SWAP_DOOR", "own")
ON_OUR_SERVER_ONLY = {"KeysOfTheEnviron"}
DOCS = Path(__file__).parents[2] / "docs" / "differences.md"


def test_fastsio_behaves_as_python_socketio(theatre: Any, scenario: Any, kind: str) -> None:
    theirs, ours = theatre.play(scenario, kind)
    expected = DIFFERENCES.get(f"{scenario.name}.{kind}") or DIFFERENCES.get(scenario.name)
    if scenario.name in ON_OUR_SERVER_ONLY and DOOR == "uvicorn":
        expected = None
    if expected is None:
        assert ours == theirs, "\n" + _diff(theirs, ours)
        return
    assert ours != theirs, "no longer differs: take it off the list"
    found = [line for line in _diff(theirs, ours).splitlines() if line[:1] in "-+"]
    assert found == expected, "differs otherwise than the list says\n" + _diff(theirs, ours)


def test_every_listed_difference_is_explained_in_the_documentation() -> None:
    swap_scenarios.load()
    explained = set(re.findall(r"`([A-Z]\w+)`", DOCS.read_text(encoding="utf-8")))
    listed = {name.split(".")[0] for name in DIFFERENCES}
    assert listed <= SCENARIOS.keys(), "the list names a scenario that is none"
    assert listed <= explained, "listed, but not in docs/differences.md"
    assert explained & SCENARIOS.keys() <= listed, "in docs/differences.md, but not listed"


def test_there_are_scenarios_enough() -> None:
    swap_scenarios.load()
    assert len(SCENARIOS) >= 60


def _diff(theirs: list[str], ours: list[str]) -> str:
    lines = difflib.ndiff(theirs, ours)
    return "\n".join(line.rstrip("\n") for line in lines if not line.startswith("?"))

"""Every scenario with Node's own server and with ours, played by the same script: the transcripts have to be equal.

Where they may differ stands in differences.py, with the reason.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from parity.differences import DIFFERENCES
from parity.scenario import load

HERE = Path(__file__).parent


def test_ours_behaves_as_nodes_server(theatre: Any, scenario: Any, mode: str) -> None:
    node, ours = theatre.play(scenario, mode)
    assert node, "nothing was seen"
    expected = DIFFERENCES.get(f"{scenario.name}.{mode}") or DIFFERENCES.get(scenario.name)
    if expected is None:
        assert ours == node, "\n" + _diff(node, ours)
        return
    assert ours != node, "no longer differs: take it off the list"
    found = tuple(line for line in _diff(node, ours).splitlines() if line[:1] in "-+")
    assert found == expected.lines, "differs otherwise than the list says\n" + _diff(node, ours)


def test_every_scenario_is_written_for_node_for_us_and_for_the_client() -> None:
    names = {scenario.js_name for scenario in load().values()}
    for folder in ("apps", "clients"):
        text = "".join(
            path.read_text(encoding="utf-8") for path in sorted((HERE / folder).glob("*.js"))
        )
        assert set(re.findall(r"^exports\.(\w+) =", text, re.MULTILINE)) == names, folder


def test_every_listed_difference_is_of_a_scenario_and_has_a_reason() -> None:
    for key, difference in DIFFERENCES.items():
        name, _, mode = key.partition(".")
        assert name in load(), f"{key}: no scenario"
        assert not mode or mode in load()[name].modes, f"{key}: no such mode"
        assert len(difference.reason.split()) > 3, f"{key}: why?"
        assert difference.lines, f"{key}: no lines"


def test_there_are_scenarios_enough() -> None:
    assert len(load()) >= 80


def _diff(node: list[str], ours: list[str]) -> str:
    lines = difflib.ndiff(node, ours)
    return "\n".join(line.rstrip("\n") for line in lines if not line.startswith("?"))

"""Fixtures of the swap tests: both servers' processes, Node, and the one loop that they live on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from swap_clients import Node
from swap_scenario import Scenario
from swap_stage import Side, Stage

THEIRS, OURS = "socketio", "fastsio"


class Theatre:
    """Plays a scenario on both sides at once. Its loop runs only while it does."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.node = Node()
        self.sides = [Side(library, folder / f"{library}.log") for library in (THEIRS, OURS)]

    def open(self) -> None:
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.http = aiohttp.ClientSession()
        await asyncio.gather(self.node.start(), *(side.start() for side in self.sides))

    def play(self, scenario: Scenario, kind: str) -> list[list[str]]:
        """The transcripts of the two sides."""
        return self.runner.run(self._play(scenario, kind))

    async def _play(self, scenario: Scenario, kind: str) -> list[list[str]]:
        stages = [Stage(scenario, kind, side, self.node, self.http) for side in self.sides]
        results = await asyncio.gather(
            *(stage.transcript() for stage in stages), return_exceptions=True
        )
        for side, result in zip(self.sides, results, strict=True):
            if isinstance(result, BaseException):
                result.add_note(f"-- on {side.library}; its stderr ends so --\n{side.errors}")
                raise result
        return list(results)  # type: ignore[arg-type]

    def close(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await asyncio.gather(self.node.stop(), *(side.stop() for side in self.sides))
        await self.http.close()


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path_factory.mktemp("swap"))
    try:
        theatre.open()
        yield theatre
    finally:
        theatre.close()


def pytest_generate_tests(metafunc: Any) -> None:
    if "scenario" not in metafunc.fixturenames:
        return
    import swap_scenarios
    from swap_scenario import SCENARIOS

    swap_scenarios.load()
    metafunc.parametrize(
        ("scenario", "kind"),
        [
            pytest.param(scenario, kind, id=f"{scenario.name}-{kind}")
            for scenario in SCENARIOS.values()
            for kind in scenario.clients
        ],
    )

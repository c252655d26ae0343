"""Fixtures of the parity tests: Node's servers, ours, the official client, and the one loop that they live on."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.scenario import Scenario, load
from parity.side import LineProcess
from swap_values import line_of, without_sids

HERE = Path(__file__).parent


class Theatre:
    """Plays a scenario to both servers at once. Its loop runs only while it does."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        assert node, "Node.js is needed for the parity tests and `node` is not on the PATH"
        self._runner = asyncio.Runner()

        def process(name: str, *command: str) -> LineProcess:
            return LineProcess(name, list(command), folder / f"{name}.log")

        self._node = process("node", node, str(HERE / "server.js"))
        self._ours = process("fastsio", sys.executable, str(HERE / "server_process.py"))
        self._client = process("client", node, str(HERE / "client.js"))
        self._logs: dict[str, list[Any]] = defaultdict(list)
        self._sides: dict[str, LineProcess] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        self._runner.run(self._open())

    async def _open(self) -> None:
        self._client.on_news = self._from_client
        for side in (self._node, self._ours):
            side.on_news = self._from_server
        await asyncio.gather(*(one.start() for one in (self._node, self._ours, self._client)))

    def close(self) -> None:
        self._runner.run(self._close())
        self._runner.close()

    async def _close(self) -> None:
        await asyncio.gather(*(one.stop() for one in (self._client, self._node, self._ours)))

    # --- one scenario ------------------------------------------------------------------------

    def play(self, scenario: Scenario, mode: str) -> list[list[str]]:
        """The transcripts of Node's server and of ours."""
        return self._runner.run(self._play(scenario, mode))

    async def _play(self, scenario: Scenario, mode: str) -> list[list[str]]:
        sides = (self._node, self._ours)
        results = await asyncio.gather(
            *(self._transcript(side, scenario, mode) for side in sides), return_exceptions=True
        )
        for side, result in zip(sides, results, strict=True):
            if isinstance(result, BaseException):
                result.add_note(f"-- on {side.name}; its stderr ends so --\n{side.errors}")
                raise result
        return list(results)  # type: ignore[arg-type]

    async def _transcript(self, side: LineProcess, scenario: Scenario, mode: str) -> list[str]:
        run = f"{side.name}:{scenario.name}.{mode}"
        self._sides[run] = side
        is_ours = side is self._ours
        name = scenario.name if is_ours else scenario.js_name
        port = await side.do("open", run, scenario=name, barrier=scenario.barrier)
        try:
            seen = await self._client.do(
                "play", run, scenario=scenario.js_name, mode=mode, port=port
            )
            await side.do("settle", run)
            lines = [line_of(who, entry) for who, entry in seen]
            lines += [line_of("server", entry) for entry in self._logs.pop(run, [])]
            return without_sids(lines)
        finally:
            await self._client.do("end", run)
            await side.do("close", run)

    # --- between the processes ---------------------------------------------------------------

    def _from_server(self, line: dict[str, Any]) -> None:
        self._logs[line["run"]].append(line["entry"])
        self._client.tell(run=line["run"], entry=line["entry"])

    def _from_client(self, line: dict[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, line: dict[str, Any]) -> None:
        """A word of the script to its server."""
        run, token = line.pop("run"), line.pop("token")
        try:
            result = await self._sides[run].do(line.pop("op"), run, **line)
        except AssertionError as error:
            self._client.tell(run=run, token=token, error=str(error))
        else:
            self._client.tell(run=run, token=token, result=result)


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path_factory.mktemp("parity"))
    try:
        theatre.open()
        yield theatre
    finally:
        theatre.close()


def pytest_generate_tests(metafunc: Any) -> None:
    if "scenario" not in metafunc.fixturenames:
        return
    metafunc.parametrize(
        ("scenario", "mode"),
        [
            pytest.param(
                scenario,
                mode,
                id=f"{scenario.topic}.{scenario.name}-{mode}",
                marks=[pytest.mark.feature(row) for row in scenario.features],
            )
            for scenario in load().values()
            for mode in scenario.modes
        ],
    )

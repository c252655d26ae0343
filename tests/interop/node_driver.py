"""The Node process that plays scenarios with the official client (see driver.js).

One process serves many scenarios, because starting Node takes longer than most of them. A scenario
that fails or is late takes its process with it, so that the next one starts fresh.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from harness import MS

SCENARIO_S = 30_000 * MS
_DRIVER = Path(__file__).with_name("driver.js")


class ScenarioFailed(AssertionError):
    """A scenario's own assertion failed, or its process died. The text has Node's stderr."""


class Run:
    """One running scenario: `await note(name)`, `say(word)`, and at last `await result()`."""

    def __init__(self, driver: NodeDriver, run_id: int, scenario: str) -> None:
        self.scenario = scenario
        self._driver = driver
        self._id = run_id
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def deliver(self, line: dict[str, Any]) -> None:
        """Called by the driver's reader thread."""
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, line)
        except RuntimeError:
            pass  # The test is over and its loop is closed: nobody waits for this line.

    def say(self, word: str) -> None:
        """Let a scenario that waits for `word` go on."""
        self._driver.write({"id": self._id, "word": word})

    async def note(self, name: str, within_s: float = SCENARIO_S) -> Any:
        """The data of the note `name`, which must be the next thing the scenario says."""
        line = await self._next(f"note {name!r}", within_s)
        if line.get("note") != name:
            self._fail(f"said {line} instead of the note {name!r}")
        return line["data"]

    async def result(self, within_s: float = SCENARIO_S) -> Any:
        """What the scenario returned; ScenarioFailed with its stack and stderr otherwise."""
        line = await self._next("its result", within_s)
        if "note" in line:
            self._fail(f"said {line} instead of its result")
        self._driver.forget(self._id)
        return line["result"]

    async def _next(self, what: str, within_s: float) -> dict[str, Any]:
        try:
            line = await asyncio.wait_for(self._lines.get(), within_s)
        except TimeoutError:
            self._fail(f"no {what} within {within_s:g} s")
        if line.get("ok") is False:
            self._fail(line["error"])
        return line

    def _fail(self, why: str) -> Any:
        self._driver.stop()
        raise ScenarioFailed(f"{self.scenario}: {why}\n-- node stderr --\n{self._driver.stderr}")


class NodeDriver:
    """A Node process that is started when first needed and again after it was stopped.

    `script` speaks as driver.js does; it gets `arguments`.
    """

    def __init__(self, script: Path = _DRIVER, *arguments: str) -> None:
        self._command = [str(script), *arguments]
        self._process: subprocess.Popen[str] | None = None
        self._runs: dict[int, Run] = {}
        self._stderr: deque[str] = deque(maxlen=60)
        self._last_id = 0

    @property
    def pid(self) -> int:
        assert self._process is not None, "no scenario was started yet"
        return self._process.pid

    @property
    def stderr(self) -> str:
        return "".join(self._stderr) or "(empty)"

    def start(self, scenario: str, url: str, mode: str, **args: Any) -> Run:
        """Start a scenario; `mode` is a transport mode of driver.js. Needs a running loop."""
        if self._process is None or self._process.poll() is not None:
            self._spawn()
        self._last_id += 1
        run = self._runs[self._last_id] = Run(self, self._last_id, scenario)
        job = {"id": self._last_id, "scenario": scenario, "url": url, "mode": mode, "args": args}
        self.write(job)
        return run

    async def play(self, scenario: str, url: str, mode: str, **args: Any) -> Any:
        """Run a scenario to its end and return its result."""
        return await self.start(scenario, url, mode, **args).result()

    def write(self, line: dict[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def forget(self, run_id: int) -> None:
        self._runs.pop(run_id, None)

    def stop(self) -> None:
        """Kill the process, as the kernel does when memory is short: nobody gets a goodbye."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _spawn(self) -> None:
        node = shutil.which("node")
        if node is None:
            pytest.fail("Node.js is needed for the interop tests and `node` is not on the PATH")
        self._stderr.clear()
        self._runs = {}  # The readers of a process that is dying keep the old one.
        self._process = subprocess.Popen(
            [node, *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for reader in (self._read_stdout, self._read_stderr):
            threading.Thread(target=reader, args=(self._process, self._runs), daemon=True).start()

    def _read_stdout(self, process: subprocess.Popen[str], runs: dict[int, Run]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            run = runs.get(answer["id"])
            if run is not None:
                run.deliver(answer)
        for run in list(runs.values()):
            run.deliver({"ok": False, "error": f"node ended with code {process.wait()}"})

    def _read_stderr(self, process: subprocess.Popen[str], _runs: dict[int, Run]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._stderr.append(line)

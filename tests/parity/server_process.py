"""Our servers: a process that opens one for each scenario that is played (see side.py for its lines).

Server.js is the same with Node's.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import fastsio  # noqa: E402
from parity.scenario import BARRIER, App, Scenario, load  # noqa: E402

SCENARIOS = load()


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Run:
    """One scenario's server."""

    def __init__(self, name: str, scenario: Scenario) -> None:
        self.name = name
        self.scenario = scenario
        self.server: Any = None

    async def open(self, port: int = 0) -> int:
        io = fastsio.IO(**self.scenario.options)
        self.app = App(lambda entry: say(run=self.name, entry=entry), self.close)
        for namespace in self.scenario.barrier:
            io.of(namespace).on("connection", lambda socket: socket.on(BARRIER, lambda: None))
        self.scenario.serve(io, self.app)
        self.server = await fastsio.start(io, "127.0.0.1", port)
        return self.server.port

    async def close(self) -> None:
        server, self.server = self.server, None
        if server is not None:
            await server.close()

    async def restart(self) -> None:
        port = self.server.port
        await self.close()
        await self.open(port)

    async def word(self, word: str, args: list[Any]) -> Any:
        result = self.app.words[word](*args)
        return await result if inspect.isawaitable(result) else result


RUNS: dict[str, Run] = {}


async def perform(command: dict[str, Any]) -> Any:
    op, name = command["op"], command["run"]
    if op == "open":
        run = RUNS[name] = Run(name, SCENARIOS[command["scenario"]])
        return await run.open()
    if op == "close":
        return await RUNS.pop(name).close()
    if op == "restart":
        return await RUNS[name].restart()
    if op == "word":
        return await RUNS[name].word(command["word"], command["args"])
    return None  # "settle": what was logged before has been written


async def answer(command: dict[str, Any]) -> None:
    try:
        result = await perform(command)
    except Exception as error:  # noqa: BLE001 - it fails the scenario
        say(id=command["id"], error=f"{type(error).__name__}: {error}")
    else:
        say(id=command["id"], result=result)


async def main() -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tasks = set()
    async for line in reader:
        task = asyncio.create_task(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())

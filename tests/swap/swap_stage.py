"""A server's process and the clients of one scenario on it: what a scenario's `play` gets.

The transcript is made of what each client saw, what the scenario said, and what the server's handlers
logged; each is in its own order, and they stand one after the other.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp

from harness import MS
from swap_clients import Client, JsClient, Log, Node, PyClient, RawClient
from swap_scenario import BARRIER, Scenario
from swap_values import describe, line_of, without_sids

HERE = Path(__file__).parent
START_S = 60_000 * MS
WEBSOCKET = ("websocket",)


class Side:
    """The process with one library: "socketio" (python-socketio and uvicorn) or "fastsio"."""

    def __init__(self, library: str, errors: Path, program: str = "swap_process.py") -> None:
        self.library = library
        self.ports: dict[str, Any] = {}
        self.logs: dict[str, Log] = defaultdict(lambda: Log(f"server with {library}"))
        self._errors = errors
        self._program = HERE / program
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        with self._errors.open("wb") as stderr:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(self._program), self.library, limit=1 << 26, stderr=stderr,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            while not self.ports:
                line = await self._process.stdout.readline()
                assert line, f"{self.library}: no server:\n{self.errors}"
                self._take(json.loads(line))
        self._reader = asyncio.create_task(self._read())

    @property
    def errors(self) -> str:
        """What the process wrote to stderr, at most the end of it."""
        return self._errors.read_text(errors="replace")[-6000:]

    async def stop(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 3)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for line in self._process.stdout:
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        if "ports" in line:
            self.ports = line["ports"]
        else:
            self.logs[line["ns"]].add(line["entry"])


class Stage:
    """One scenario on one side with one kind of client."""

    def __init__(
        self, scenario: Scenario, kind: str, side: Side, node: Node, http: aiohttp.ClientSession
    ) -> None:
        self.kind = kind
        self.namespace = scenario.namespace(kind)
        self._scenario = scenario
        self._side = side
        self._node = node
        self._http = http
        self._clients: list[Client] = []
        self._said: list[Any] = []
        self._numbers = itertools.count(1)

    @property
    def url(self) -> str:
        port = self._side.ports[self._scenario.server]
        assert isinstance(port, int), f"{self._scenario.server} does not run: {port}"
        return f"http://127.0.0.1:{port}"

    # --- clients -----------------------------------------------------------------------------

    async def open(
        self, name: str, namespace: str | None = None, path: str = "/socket.io", **options: Any
    ) -> Any:
        """A client that is connecting, over WebSocket unless `transports` says otherwise."""
        packed = {"serializer": "msgpack"} if self._scenario.server == "msgpack" else {}
        client: Any = (
            JsClient(name, self._node, str(id(self._side)))
            if self.kind == "js"
            else PyClient(name, **packed)
        )
        self._clients.append(client)
        options.setdefault("transports", WEBSOCKET)
        await client.open(self.url, path, namespace or self.namespace, **options)
        return client

    async def connect(self, name: str, namespace: str | None = None, **options: Any) -> Any:
        """A connected client; fails if it is refused."""
        client = await self.open(name, namespace, **options)
        assert await client.settled() == "connect", f"{name} was refused: {client.log}"
        return client

    async def refused(self, name: str, namespace: str | None = None, **options: Any) -> Any:
        """A client that was refused."""
        client = await self.open(name, namespace, **options)
        assert await client.settled() == "connect_error", f"{name} was let in: {client.log}"
        return client

    async def raw(self, name: str, path: str = "/socket.io", **options: Any) -> RawClient:
        """A WebSocket on which the scenario writes packets by hand."""
        client = RawClient(name, self._http)
        await client.open(self.url, path, **options)
        self._clients.append(client)
        return client

    async def request(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One HTTP request: status, headers with lower-case names, body."""
        async with self._http.request(
            method, self.url + path, headers=headers, data=body, allow_redirects=False
        ) as response:
            names = {name.lower() for name in response.headers}
            found = {name: ", ".join(response.headers.getall(name)) for name in sorted(names)}
            return response.status, found, await response.read()

    async def websocket(self, path: str, **options: Any) -> Any:
        """A plain WebSocket, as an async context manager."""
        return self._http.ws_connect(self.url + path, **options)

    # --- the transcript ----------------------------------------------------------------------

    def say(self, *entry: Any) -> None:
        """Put a line into the scenario's part of the transcript."""
        self._said.append(describe(list(entry)))

    async def saw(self, *head: Any, count: int = 1, namespace: str | None = None) -> None:
        """Wait until the server has logged `count` lines that begin so."""
        log = self._side.logs[namespace or self.namespace]
        wanted = describe(list(head))
        await log.until(
            lambda: sum(entry[: len(wanted)] == wanted for entry in log) >= count,
            f"{count} x {wanted}",
        )

    def server_log(self, namespace: str) -> list[Any]:
        """What the server logged in another namespace or under another name."""
        return list(self._side.logs[namespace])

    def server_entries(self) -> Log:
        """What the server logs of the scenario, to wait for more of it."""
        return self._side.logs[self.namespace]

    async def transcript(self) -> list[str]:
        """Play the scenario; the lines of what everybody saw."""
        try:
            await self._scenario.play(self)
            if self._scenario.is_synchronized:
                for client in self._clients:
                    if isinstance(client, (JsClient, PyClient)) and client.is_connected:
                        await self._synchronize(client)
            return self._lines()
        finally:
            for client in reversed(self._clients):
                await client.end()

    async def _synchronize(self, client: Any) -> None:
        """All that was sent before has arrived on both ends, and is in the log."""
        number = next(self._numbers)
        await client.ask(BARRIER, number)
        await self.saw(BARRIER, number)

    def _lines(self) -> list[str]:
        lines = []
        for client in sorted(self._clients, key=lambda client: client.name):
            lines += [line_of(client.name, e) for e in client.log if e[:2] != ["ack", BARRIER]]
        lines += [line_of("scenario", entry) for entry in self._said]
        log = self._side.logs[self.namespace]
        lines += [line_of("server", entry) for entry in log if entry[0] != BARRIER]
        return without_sids(lines)

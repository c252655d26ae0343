"""Three clients that play the same scripts: Node's engine.io-client, python-engineio's Client and AsyncClient.

A script is a list of steps (see engineio_client.js); playing one returns what the client saw, in order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import queue
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import engineio

from harness import MS

SCRIPT_S = 20_000 * MS
NODE_SCRIPT = Path(__file__).with_name("engineio_client.js")
Script = list[list[Any]]


class Node:
    """Node's client: one process for many scripts."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __call__(
        self, url: str, query: str, transports: list[str], script: Script
    ) -> list[Any]:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                "node", str(NODE_SCRIPT), stdin=pipe, stdout=pipe, stderr=pipe, limit=1 << 20
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        task = {"url": f"{url}/?{query}", "transports": transports, "script": script}
        process.stdin.write(json.dumps(task).encode() + b"\n")
        line = await asyncio.wait_for(process.stdout.readline(), SCRIPT_S)
        assert line, (await process.stderr.read()).decode() if process.stderr is not None else ""
        return json.loads(line)

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()


class _Seen:
    """What a Python client saw; `news` has one entry for each message and the end."""

    def __init__(self, client: Any, news: Any) -> None:
        self.entries: list[Any] = []
        self.news = news
        client.on("message", self.message)
        client.on("disconnect", self.disconnect)

    def message(self, data: Any) -> None:
        is_binary = isinstance(data, bytes)
        self.entries.append(
            ["binary", base64.b64encode(data).decode()] if is_binary else ["data", data]
        )
        self.news.put_nowait("message")

    def disconnect(self, reason: str) -> None:
        self.entries.append(["close", reason])
        self.news.put_nowait("closed")

    def opened(self, client: Any) -> None:
        self.entries.insert(0, ["open", client.transport()])

    def refused(self, error: engineio.exceptions.ConnectionError) -> list[Any]:
        return [["refused", *error.args]]


def _data(step: str, value: str) -> str | bytes:
    return base64.b64decode(value) if step == "send_binary" else value


async def play_async(url: str, query: str, transports: list[str], script: Script) -> list[Any]:
    # On a loop of its own, with which the tasks end that the client leaves behind.
    return await asyncio.to_thread(asyncio.run, _play_async(url, query, transports, script))


async def _play_async(url: str, query: str, transports: list[str], script: Script) -> list[Any]:
    client = engineio.AsyncClient()
    seen = _Seen(client, asyncio.Queue())
    try:
        await client.connect(f"{url}/?{query}", transports=transports)
    except engineio.exceptions.ConnectionError as error:
        return seen.refused(error)
    seen.opened(client)
    closing = None
    for step, *value in script:
        if step in ("send", "send_binary"):
            await client.send(_data(step, value[0]))
            continue
        if step == "close":
            # It waits for its GET, which python-engineio's server holds until the next ping.
            closing = asyncio.create_task(client.disconnect())
        for _ in range(value[0] if value else 1):
            await asyncio.wait_for(seen.news.get(), SCRIPT_S)
    if closing is not None:
        await asyncio.wait([closing], timeout=50 * MS)
    if client.http is not None:
        await client.http.close()
    return seen.entries


async def play_sync(url: str, query: str, transports: list[str], script: Script) -> list[Any]:
    return await asyncio.to_thread(_play_sync, url, query, transports, script)


def _play_sync(url: str, query: str, transports: list[str], script: Script) -> list[Any]:
    client = engineio.Client()
    seen = _Seen(client, queue.Queue())
    try:
        client.connect(f"{url}/?{query}", transports=transports)
    except engineio.exceptions.ConnectionError as error:
        return seen.refused(error)
    seen.opened(client)
    for step, *value in script:
        if step in ("send", "send_binary"):
            client.send(_data(step, value[0]))
            continue
        if step == "close":
            threading.Thread(target=client.disconnect, daemon=True).start()  # see above
        for _ in range(value[0] if value else 1):
            seen.news.get(timeout=SCRIPT_S)
    return seen.entries


play_node = Node()
PLAYERS: dict[str, Callable[[str, str, list[str], Script], Awaitable[list[Any]]]] = {
    "node": play_node,
    "async": play_async,
    "sync": play_sync,
}

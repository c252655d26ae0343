"""fastsio.engineio against python-engineio's own server: the same scripts, clients and application on both.

python-engineio's runs under uvicorn; ours by fastsio.start() and, as an ASGI application, under uvicorn, with our class
for its connections and without. What the clients saw and what the handlers saw must be the same.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import AsyncIterator
from typing import Any

import engineio as their_engineio
import pytest
import pytest_asyncio
import uvicorn

import fastsio.engineio as our_engineio
from engineio_app import build
from engineio_clients import PLAYERS, Script, play_node
from harness import MS, until

ON_ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
MODES = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}
BINARY = base64.b64encode(bytes(range(256))).decode()
LARGE = "x" * 100_000
ENDS = [["disconnect", why] for why in ("transport close", "client disconnect", "ping timeout")]
SERVER_ENDS = [["close", "server disconnect"], ["close", "transport error"]]
# Who takes the connections: our server, or uvicorn with that class for HTTP.
DOORS = {"raw": "", "uvicorn": "auto", "protocol": "fastsio.uvicorn:SioHttpProtocol"}
OPTIONS = {"ping_interval": 2, "ping_timeout": 3}
END_S = 10_000 * MS

# name: (the handshake's query, the script)
SCRIPTS: dict[str, tuple[str, Script]] = {
    "text": ("", [["send", "hello"], ["receive", 1], ["send", "é€😀"], ["receive", 1], ["close"]]),
    "empty text": ("", [["send", ""], ["receive", 1], ["close"]]),
    "binary": ("", [["send_binary", BINARY], ["receive", 1], ["close"]]),
    "mixed": ("", [["send", "a"], ["send_binary", BINARY], ["send", "b"], ["receive", 3], ["close"]]),
    "json": (
        "",
        [[step, text] for text in ('{"a":[1,null]}', "5", "-5", "true", '"x"', "[1", "5x")
         for step in ("send",)] + [["receive", 7], ["close"]],
    ),
    "large": ("", [["send", LARGE], ["receive", 1], ["close"]]),
    "many from the server": ("", [["send", "many"], ["receive", 12], ["close"]]),
    "transport": ("", [["send", "transport"], ["receive", 1], ["close"]]),
    "session": ("connect=true", [["send", "session"], ["receive", 1], ["close"]]),
    "late connect": ("connect=late", [["send", "session"], ["receive", 1], ["close"]]),
    "greeted": ("connect=greet", [["receive", 2], ["send", "x"], ["receive", 1], ["close"]]),
    "refused": ("connect=false", []),
    "refused with a value": ("connect=value", []),
    "refused by an exception": ("connect=raise", []),
    "server disconnects": ("", [["send", "x"], ["receive", 1], ["send", "bye"], ["closed"]]),
}  # fmt: skip


class Uvicorn:
    """An ASGI application under uvicorn, in a thread with a loop of its own."""

    def __init__(self, app: Any, http: str = "auto") -> None:
        config = uvicorn.Config(
            app, port=0, http=http, log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    async def __aenter__(self) -> str:
        """The server's URL."""
        self._thread.start()
        await until(lambda: self._server.started, "uvicorn listens")
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *error: object) -> None:
        self._server.should_exit = True
        await until(lambda: not self._thread.is_alive(), "uvicorn has stopped")


@pytest_asyncio.fixture(autouse=True)
async def _node_ends() -> AsyncIterator[None]:
    yield
    await play_node.end()


async def play_all(
    url: str, log: list[Any], client: str, mode: str, left_out: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What both sides saw of each script."""
    found = {}
    for name, (query, script) in SCRIPTS.items():
        if name in left_out:
            continue
        log.clear()
        seen = await PLAYERS[client](url, query, MODES[mode], script)
        if not name.startswith("refused"):
            await until(lambda: log[-1][0] == "disconnect", f"{name}: its end: {log}", END_S)
        if client != "node" and log[-1] in ENDS:
            # What the server gets to see of the client's Close packet is a race inside of that client.
            log[-1] = ["disconnect", "by the client"]
        if client != "node" and name == "server disconnects" and seen[-1] in SERVER_ENDS:
            # Nor does it always read the Close packet before its next poll fails.
            seen[-1] = ["close", "by the server"]
        found[name] = {"client": seen, "server": list(log)}
    return found


async def on_theirs(client: str, mode: str) -> dict[str, Any]:
    # It sends a Close packet and leaves the WebSocket open; Node's client waits for the WebSocket to close.
    left_out = ("server disconnects",) if client == "node" and mode != "polling" else ()
    log: list[Any] = []
    eio = build(their_engineio, log, async_mode="asgi", **OPTIONS)
    async with Uvicorn(their_engineio.ASGIApp(eio)) as url:
        return await play_all(url, log, client, mode, left_out)


async def on_ours(client: str, mode: str, door: str, serve: Any) -> dict[str, Any]:
    log: list[Any] = []
    eio = build(our_engineio, log, **OPTIONS)
    if door == "raw":
        return await play_all((await serve(eio)).url, log, client, mode)
    async with Uvicorn(our_engineio.ASGIApp(eio), DOORS[door]) as url:
        return await play_all(url, log, client, mode)


@ON_ONE_LOOP
@pytest.mark.parametrize("client", PLAYERS)
@pytest.mark.parametrize("mode", MODES)
async def test_scripts_go_as_on_python_engineios_server(serve, client, mode, watch):
    theirs = await on_theirs(client, mode)
    for door in DOORS:
        ours = await on_ours(client, mode, door, serve)
        watch.expect_error("handler of 'connect' failed", "no")
        end = ours["server disconnects"]
        assert end["client"][-1][0] == "close"
        assert end["server"][-1] == ["disconnect", "server disconnect"]
        theirs.setdefault("server disconnects", end)
        assert ours == theirs, door

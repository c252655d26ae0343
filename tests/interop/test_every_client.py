"""Every generation of the official client that people still use, with every transport that it has.

One table: a row is a client, a column is how it connects. Each place plays the same script (every_client_play.js) and
has to see the same; a page in Chromium gets the client's build for browsers. `make test` brings the clients
(tests/clients).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastsio
from harness import LoopWatch
from node_driver import NodeDriver

HERE = Path(__file__).parent
PACKAGES = HERE.parent / "clients" / "node_modules"
BYTES = {"$bytes": "00047f80ff"}
TEXT = 'é😀 " \\ \\n \n \u2028'

IN_NODE = ("polling", "websocket", "upgrade", "polling-base64", "websocket-base64")
IN_A_PAGE = ("polling", "websocket", "upgrade", "polling-base64", "websocket-base64")
# Each client: its build for browsers, and whether it has JSONP (Engine.IO's client has lost it with 6.0).
CLIENTS = {
    "2.0.2": ("client-2.0.2/dist/socket.io.js", True),
    "2.5.0": ("client-2.5.0/dist/socket.io.js", True),
    "3.1.3": ("client-3.1.3/dist/socket.io.js", True),
    "4.0.2": ("client-4.0.2/dist/socket.io.js", True),
    "newest": ("client-newest/dist/socket.io.js", False),
}
OLD = ("2.0.2", "2.5.0")
POLLING = ("polling", "polling-base64", "jsonp")


def table() -> list[Any]:
    """The places of the table: (client, how, whether it is in a page)."""
    places = []
    for client, (_build, has_jsonp) in CLIENTS.items():
        ways = [(how, False) for how in IN_NODE] + [(how, True) for how in IN_A_PAGE]
        ways += [("jsonp", True)] if has_jsonp else []
        for how, is_in_page in ways:
            where = "page" if is_in_page else "node"
            places.append(
                pytest.param(
                    client,
                    how,
                    is_in_page,
                    id=f"{client}-{how}-{where}",
                )
            )
    return places


class Refused(Exception):
    """Who is not let in."""


def build() -> fastsio.IO:
    io = fastsio.IO()
    for name in ("/", "/chat"):
        io.of(name).on("connection", connection)

    @io.of("/guarded").use
    def refuse(_socket: Any) -> None:
        raise Refused("not you")

    return io


def connection(socket: Any) -> None:
    socket.on("echo", lambda *args: args)
    socket.on("bounce", lambda *args: socket.emit("bounced", *args))
    socket.on("message", lambda *args: socket.send(*args))
    socket.on("where", lambda: socket.nsp.name)
    socket.on("is jsonp", lambda: "j" in socket.handshake.query)

    @socket.on("ask me")
    async def ask_me() -> Any:
        return await socket.timeout(10).emit_with_ack("question", b"\x00\x04\x7f\x80\xff")


@pytest.fixture(scope="module")
def clients() -> Iterator[NodeDriver]:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), "")
    assert browser, "chromium or google-chrome must be on the PATH: `make test` installs it"
    driver = NodeDriver(HERE / "every_client.js", browser)
    yield driver
    driver.stop()


async def serve(tmp_path: Path, port: int = 0) -> Any:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><meta charset=utf-8><title>a page</title>")
    files = {"/page": str(page), "/builds": str(PACKAGES)}
    return await fastsio.start(build(), "127.0.0.1", port, static_files=files)


@pytest.mark.feature("1.4 EIO3 / Socket.IO v1-v2 clients")
@pytest.mark.feature("1.4 JSON-P polling")
@pytest.mark.feature("1.4 HTTP long-polling")
@pytest.mark.feature("1.4 WebSocket")
@pytest.mark.feature("1.4 upgrade polling to ws")
@pytest.mark.feature("1.13 client-side reasons")
@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.parametrize(("client", "how", "is_in_page"), table())
async def test_client_is_served_whole(
    clients: NodeDriver, tmp_path: Path, watch: LoopWatch, client: str, how: str, is_in_page: bool
) -> None:
    assert PACKAGES.exists(), "the clients are missing: `make test` installs them"
    server = await serve(tmp_path)
    more = {"build": CLIENTS[client][0]} if is_in_page else {}
    try:
        run = clients.start(f"client-{client}", server.url, how, **more)
        await run.note("restart")
        await server.close()
        server = await serve(tmp_path, server.port)
        run.say("reopened")
        seen = await run.result()
        # One that polls may have no GET that the server could answer at its end.
        assert seen.pop("gone") in ("transport close", *["transport error"] * (how in POLLING))
        assert seen == expected(how)
    finally:
        await server.close()


def expected(how: str) -> Any:
    return {
        "jsonp": [how == "jsonp"],
        "transport": "websocket" if how.startswith(("websocket", "upgrade")) else "polling",
        "exchange": {
            "text": [TEXT, {"deep": [1, None, True]}, ""],
            "binary": [BYTES, {"deep": [{"$bytes": "04"}]}, "text too"],
            "nothing": [],
            "bounced": [BYTES, TEXT],
            "answered": [BYTES, {"$bytes": "00"}],
            "message": ["a message", 1],
            "many": ",".join(map(str, range(30))),
        },
        "namespaces": {
            "where": ["/chat"],
            "root": ["/"],
            "left": "io client disconnect",
            "refused": "not you",
            "still": ["/"],
        },
        "again": [{"$bytes": "01"}, "again"],
    }

"""The clients of Socket.IO 2 behind every server that an application may run on: ASGI servers, aiohttp, Sanic, WSGI.

With fastsio's own server they are in test_every_client.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from asgi_process import AsgiProcess
from harness import MS
from test_ported import GUNICORN, WERKZEUG, Served

HERE = Path(__file__).parent
CLIENTS = HERE.parent / "clients" / "node_modules"
OLD = ["client-2.0.2", "client-2.5.0"]
TRANSPORTS = ["websocket", "polling", "polling,websocket"]
ASGI = ["uvicorn", "uvicorn-wsproto", "hypercorn", "granian", "aiohttp", "sanic"]
WSGI = {"gunicorn": GUNICORN, "werkzeug": WERKZEUG}

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


async def play(client: str, url: str, transports: str, namespace: str = "/") -> dict[str, Any]:
    """What old_client.js has seen."""
    assert CLIENTS.exists(), "the clients are missing: `make test` installs them"
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / "old_client.js"), str(CLIENTS / client), url, transports, namespace,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 30_000 * MS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    seen: dict[str, Any] = json.loads(said)
    return seen


def check(seen: dict[str, Any], transports: str, namespace: str = "/") -> None:
    prefix = "" if namespace == "/" else f"{namespace}#"
    assert seen.pop("id").startswith(prefix)
    # In one application the namespace, in the other the thread.
    assert seen.pop("where"), seen
    assert seen == {
        "errors": [],
        "transport": transports.split(",")[-1],
        "text": "é😀\n\\n",
        "bytes": "0004ff",
        "order": ",".join(map(str, range(50))),
    }


@pytest.fixture(scope="module")
def processes() -> Iterator[dict[str, AsgiProcess]]:
    """The servers that run already, by their name."""
    running: dict[str, AsgiProcess] = {}
    yield running
    for process in running.values():
        process.kill()


@pytest_asyncio.fixture(params=ASGI)
async def shared(request: pytest.FixtureRequest, processes: dict[str, AsgiProcess]) -> AsgiProcess:
    if request.param not in processes:
        processes[request.param] = AsgiProcess(request.param)
        await processes[request.param].serve()
    return processes[request.param]


@pytest.mark.parametrize("transports", TRANSPORTS)
@pytest.mark.parametrize("client", OLD)
async def test_behind_an_asgi_server(shared: AsgiProcess, client: str, transports: str) -> None:
    check(await play(client, shared.url, transports), transports)


async def test_namespace_behind_an_asgi_server(shared: AsgiProcess) -> None:
    seen = await play("client-2.0.2", shared.url, "websocket", "/chat")
    check(seen, "websocket", "/chat")


@pytest.fixture(scope="module", params=WSGI)
def under_wsgi(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    source = (HERE / "app_flask.py").read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("flask")
    served = Served(source, "app_flask", WSGI[request.param], folder)
    try:
        served.wait_until_it_listens()
        yield served
        served.stop()
    finally:
        served.kill()


@pytest.mark.parametrize("transports", TRANSPORTS)
@pytest.mark.parametrize("client", OLD)
async def test_behind_a_wsgi_server(under_wsgi: Served, client: str, transports: str) -> None:
    check(await play(client, under_wsgi.url, transports), transports)

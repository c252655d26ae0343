"""The official client and a Flask application on the sync Server, under the servers that people run it on.

Each is a process of its own. What an application that was moved by its import sees is in test_ported.py.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio

from harness import DEADLINE_S
from node_driver import NodeDriver
from test_ported import GUNICORN, OURS, UVICORN, WERKZEUG, Served, serving
from thread_stage import eventually

SOURCE = (Path(__file__).parent / "app_flask.py").read_text(encoding="utf-8")
SERVERS = {
    "fastsio": OURS,
    "werkzeug": WERKZEUG,
    "gunicorn": GUNICORN,
    "uvicorn": [word.replace(":app", ":asgi") for word in UVICORN],
}
# Not one thread is left for a client that would keep it.
FEW_THREADS = {
    "gunicorn with two threads": [word.replace("50", "2") for word in GUNICORN],
    "gunicorn without threads": [word for word in GUNICORN if word not in ("--threads", "50")],
}
MODES = ("polling", "websocket", "upgrade")

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


def serve(command: list[str], folder: Path) -> Iterator[Served]:
    served = Served(SOURCE, "app_flask", command, folder)
    try:
        served.wait_until_it_listens()
        yield served
        served.stop()
    finally:
        served.kill()


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The application under one of the servers, for all tests of it."""
    yield from serve(SERVERS[request.param], tmp_path_factory.mktemp("flask"))


@pytest.fixture(scope="module", params=FEW_THREADS)
def served_by_few(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    yield from serve(FEW_THREADS[request.param], tmp_path_factory.mktemp("flask"))


@pytest.mark.parametrize("mode", MODES)
async def test_threads_emit_at_once(node: NodeDriver, served: Served, mode: str) -> None:
    sizes = {"threads": 8, "count": 50, "clients": 3}
    assert await node.play("threadsEmitAtOnce", served.url, mode, **sizes) == 400


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "scenario", ["blockingHandlersHoldUpNobody", "handlersAskBack", "classBasedNamespace"]
)
async def test_handlers_run_in_threads(
    node: NodeDriver, served: Served, scenario: str, mode: str
) -> None:
    await node.play(scenario, served.url, mode)


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None], ids=str)
async def test_python_socketios_own_clients_get_along_with_it(
    served: Served, transports: list[str] | None
) -> None:
    await asyncio.to_thread(play_with_sync_client, served.url, transports)
    client = socketio.AsyncClient(reconnection=False)
    client.on("question", lambda number: number * 2)
    await client.connect(served.url, transports=transports, wait_timeout=10)
    assert await client.call("ask", 4) == 8
    assert await client.call("echo", b"bytes") == b"bytes"
    await client.disconnect()


def play_with_sync_client(url: str, transports: list[str] | None) -> None:
    client = socketio.Client(reconnection=False)
    client.on("question", lambda number: number * 2)
    client.connect(
        url, transports=transports, namespaces=["/", "/chat"], auth={"a": 1}, wait_timeout=10
    )
    assert client.call("ask", 21) == 42
    session, rooms = client.call("who", namespace="/chat")
    assert session["auth"] == {"a": 1}
    assert sorted(rooms) == sorted(["all", client.get_sid("/chat")])
    assert client.transport() == (transports or ["websocket"])[0]
    client.disconnect()
    client.wait()


@pytest.mark.parametrize("mode", MODES)
async def test_clients_keep_no_thread_of_the_wsgi_server(
    node: NodeDriver, served_by_few: Served, mode: str
) -> None:
    await node.play("manyClientsPoll", served_by_few.url, mode, clients=10)


@pytest.mark.parametrize("mode", ["polling", "upgrade"])
@pytest.mark.parametrize("server", ["werkzeug", "gunicorn"])
async def test_shutdown_with_connected_clients_leaves_no_thread_behind(
    node: NodeDriver, tmp_path: Path, server: str, mode: str
) -> None:
    async with serving(SOURCE, "app_flask", SERVERS[server], tmp_path) as served:
        threads = await node.play("serverShutsDownUnderWsgi", served.url, mode)
        assert threads
        assert [name for name in threads if name.startswith("fastsio")] == []
        assert "Traceback" not in served.output


async def test_werkzeug_logs_no_error_for_what_was_taken_over(
    node: NodeDriver, tmp_path: Path
) -> None:
    async with serving(SOURCE, "app_flask", WERKZEUG, tmp_path) as served:
        await node.play("manyClientsPoll", served.url, "upgrading", clients=3)
    assert "transport=websocket" in served.output
    assert "Traceback" not in served.output
    assert "rror" not in served.output


@pytest.mark.parametrize("server", ["wsgiref", "werkzeug with TLS", "gunicorn with TLS"])
async def test_server_that_keeps_its_connections_gets_clients_that_poll(
    node: NodeDriver, tmp_path: Path, certificate: tuple[str, str], server: str
) -> None:
    cert, key = certificate
    command = {
        "wsgiref": [*WERKZEUG, "wsgiref"],
        "werkzeug with TLS": [*WERKZEUG, "werkzeug", cert, key],
        "gunicorn with TLS": [*GUNICORN, "--certfile", cert, "--keyfile", key],
    }[server]
    async with serving(SOURCE, "app_flask", command, tmp_path) as served:
        url = served.url.replace("http:", "https:") if "TLS" in server else served.url
        await node.play("onlyPolling", url, "polling")
        # A poll that is still held would keep gunicorn from stopping, for ping_interval seconds.
        await asyncio.to_thread(
            eventually, lambda: get_json(f"{url}/sessions") == [], "the end of the clients"
        )


def get_json(url: str) -> Any:
    context = ssl.create_default_context() if url.startswith("https") else None
    if context is not None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(url, context=context, timeout=DEADLINE_S) as answer:
        return json.load(answer)


@pytest.mark.parametrize("server", [OURS, GUNICORN], ids=["fastsio", "gunicorn"])
async def test_django_under_wsgi(node: NodeDriver, tmp_path: Path, server: list[str]) -> None:
    source = (Path(__file__).parent / "app_django_wsgi.py").read_text(encoding="utf-8")
    async with serving(source, "app_django_wsgi", server, tmp_path) as served:
        for mode in MODES:
            await node.play("pagesEmit", served.url, mode)

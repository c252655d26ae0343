"""The official client and a Flask application on the sync Server, under the servers that people run it on.

Each is a process of its own. What an application that was moved by its import sees is in test_ported.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from node_driver import NodeDriver
from test_ported import GUNICORN, OURS, UVICORN, WERKZEUG, serving

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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", SERVERS)
async def test_threads_emit_at_once(
    node: NodeDriver, tmp_path: Path, server: str, mode: str
) -> None:
    async with serving(SOURCE, "app_flask", SERVERS[server], tmp_path) as served:
        sizes = {"threads": 8, "count": 50, "clients": 3}
        assert await node.play("threadsEmitAtOnce", served.url, mode, **sizes) == 400


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", SERVERS)
async def test_handlers_may_block_and_ask_back(
    node: NodeDriver, tmp_path: Path, server: str, mode: str
) -> None:
    async with serving(SOURCE, "app_flask", SERVERS[server], tmp_path) as served:
        for scenario in ("blockingHandlersHoldUpNobody", "handlersAskBack", "classBasedNamespace"):
            await node.play(scenario, served.url, mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", FEW_THREADS)
async def test_clients_keep_no_thread_of_the_wsgi_server(
    node: NodeDriver, tmp_path: Path, server: str, mode: str
) -> None:
    async with serving(SOURCE, "app_flask", FEW_THREADS[server], tmp_path) as served:
        await node.play("manyClientsPoll", served.url, mode, clients=10)


@pytest.mark.parametrize("mode", MODES)
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

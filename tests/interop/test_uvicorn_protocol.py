"""uvicorn with SioHttpProtocol: real clients of both sides, workers, reload, signals.

Several workers share nothing and no client is kept to one of them, so that only clients that use WebSocket
alone work with more than one; polling needs sticky sessions, and rooms across workers an adapter.
"""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import requests
import socketio
import websockets
from uvicorn.protocols.http.h11_impl import H11Protocol

import app_aio
from apps import Log
from fastapi_app import make_api
from fastsio.asgi import ASGIApp
from fastsio.uvicorn import SioHttpProtocol
from harness import FakePeer, until
from mixed_clients import hold_poll, mix_with_httpx, mix_with_requests
from serving_process import ServingProcess
from uvicorn_tools import UvicornInLoop

PROTOCOL = ("--http", "fastsio.uvicorn:SioHttpProtocol")


class H11SioHttpProtocol(SioHttpProtocol):
    beside_class = H11Protocol


@pytest_asyncio.fixture
async def under_uvicorn(watch: Any):
    servers = []

    async def start(**config: Any) -> UvicornInLoop:
        app = ASGIApp(app_aio.build(Log()), make_api())
        servers.append(UvicornInLoop(app, **config))
        return await servers[-1].start()

    yield start
    for server in servers:
        await server.stop()


@pytest.mark.parametrize("scenario", ["carriesText", "carriesNestedBinary", "carries900kB"])
async def test_official_client(node: Any, under_uvicorn: Any, mode: str, scenario: str):
    server = await under_uvicorn()
    await node.play(scenario, server.url, mode)


async def test_official_client_over_tls(
    node: Any, under_uvicorn: Any, mode: str, certificate: tuple[str, str]
):
    server = await under_uvicorn(ssl_certfile=certificate[0], ssl_keyfile=certificate[1])
    await node.play("carriesNestedBinary", server.url, mode)


@pytest.mark.parametrize("protocol", [SioHttpProtocol, H11SioHttpProtocol])
async def test_httpx_mixes_pages_and_polling_on_one_connection(under_uvicorn: Any, protocol: Any):
    server = await under_uvicorn(http=protocol)
    async with httpx.AsyncClient(base_url=server.url) as client:
        await mix_with_httpx(client)
        assert len(server.connections) == 1
    await until(lambda: not server.connections, "the connection is forgotten")


async def test_requests_mixes_pages_and_polling_on_one_connection(under_uvicorn: Any):
    server = await under_uvicorn()
    with requests.Session() as client:
        await asyncio.to_thread(mix_with_requests, client, server.url)
        assert len(server.connections) == 1


@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])
async def test_websocket_of_fastapi_with_each_of_uvicorns_protocols(under_uvicorn: Any, ws: str):
    server = await under_uvicorn(ws=ws)
    async with websockets.connect(server.url.replace("http", "ws") + "/ws") as client:
        for text in ("one", "two", "x" * 100_000):
            await client.send(text)
            assert await client.recv() == f"echo {text}"


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
async def test_python_socketios_own_client(under_uvicorn: Any, transports: list[str]):
    server = await under_uvicorn()
    client = socketio.AsyncClient()
    await client.connect(server.url, transports=transports)
    assert await client.call("echo", ("x", b"\0\1")) == ("x", b"\0\1")
    await client.disconnect()
    await until(lambda: not server.connections, "the connection is forgotten")


# --- as a command ---------------------------------------------------------------------------------

pytest_one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])


async def ask_pid(url: str) -> tuple[FakePeer, str]:
    peer = await FakePeer(url).open()
    await peer.connect()
    await peer.send('420["pid"]')
    answer = await peer.receive()
    return peer, str(answer)[3:-1]


@pytest_one_loop
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_sigterm_ends_clients_at_once_and_runs_disconnect_handlers(loop: str):
    process = ServingProcess("uvicorn", "fastapi_app:app", *PROTOCOL, "--port", "0", "--loop", loop)
    try:
        await process.start()
        async with httpx.AsyncClient(base_url=process.url) as client:
            await mix_with_httpx(client, handshake_only=True)
            peer = await FakePeer(process.url).open()
            await peer.connect()
            polling = await FakePeer(process.url, "polling").open()
            await polling.connect()
            held = await hold_poll(polling, peer)
            await process.line(r"\nconnect", 3)
            began_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await peer.ws.receive_close()
            await peer.close()
            assert (await held).body == b"1"
            # uvicorn raises the signal again when it has ended.
            assert await process.ended(5) == -signal.SIGTERM
        assert time.monotonic() - began_at < 3
        assert process.output.count("disconnect: server disconnect\n") == 2
        assert process.output.index("disconnect: server") < process.output.index("\nshutdown\n")
        assert "Traceback" not in process.output
        assert '"GET /hello?name=x HTTP/1.1" 200 OK' in process.output
        assert '"GET /socket.io/?EIO=4&transport=polling HTTP/1.1" 200 OK' in process.output
    finally:
        await process.kill()


@pytest_one_loop
async def test_client_that_polls_a_mounted_server_is_told_of_though_no_connection_is_open():
    """A mounted ASGIApp hears of no lifespan."""
    process = ServingProcess("uvicorn", "fastapi_app:mounted", *PROTOCOL, "--port", "0")
    try:
        await process.start()
        polling = await FakePeer(process.url, "polling", path="/rt/socket.io/").open()
        await polling.connect()
        process.send_signal(signal.SIGTERM)
        assert await process.ended(5) == -signal.SIGTERM
        assert process.output.count("disconnect: server disconnect\n") == 1
        assert "carries no ASGIApp" not in process.output
    finally:
        await process.kill()


@pytest_one_loop
async def test_two_workers_serve_websocket_clients_and_pages():
    process = ServingProcess(
        "uvicorn", "fastapi_app:app", *PROTOCOL, "--port", "0", "--workers", "2"
    )
    peers: list[FakePeer] = []
    try:
        await process.start()
        await process.line("startup\n", 2)
        pids: set[str] = set()
        for _ in range(20):
            for peer, pid in await asyncio.gather(*(ask_pid(process.url) for _ in range(10))):
                peers.append(peer)
                pids.add(pid)
            if len(pids) == 2:
                break
        assert len(pids) == 2
        async with httpx.AsyncClient(base_url=process.url) as client:
            assert (await client.get("/hello")).json()["hello"] == "world"
        process.send_signal(signal.SIGTERM)
        for peer in peers:
            await peer.ws.receive_close()
            await peer.close()
        await process.ended(10)
        assert process.output.count("disconnect: server disconnect\n") == len(peers)
    finally:
        await process.kill()


@pytest_one_loop
async def test_reload_serves_the_new_code(tmp_path: Path):
    source = (Path(__file__).parent / "fastapi_app.py").read_text()
    module = tmp_path / "reloaded_app.py"
    module.write_text(source)
    process = ServingProcess(
        "uvicorn", "reloaded_app:app", *PROTOCOL, "--port", "0", "--reload", folder=tmp_path
    )
    try:
        await process.start()
        await process.line("Application startup complete")
        old, old_pid = await ask_pid(process.url)
        module.write_text(source.replace('"/hello"', '"/hello2"'))
        await old.ws.receive_close()
        await old.close()
        await process.line("disconnect: server disconnect")
        await process.line("Application startup complete", 2)
        new, new_pid = await ask_pid(process.url)
        assert new_pid != old_pid
        async with httpx.AsyncClient(base_url=process.url) as client:
            assert (await client.get("/hello2")).json()["hello"] == "world"
        process.send_signal(signal.SIGTERM)
        await new.ws.receive_close()
        await new.close()
        await process.ended(10)
    finally:
        await process.kill()

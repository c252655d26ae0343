"""fastsio.start() and `fastsio serve` with a FastAPI application beside Socket.IO: real clients of both.

The official JavaScript client plays scenarios of its own tests; httpx and requests mix pages and polling on
one kept-alive connection; `websockets` speaks to the application's WebSocket.
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import httpx
import pytest
import requests
import socketio
import websockets

import app_aio
from apps import Log
from fastapi_app import make_api
from fastsio.asgi import ASGIApp
from harness import FakePeer, assert_clean, until
from mixed_clients import hold_poll, mix_with_httpx, mix_with_requests
from serving_process import ServingProcess

SCENARIOS = ["carriesText", "carriesNestedBinary", "carries900kB"]


@pytest.mark.feature("1.1 attach to an existing HTTP server/app")
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_official_client_beside_fastapi(node: Any, serve: Any, mode: str, scenario: str):
    server = await serve(ASGIApp(app_aio.build(Log()), make_api()))
    await node.play(scenario, server.url, mode)


async def test_official_client_beside_fastapi_over_tls(
    node: Any, serve: Any, mode: str, certificate: tuple[str, str]
):
    cert, key = certificate
    app = ASGIApp(app_aio.build(Log()), make_api())
    server = await serve(app, ssl_certfile=cert, ssl_keyfile=key)
    await node.play("carriesNestedBinary", server.url, mode)


async def test_httpx_mixes_pages_and_polling_on_one_connection(serve: Any):
    server = await serve(ASGIApp(app_aio.build(Log()), make_api()))
    async with httpx.AsyncClient(base_url=server.url) as client:
        await mix_with_httpx(client)
        assert len(server.connections) == 1
    await until(lambda: not server.connections, "the connection is forgotten")


async def test_requests_mixes_pages_and_polling_on_one_connection(serve: Any):
    server = await serve(ASGIApp(app_aio.build(Log()), make_api()))
    with requests.Session() as client:
        await asyncio.to_thread(mix_with_requests, client, server.url)
        assert len(server.connections) == 1


async def test_websocket_of_fastapi(serve: Any):
    server = await serve(ASGIApp(app_aio.build(Log()), make_api()))
    address = server.url.replace("http", "ws") + "/ws"
    async with websockets.connect(address) as ws:
        for text in ("one", "two", "x" * 100_000):
            await ws.send(text)
            assert await ws.recv() == f"echo {text}"


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]])
async def test_python_socketios_own_client(serve: Any, transports: list[str]):
    server = await serve(ASGIApp(app_aio.build(Log()), make_api()))
    client = socketio.AsyncClient()
    await client.connect(server.url, transports=transports)
    assert await client.call("echo", ("x", b"\0\1")) == ("x", b"\0\1")
    await client.disconnect()
    await assert_clean(server)


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_fastsio_serve_with_clients_of_both_sides_until_sigterm(loop: str):
    process = ServingProcess("fastsio", "serve", "fastapi_app:app", "--port", "0", "--loop", loop)
    try:
        await process.start()
        async with httpx.AsyncClient(base_url=process.url) as client:
            await mix_with_httpx(client, handshake_only=True)
            peer = await FakePeer(process.url).open()
            await peer.connect()
            polling = await FakePeer(process.url, "polling").open()
            await polling.connect()
            held = await hold_poll(polling, peer)
            began_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            await peer.ws.receive_close()
            await peer.close()
            assert (await held).body == b"1"
            assert await process.ended(5) == 0
        assert time.monotonic() - began_at < 3
        assert process.lines[0] == "startup\n"
        assert process.output.count("disconnect: server disconnect\n") == 2
        assert process.lines[-2] == "shutdown\n"
        assert "Traceback" not in process.output
    finally:
        await process.kill()

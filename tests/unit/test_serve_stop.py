"""How a server that start() has made stops: its options, what is called when, and closing it twice."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

import fastsio
from asgi_pages import Pages
from fastsio.asgi import ASGIApp
from harness import CLOSE, MS, FakePeer, RawConnection, http

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"


def now() -> float:
    return asyncio.get_running_loop().time()


async def joined(url: str) -> FakePeer:
    peer = await FakePeer(url).open()
    await peer.connect()
    return peer


@pytest.mark.parametrize("name", ["drain_seconds", "drain_delay"])
@pytest.mark.parametrize("value", [-1, float("inf"), float("nan")])
async def test_time_that_is_none_is_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name}={value}: seconds, 0 or more$"):
        await fastsio.start(fastsio.IO(), port=0, **{name: value})


@pytest.mark.parametrize("style", ["raw", "asgi"])
async def test_clients_of_a_server_that_drains_are_told_within_the_time(serve, style):
    sio = fastsio.AsyncServer()
    reasons: list[str] = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    app = sio if style == "raw" else ASGIApp(sio, Pages())
    server = await serve(app, drain_seconds=300 * MS)
    peers = [await joined(server.url) for _ in range(6)]
    began_at = now()
    closing = asyncio.ensure_future(server.close())
    for peer in peers:
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()
    await closing
    assert now() - began_at < 1000 * MS
    assert reasons == ["server disconnect"] * 6
    assert not server.connections


async def test_drain_alone_leaves_the_server_to_be_closed(serve):
    server = await serve(fastsio.IO(), drain_seconds=100 * MS)
    peer = await joined(server.url)
    await server.drain()
    assert await peer.ws.receive() == (CLOSE, b"")
    await peer.close()
    assert server.engine.is_open
    await server.close()
    assert not server.engine.is_open
    assert "handle" not in vars(server._server), "a cycle, and its connections with it"


@pytest.mark.parametrize("end", ["hurry", "close"])
async def test_drain_can_be_cut_short(serve, end):
    server = await serve(fastsio.IO(), drain_seconds=600, drain_delay=600)
    peers = [await joined(server.url) for _ in range(3)]
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    server.hurry()  # drain_delay
    if end == "close":
        await server.close()
    for peer in peers:
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()
    await closing
    await server.close()


async def test_close_called_again_while_it_drains_closes_the_rest(serve):
    server = await serve(fastsio.IO(), drain_seconds=600)
    peers = [await joined(server.url) for _ in range(3)]
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(10 * MS)
    await server.close()
    for peer in peers:
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()
    server.hurry()
    await closing


async def test_on_drain_is_called_before_the_first_client_goes(serve):
    io = fastsio.IO()
    events: list[str] = []
    io.on("connection", lambda one: one.on("disconnect", lambda reason: events.append("gone")))

    async def on_drain() -> None:
        await asyncio.sleep(5 * MS)
        events.append(f"{len(io.hub.root.sockets)} here")
        io.emit("restarting")

    server = await serve(io, on_drain=on_drain)
    peer = await joined(server.url)
    closing = asyncio.ensure_future(server.close())
    assert await peer.receive() == '42["restarting"]'
    await peer.ws.receive_close()
    await peer.close()
    await closing
    assert events == ["1 here", "gone"]


@pytest.mark.fault("on_drain raises or hangs", "it is logged, and the server stops all the same")
@pytest.mark.parametrize("kind", ["raises", "hangs"])
async def test_on_drain_that_fails_does_not_keep_the_server(serve, watch, kind):
    async def on_drain() -> None:
        if kind == "raises":
            raise KeyError("no such room")
        await asyncio.get_running_loop().create_future()

    server = await serve(fastsio.IO(), on_drain=on_drain, shutdown_timeout=50 * MS)
    peer = await joined(server.url)
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    await closing
    watch.expect_error("on_drain failed", "no such room" if kind == "raises" else "TimeoutError")


async def test_application_beside_is_served_while_it_drains(serve):
    sio = fastsio.AsyncServer()
    server = await serve(ASGIApp(sio, Pages()), drain_seconds=600)
    kept = await RawConnection.open(server.url)
    await kept.request("GET", "/missing")
    peer = await joined(server.url)
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    assert (await kept.request("GET", "/missing")).body == b"missing"
    server.hurry()
    await peer.ws.receive_close()
    await peer.close()
    await closing
    await kept.close()


async def test_io_that_listens_drains_when_it_is_closed(watch):
    io = fastsio.IO()
    server = await io.listen(0, drain_seconds=300 * MS)
    peers = [await joined(server.url) for _ in range(3)]
    began_at = now()
    closing = asyncio.ensure_future(io.close())
    for peer in peers:
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()
    await closing
    assert 100 * MS < now() - began_at < 1000 * MS


async def test_example_of_the_manual_runs(serve, tmp_path, monkeypatch):
    text = MANUAL.read_text(encoding="utf-8")
    ((name, source),) = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", text, re.DOTALL)
    assert name == "draining"
    program: dict[str, object] = {"__name__": "draining"}
    exec(compile(source, "draining.py", "exec"), program)
    run = re.search(r"fastsio\.run\(io, port=5000, (.*)\)", source)
    assert run is not None
    options = eval(f"dict({run[1]})", program)
    server = await serve(program["io"], **options)
    assert (await http(server.url, "GET", "/healthz")).body == b"live"
    peer = await joined(server.url)
    closing = asyncio.ensure_future(server.close())
    assert await peer.receive() == '42["restarting",{"in":10}]'
    server.hurry()
    await peer.ws.receive_close()
    await peer.close()
    await closing

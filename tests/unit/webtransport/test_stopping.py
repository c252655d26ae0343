"""Drains and handovers of a server that listens for WebTransport too: its clients are told, and come back elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio.webtransport import connection, door
from harness import FakePeer, until
from webtransport_peer import WebTransportPeer

# asyncio's own loop has its turn in test_sessions.py.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

TRANSPORTS = ["polling", "websocket", "webtransport"]


class App:
    def __init__(self, name: str) -> None:
        self.io = fastsio.IO(transports=TRANSPORTS)
        self.ends: list[str] = []

        @self.io.on("connection")
        def connection(socket: Any) -> None:
            socket.on("who", lambda: name)
            socket.on("disconnect", self.ends.append)


@pytest.fixture
def files(certificate: Any) -> dict[str, Any]:
    return {"webtransport": {"certfile": certificate[0], "keyfile": certificate[1]}}


async def who(peer: WebTransportPeer) -> str:
    peer.send('420["who"]')
    return str(await peer.receive())


async def test_drain_closes_webtransport_clients_with_the_others(serve, files):
    app = App("one")
    server = await serve(app.io, drain_seconds=0.4, **files)
    async with WebTransportPeer.at(server) as peer, WebTransportPeer.at(server) as other:
        await (await peer.open()).join()
        await (await other.open()).join()
        draining = asyncio.ensure_future(server.close())
        assert await peer.closed_by_server() == (0, b"")
        assert await other.closed_by_server() == (0, b"")
        await draining
    assert app.ends == ["server shutting down"] * 2
    assert not server.webtransport.connections


@pytest.mark.fault(
    "a WebTransport client is suspended while the server stops",
    "the end of its session waits for it, in front of the connection's",
)
async def test_client_that_hears_late_is_told_too(serve, files, monkeypatch):
    app = App("one")
    server = await serve(app.io, **files)
    async with WebTransportPeer.at(server) as peer:
        await (await peer.open()).join()
        late: list[tuple[Any, Any]] = []
        with monkeypatch.context() as suspended:
            suspended.setattr(peer.http, "datagram_received", lambda *one: late.append(one))
            suspended.setattr(door, "GOODBYE_S", 0.1)
            await server.close()
            await until(lambda: late, "what the server has sent")
        for data, address in late:
            peer.http.datagram_received(data, address)
        assert await peer.closed_by_server() == (0, b"")
        await peer.http.ended_by_server()
    assert app.ends == ["server shutting down"]


async def test_connection_stays_a_while_for_a_client_that_answers_the_end(
    serve, files, monkeypatch
):
    """Chromium tells its page of an error if both end at once."""
    app = App("one")
    server = await serve(app.io, **files)
    monkeypatch.setattr(connection, "LEAVE_S", 0.3)
    async with WebTransportPeer.at(server) as peer:
        await (await peer.open()).join()
        closing = asyncio.ensure_future(server.close())
        assert await peer.closed_by_server() == (0, b"")
        peer.http.send(peer.session_id, b"", ends=True)
        loop = asyncio.get_running_loop()
        answered_at = loop.time()
        end = await peer.http.ended_by_server()
        assert end.error_code == 0x100
        assert loop.time() - answered_at > 0.25
        await closing
    assert app.ends == ["server shutting down"]


async def test_nobody_comes_in_by_webtransport_while_it_drains(serve, files):
    app = App("one")
    server = await serve(app.io, drain_seconds=1.0, **files)
    async with WebTransportPeer.at(server) as peer:
        await (await peer.open()).join()
        draining = asyncio.ensure_future(server.close())
        await until(lambda: server.webtransport._listeners[0].is_stopped, "the drain")
        late = WebTransportPeer.at(server, idle_timeout=0.3)
        with pytest.raises((ConnectionError, TimeoutError)):
            async with late:
                pass
        server.hurry()
        await draining
    assert app.ends == ["server shutting down"]


@pytest.mark.fault(
    "another process takes over from a server with WebTransport clients",
    "they are told, and served by it",
)
async def test_next_server_has_the_udp_port_too(serve, files, tmp_path):
    path = str(tmp_path / "handover.sock")
    first, second = App("first"), App("second")
    before = await serve(first.io, handover=path, **files)
    staying = await FakePeer(before.url).open()
    await staying.connect()
    async with WebTransportPeer.at(before) as peer:
        await (await peer.open()).join()
        assert await who(peer) == '430["first"]'
        after = await serve(second.io, handover=path, **files)
        assert after.port == before.port
        assert await peer.closed_by_server() == (0, b"")
    assert first.ends == ["server shutting down"]
    async with WebTransportPeer.at(after) as peer:
        await (await peer.open()).join()
        assert await who(peer) == '430["second"]'
        peer.close_session()
        await until(lambda: not after.webtransport.connections, "the end")
    await staying.send('420["who"]')  # over TCP nobody had to go
    assert await staying.receive() == '430["first"]'
    await staying.close()
    await before.close()


async def test_next_server_serves_without_if_the_port_is_not_left(
    serve, files, tmp_path, monkeypatch, watch
):
    path = str(tmp_path / "handover.sock")
    first, second = App("first"), App("second")
    before = await serve(first.io, handover=path, **files)
    monkeypatch.setattr(door, "TAKEOVER_S", 0.1)
    monkeypatch.setattr(before.webtransport, "stop", lambda: None)

    async def stay() -> None:
        """A door that does not close."""

    close = before.webtransport.close
    monkeypatch.setattr(before.webtransport, "close", stay)
    after = await serve(second.io, handover=path, **files)
    assert after.webtransport is None
    assert any("process before this one is still there" in error for error in watch.errors)
    watch.errors.clear()
    peer = await FakePeer(after.url, "polling").open()
    assert peer.handshake["upgrades"] == ["websocket"]
    await peer.close()
    await before.close()
    await close()


async def test_start_that_fails_later_leaves_the_port(serve, files, tmp_path):
    app = App("one")
    taken = tmp_path / "no folder" / "handover.sock"
    with pytest.raises(OSError, match=r"no folder|No such"):
        await serve(app.io, handover=str(taken), **files)
    assert app.io.hub.engine is None
    server = await serve(app.io, **files)
    async with WebTransportPeer.at(server) as peer:
        await peer.open()
    await until(lambda: not server.webtransport.connections, "the end")

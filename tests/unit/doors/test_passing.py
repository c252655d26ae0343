"""Requests that reach the wrong one of two processes: the connection goes over, and the client sees nothing.

Two servers in the test's process, after a handover; FakePeer polls with a connection for each request.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

import fastsio
from asgi_pages import Pages
from fastsio._http import Request
from fastsio.asgi import ASGIApp
from fastsio.doors import passing
from fastsio.doors.passing import bytes_of
from harness import FakePeer, RawConnection, http, until

POLL = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "handover.sock")


class App:
    """An IO that says its name; `gone` has the reasons of clients that went."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.gone: list[str] = []
        self.io = fastsio.IO()
        self.io.on("connection", self.connected)

    def connected(self, one: Any) -> None:
        one.on("who", lambda: self.name)
        one.on("size", len)
        one.on("disconnect", self.gone.append)


async def who(peer: FakePeer) -> str:
    await peer.send('420["who"]')
    return json.loads(str(await peer.receive())[3:])[0]


async def joined(url: str, transport: str = "polling") -> FakePeer:
    peer = await FakePeer(url, transport).open()
    await peer.connect()
    return peer


@pytest.mark.fault(
    "a polling client's next request reaches the new process of a handover, which does not know its session",
    "its connection is passed to the old process: the session goes on until its slice comes",
)
async def test_polling_client_goes_on_with_the_process_that_knows_it(serve, path):
    first = await serve(App("first").io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    for _ in range(5):
        assert await who(peer) == "first"
    assert await who(await joined(first.url, "websocket")) == "second"
    await peer.close()


async def test_session_is_upgraded_by_the_process_that_knows_it(serve, path):
    first = await serve(App("first").io, handover=path)
    accepted, peer = await joined(first.url, "websocket"), await joined(first.url)
    await serve(App("second").io, handover=path)
    await peer.upgrade()
    assert await who(peer) == "first"
    transports = {type(session.outlet.transport) for session in first.engine.sessions.values()}
    assert len(first.engine.sessions) == 2 and len(transports) == 1, (
        "passed and accepted are served alike"
    )
    for one in (accepted, peer):
        await one.close()


async def test_held_get_is_answered_and_its_connection_ends(serve, path):
    """So that a proxy does not bring other clients' requests on it."""
    app = App("first")
    first = await serve(app.io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    connection = await RawConnection.open(first.url)
    held = asyncio.ensure_future(connection.request("GET", peer.target()))
    session = next(iter(first.engine.sessions.values()))
    await until(lambda: session.polling.held is not None, "the GET is held by the first")
    app.io.emit("news", 1)
    answer = await held
    assert answer.body == b'42["news",1]'
    assert answer.headers["connection"] == "close"
    await connection.close()
    await peer.close()
    await until(lambda: app.gone, "the end of the client")


@pytest.mark.parametrize("size", [10, 70_000, 900_000])
async def test_posts_of_any_size_go_over(serve, path, size):
    first = await serve(App("first").io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    await peer.send('420["size","%s"]' % ("x" * size))
    assert await peer.receive() == f"430[{size}]"
    await peer.close()


async def test_many_requests_at_once_go_over(serve, path):
    first = await serve(App("first").io, handover=path)
    peers = await asyncio.gather(*(joined(first.url) for _ in range(40)))
    await serve(App("second").io, handover=path)
    text = "x" * 30_000  # more than the channel holds

    async def ask(peer: FakePeer) -> str | bytes:
        await peer.send('420["size","%s"]' % text)
        return await peer.receive()

    assert set(await asyncio.gather(*map(ask, peers))) == {"430[30000]"}
    for peer in peers:
        await peer.close()


@pytest.mark.fault(
    "a proxy brings a new client on a connection that the old process has kept",
    "the connection is passed to the new process, which serves the client",
)
async def test_handshake_on_a_connection_of_the_old_process_is_the_new_ones(serve, path):
    first = await serve(App("first").io, handover=path, pages={"/": "first"})
    kept = [await RawConnection.open(first.url) for _ in range(3)]
    for connection in kept:
        assert (await connection.request("GET", "/")).body == b"first"
    second = await serve(App("second").io, handover=path, pages={"/": "second"})
    answer = await kept[0].request("GET", POLL)
    assert answer.status == 200
    assert json.loads(answer.body[1:])["sid"] in second.engine.sessions
    assert (await kept[1].request("GET", "/")).body == b"second"
    # It is the new one's now, and kept alive there.
    assert (await kept[1].request("GET", "/")).body == b"second"
    sid = json.loads(answer.body[1:])["sid"]
    assert (await kept[2].request("POST", f"{POLL}&sid={sid}", b"1")).body == b"ok"
    for connection in kept:
        await connection.close()


async def test_connection_that_was_accepted_by_the_old_process_and_said_nothing(serve, path):
    first = await serve(App("first").io, handover=path)
    fresh = await RawConnection.open(first.url)
    await until(lambda: first.connections, "it is the first one's")
    second = await serve(App("second").io, handover=path)
    answer = await fresh.request("GET", POLL)
    assert json.loads(answer.body[1:])["sid"] in second.engine.sessions
    await fresh.request("POST", f"{POLL}&sid={json.loads(answer.body[1:])['sid']}", b"1")
    await fresh.close()


async def test_session_that_nobody_knows_is_refused_once(serve, path):
    first = await serve(App("first").io, handover=path)
    kept = await RawConnection.open(first.url)
    assert (await kept.request("GET", POLL + "&sid=x")).status == 400
    await serve(App("second").io, handover=path)
    for connection in (kept, await RawConnection.open(first.url)):
        answer = await connection.request("GET", POLL + "&sid=x")
        assert (answer.status, answer.json()["code"]) == (400, 1)
        await connection.close()


async def test_three_generations_pass_on_to_the_one_that_knows(serve, path):
    servers = [await serve(App("0").io, handover=path)]
    peers = [await joined(servers[0].url)]
    kept = await RawConnection.open(servers[0].url)
    await kept.request("GET", "/nothing")
    for number in (1, 2):
        servers.append(await serve(App(str(number)).io, handover=path))
        peers.append(await joined(servers[0].url))
    assert [await who(peer) for peer in peers] == ["0", "1", "2"]
    answer = await kept.request("GET", POLL)
    sid = json.loads(answer.body[1:])["sid"]
    assert sid in servers[2].engine.sessions
    await kept.request("POST", f"{POLL}&sid={sid}", b"1")
    await kept.close()
    for peer in peers:
        await peer.close()


async def test_server_alone_has_no_diversion(serve, path):
    first = await serve(App("first").io, handover=path)
    assert "handle" not in vars(first._server)
    second = await serve(App("second").io, handover=path)
    assert "handle" in vars(second._server)
    await first.close()
    await until(lambda: "handle" not in vars(second._server), "the end of the diversion")
    peer = await joined(second.url)
    assert await who(peer) == "second"
    await peer.close()


async def test_both_ways_beside_another_application(serve, path):
    first = await serve(ASGIApp(fastsio.AsyncServer(), Pages()), handover=path)
    peer = await joined(first.url)
    kept = await RawConnection.open(first.url)
    assert (await kept.request("GET", POLL + "&sid=x")).status == 400
    second = await serve(ASGIApp(fastsio.AsyncServer(), Pages()), handover=path)
    await peer.send("41")
    assert (await http(first.url, "GET", "/missing")).body == b"missing"
    answer = await kept.request("GET", POLL)
    sid = json.loads(answer.body[1:])["sid"]
    assert sid in second.engine.sessions
    await kept.request("POST", f"{POLL}&sid={sid}", b"1")
    await kept.close()
    await peer.close()


async def test_over_tls_a_session_of_the_other_process_is_unknown(serve, path, certificate):
    cert, key = certificate
    options = {"handover": path, "ssl_certfile": cert, "ssl_keyfile": key}
    first = await serve(App("first").io, **options)
    peer = await joined(first.url)
    await serve(App("second").io, **options)
    assert (await peer.get()).json()["code"] == 1
    await first.close()


# --- when it can't be -----------------------------------------------------------------------------


@pytest.mark.fault(
    "no descriptor is left, or the other process is overloaded, when a connection is to be passed",
    "the request is answered here, as one of an unknown session, and a warning is logged",
)
async def test_connection_that_cant_be_passed_is_answered_here(serve, path, monkeypatch, caplog):
    first = await serve(App("first").io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    monkeypatch.setattr(passing, "MAX_WAITING", 0)
    assert (await peer.get()).status == 400
    monkeypatch.setattr(passing, "MAX_WAITING", 100)

    def none_left(fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", none_left)
        assert (await peer.get()).status == 400
        assert "a connection can't be passed on" in caplog.text
    assert await who(peer) == "first"
    await peer.close()


async def test_kernel_that_is_busy_is_asked_again(serve, path, monkeypatch):
    first = await serve(App("first").io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    send, refusals = socket.send_fds, [errno.ETOOMANYREFS, errno.ENOBUFS]

    def sometimes(*given: Any) -> int:
        if refusals:
            raise OSError(refusals.pop(), "busy")
        return send(*given)

    monkeypatch.setattr(socket, "send_fds", sometimes)
    assert await who(peer) == "first"
    assert refusals == []
    await peer.close()


@pytest.mark.fault(
    "the old process of a handover is killed while it drains",
    "the new one serves on; sessions of the old one are unknown, their clients connect again",
)
async def test_neighbour_that_has_gone_is_not_asked(serve, path):
    first = await serve(App("first").io, handover=path)
    peer = await joined(first.url)
    second = await serve(App("second").io, handover=path)
    first._doorman.newer.close()  # as its end would
    await until(lambda: "handle" not in vars(second._server), "the end is noticed")
    assert (await peer.get()).json()["code"] == 1
    fresh = await joined(second.url)
    assert await who(fresh) == "second"
    await fresh.close()
    await first.close()


@pytest.mark.parametrize(
    ("request_", "data"),
    [
        (
            Request("GET", b"/a?b=1", [(b"host", b"x"), (b"X-Y", b"z")]),
            b"GET /a?b=1 HTTP/1.1\r\nhost: x\r\nX-Y: z\r\n\r\n",
        ),
        (
            Request("POST", b"/", [(b"Host", b"x"), (b"Transfer-Encoding", b"chunked")], b"abc"),
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        ),
        (
            Request("POST", b"/", [(b"Content-Length", b"0"), (b"Expect", b"100-continue")]),
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            Request("GET", b"/", [(b"Host", b"x")], keep_alive=False),
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ),
        (
            Request("GET", b"/", [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]),
            b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ),
    ],
)
def test_request_is_written_as_the_client_might_have_sent_it(request_, data):
    # A header's name is in any case.
    assert bytes_of(request_).lower() == data.lower()


@pytest.mark.parametrize("words", [b"x", b"", b"x" * 100])
async def test_packet_that_begins_no_request_ends_the_channel(serve, words, caplog):
    """Of another version, for example. The connection that came with it is closed."""
    server = await serve(App("first").io)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gone: list[int] = []
    passing.Neighbour(server._server, server._doorman._make, ours, lambda: gone.append(1))
    near, far = socket.socketpair()
    with theirs, near, far:
        if words:
            socket.send_fds(theirs, [words], [near.fileno()])
        else:
            theirs.close()
        near.close()
        await until(lambda: gone, "the end of the channel")
        assert ours.fileno() == -1
        if words:
            far.settimeout(5)
            assert far.recv(1) == b""
            assert "no request begins with" in caplog.text


async def test_connection_whose_client_has_gone_is_let_go(serve, path):
    app = App("first")
    first = await serve(app.io, handover=path)
    peer = await joined(first.url)
    await serve(App("second").io, handover=path)
    connection = await RawConnection.open(first.url)
    connection.write(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % peer.target().encode())
    connection.abort()
    await until(lambda: not first.connections, "nothing is left of it")
    if not app.gone:  # the GET had been held, or never came
        await peer.close()
    await until(lambda: app.gone, "the client's one end")
    assert len(app.gone) == 1

"""Clients that come back to another worker than their own: their messages are passed on to that.

With processes and official clients: tests/workers/test_recovery.py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from crew_tools import Make, Worker, ask

from fastsio._http import Request
from fastsio.adapters import MemoryHub, RedisStreamsAdapter
from fastsio.doors.passing import Neighbour
from fastsio.workers import homes
from fastsio.workers.homes import upgrade_of
from harness import FakePeer, until

RECOVERY: dict[str, Any] = {"connection_state_recovery": {}}

HANDSHAKE = [
    (b"Host", b"chat.example"),
    (b"Cookie", b"a=1; b=2"),
    (b"Connection", b"keep-alive"),
    (b"X-Forwarded-For", b"10.1.2.3"),
]


def test_what_the_client_has_said_of_itself_is_said_again():
    target = b"/chat/socket.io/?EIO=4&transport=polling&t=abc&token=a%26b+c&sid=xyz&b64=1"
    request = upgrade_of(Request("GET", target, HANDSHAKE))
    assert request.path == "/chat/socket.io/"
    assert request.query == {"EIO": "4", "t": "abc", "token": "a&b c", "transport": "websocket"}
    for name in ("host", "cookie", "x-forwarded-for"):
        assert request.header(name) == {k.decode().lower(): v.decode() for k, v in HANDSHAKE}[name]  # fmt: skip


def test_what_is_about_its_own_connection_is_not():
    websocket = [
        *HANDSHAKE[:2],
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        (b"Sec-WebSocket-Version", b"13"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"Sec-WebSocket-Protocol", b"x"),
    ]
    request = upgrade_of(Request("GET", b"/socket.io/?EIO=4&transport=websocket", websocket))
    names = [name.lower() for name, _ in request.raw_headers]
    assert len(names) == len(set(names))
    assert b"sec-websocket-extensions" not in names and b"sec-websocket-protocol" not in names
    assert request.header("sec-websocket-key") not in (None, "dGhlIHNhbXBsZSBub25jZQ==")
    assert request.header("connection") == "Upgrade"


# --- coming back ----------------------------------------------------------------------------------


async def lost(worker: Worker, *namespaces: str) -> dict[str, dict[str, Any]]:
    """What a client knows by namespace that was at a worker and has lost its connection."""
    peer = await FakePeer(worker.url).open()
    known = {name: await peer.connect(name) for name in namespaces or ("/",)}
    peer.abort()
    await until(lambda: not worker.server.engine.sessions, "its end")
    return known


async def back(
    worker: Worker, known: dict[str, Any], transport: str = "websocket", **how: Any
) -> FakePeer:
    """The client with all its namespaces at a worker, asked for in one go."""
    peer = await FakePeer(worker.url, transport, **how).open()
    await peer.send(
        *("40" + ("" if name == "/" else f"{name},") + json.dumps({"pid": one["pid"]}) for name, one in known.items())
    )  # fmt: skip
    return peer


async def answers(peer: FakePeer, count: int = 1) -> dict[str, Any]:
    """What CONNECTs are answered, by namespace."""
    found = {}
    for _ in range(count):
        packet = str(await peer.receive())
        assert packet.startswith("40"), packet
        head, _, body = packet[2:].partition("{")
        found[head.rstrip(",") or "/"] = json.loads("{" + body)
    return found


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_is_recovered_by_its_own_worker_in_all_its_namespaces(
    crew: Make, transport: str
) -> None:
    workers = await crew(2, **RECOVERY)
    for worker in workers:
        worker.io.of("/chat").on("connection", worker.connected)
    known = await lost(workers[0], "/", "/chat")
    assert all(one["pid"].startswith(workers[0].crew.id) for one in known.values())
    peer = await back(workers[1], known, transport, headers={"User-Agent": "tests"})
    assert await answers(peer, 2) == known
    assert await ask(peer, "who") == 0
    [socket] = workers[0].io.sockets.sockets.values()
    assert socket.recovered and not workers[1].io.sockets.sockets
    assert socket.handshake.headers["user-agent"] == "tests"
    assert socket.handshake.address == "127.0.0.1"
    if transport == "polling":
        await peer.upgrade()
        assert await ask(peer, "size", "x" * 300_000) == 300_000
    await peer.close()


async def test_it_is_recovered_over_tls_too(crew: Make, certificate: Any) -> None:
    cert, key = certificate
    workers = await crew(2, start={"ssl_certfile": cert, "ssl_keyfile": key}, **RECOVERY)
    known = await lost(workers[0])
    peer = await back(workers[1], known)
    assert await answers(peer) == known
    [socket] = workers[0].io.sockets.sockets.values()
    assert socket.handshake.secure
    assert await ask(peer, "who") == 0
    await peer.close()


async def test_workers_that_a_bus_of_others_joins_recover_each_others_clients(
    serve: Any, tmp_path: Path
) -> None:
    bus = MemoryHub()
    workers = [Worker(number, str(tmp_path), adapter=bus.bus(), **RECOVERY) for number in range(2)]
    for worker in workers:
        worker.server = await serve(worker.io, crew=worker.crew)
    await until(lambda: all(one.crew.others for one in workers), "they have met")
    known = await lost(workers[0])
    peer = await back(workers[1], known)
    assert await answers(peer) == known
    assert await ask(peer, "who") == 0
    await peer.close()


def test_where_all_servers_know_who_comes_back_nobody_is_led(tmp_path: Path) -> None:
    worker = Worker(0, str(tmp_path), adapter=RedisStreamsAdapter(), cookie=True, **RECOVERY)
    worker.crew.attach(worker.io)
    assert worker.io.hub.homes is None


async def test_a_pid_that_its_worker_does_not_know_is_somebody_new_there(crew: Make) -> None:
    workers = await crew(2, **RECOVERY)
    peer = await back(workers[1], {"/": {"pid": workers[0].crew.id + "x" * 18}})
    assert (await answers(peer))["/"]["pid"].startswith(workers[0].crew.id)
    assert await ask(peer, "who") == 0
    await peer.close()


async def test_who_has_joined_something_here_stays_here(crew: Make) -> None:
    workers = await crew(2, **RECOVERY)
    for worker in workers:
        worker.io.of("/chat").on("connection", worker.connected)
    known = await lost(workers[0])
    peer = await FakePeer(workers[1].url).open()
    await peer.connect("/chat")
    assert (await peer.connect("/", {"pid": known["/"]["pid"]}))["sid"] != known["/"]["sid"]
    assert await ask(peer, "who") == 1
    await peer.close()


# --- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_what_its_worker_ends_has_ended(crew: Make, transport: str) -> None:
    workers = await crew(2, **RECOVERY)
    known = await lost(workers[0])
    peer = await back(workers[1], known, transport)
    await answers(peer)
    [socket] = workers[0].io.sockets.sockets.values()
    socket.disconnect(True)
    assert await peer.receive() == "41"
    if transport == "polling":
        assert (await peer.get()).body.endswith(b"1")
    await until(lambda: not workers[1].server.engine.sessions, "the session here")
    assert not workers[0].server.engine.sessions


async def test_a_worker_that_passes_on_and_closes_costs_a_reconnect(crew: Make) -> None:
    workers = await crew(3, **RECOVERY)
    known = await lost(workers[0])
    peer = await back(workers[1], known)
    await answers(peer)
    await workers[1].server.close()
    await peer.ws.receive_close()
    await until(lambda: not workers[0].server.engine.sessions, "its end at home")
    peer = await back(workers[2], known)
    assert await answers(peer) == known
    await peer.close()


async def test_its_worker_closes_and_the_client_is_closed(crew: Make) -> None:
    workers = await crew(2, **RECOVERY)
    known = await lost(workers[0])
    peer = await back(workers[1], known)
    await answers(peer)
    await workers[0].server.close()
    await peer.ws.receive_close()
    await until(lambda: not workers[1].server.engine.sessions, "the session here")


# --- its worker does not answer -------------------------------------------------------------------


@pytest.mark.fault(
    "a client comes back to another worker, and its own refuses it or ends",
    "it is somebody new where it is, and what it has sent meanwhile is handled",
)
@pytest.mark.parametrize("how", ["refuses", "ends"])
async def test_a_client_that_is_not_taken_is_somebody_new(
    crew: Make, monkeypatch: pytest.MonkeyPatch, how: str, caplog: Any
) -> None:
    def closes(self: Neighbour, sock: Any, *told: Any) -> bool:
        sock.close()
        return True

    workers = await crew(2, **RECOVERY)
    known = await lost(workers[0])
    if how == "refuses":
        monkeypatch.setattr(homes, "upgrade_of", lambda request: Request("GET", b"/", [(b"Host", b"x")]))  # fmt: skip
    else:
        monkeypatch.setattr(Neighbour, "give_end", closes)
    peer = await FakePeer(workers[1].url).open()
    await peer.send("40" + json.dumps({"pid": known["/"]["pid"]}), '420["size","early"]')
    answer = (await answers(peer))["/"]
    assert answer["sid"] != known["/"]["sid"] and answer["pid"].startswith(workers[1].crew.id)
    assert await peer.receive() == "430[5]"
    assert "is somebody new here" in caplog.text
    await peer.close()


@pytest.mark.parametrize("is_patient", [True, False])
async def test_who_sends_too_much_before_an_answer_goes(
    crew: Make, monkeypatch: pytest.MonkeyPatch, is_patient: bool
) -> None:
    kept: list[int] = []

    def keeps(self: Neighbour, sock: Any, *told: Any) -> bool:
        kept.append(sock.detach())
        return True

    monkeypatch.setattr(homes, "ANSWER_S", 30.0 if is_patient else 0.05)
    monkeypatch.setattr(Neighbour, "give_end", keeps)
    workers = await crew(2, **RECOVERY)
    known = await lost(workers[0])
    peer = await back(workers[1], known)
    if is_patient:
        await peer.send(*['42["size","x"]'] * (homes.MAX_EARLY + 1))
        await peer.ws.receive_close()
    else:
        assert (await answers(peer))["/"]["sid"] != known["/"]["sid"]
        await peer.close()
    for number in kept:
        os.close(number)

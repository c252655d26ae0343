"""What joins workers: whose a request is, what they tell each other, their coming and going. See crew_tools.py."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from crew_tools import Make, Worker, ask, at, joined

import fastsio
from asgi_pages import Pages
from fastsio.asgi import ASGIApp
from fastsio.workers.crew import Crew, prefixed
from harness import RawConnection, http, until

POLL = "/socket.io/?EIO=4&transport=polling"


# --- whose a request is ---------------------------------------------------------------------------


async def test_any_worker_takes_a_clients_requests_to_its_owner(crew: Make) -> None:
    workers = await crew()
    peer = await joined(workers[0])
    assert peer.handshake["sid"].startswith(workers[0].crew.id)
    for worker in (*workers, *workers):
        assert await ask(at(peer, worker), "who") == 0
    await peer.close()


async def test_a_held_get_and_its_post_may_reach_two_others(crew: Make) -> None:
    workers = await crew()
    peer = await joined(workers[0])
    held = asyncio.ensure_future(at(peer, workers[1]).get())
    session = next(iter(workers[0].server.engine.sessions.values()))
    await until(lambda: session.polling.held is not None, "the GET is held by the owner")
    await at(peer, workers[2]).send('420["who"]')
    assert (await held).body == b"430[0]"
    await peer.close()


@pytest.mark.parametrize("size", [10, 70_000, 900_000])
async def test_posts_and_upgrades_of_any_size_reach_the_owner(crew: Make, size: int) -> None:
    workers = await crew(2)
    peer = at(await joined(workers[0]), workers[1])
    assert await ask(peer, "size", "x" * size) == size
    await peer.upgrade()
    assert await ask(peer, "size", "x" * size) == size
    await peer.close()


async def test_jsonp_reaches_the_owner(crew: Make) -> None:
    workers = await crew(2, allow_eio3=True)
    target = "/socket.io/?EIO=3&transport=polling&j=0"
    opened = (await http(workers[0].url, "GET", target)).body.decode()
    (sid,) = re.findall(r'sid\\":\\"([^\\]+)', opened)
    body = b"d=10%3A420%5B%22who%22%5D"
    answer = await http(workers[1].url, "POST", f"{target}&sid={sid}", body)
    assert answer.status == 200
    answer = await http(workers[1].url, "GET", f"{target}&sid={sid}")
    assert b"430[0]" in answer.body
    await http(workers[1].url, "POST", f"{target}&sid={sid}", b"d=1%3A1")


async def test_a_connection_that_mixes_clients_goes_to_and_fro(crew: Make) -> None:
    """As a reverse proxy has them, that keeps its connections."""
    workers = await crew()
    peers = [await joined(worker) for worker in workers]
    connection = await RawConnection.open(workers[0].url)
    for turn in range(3):
        for number, peer in enumerate(peers):
            answer = await connection.request("POST", peer.target(), f'42{turn}["who"]'.encode())
            assert answer.body == b"ok"
            answer = await connection.request("GET", peer.target())
            assert answer.body == f"43{turn}[{number}]".encode()
    sid = json.loads((await connection.request("GET", POLL)).body[1:])["sid"]
    await connection.request("POST", f"{POLL}&sid={sid}", b"1")
    await connection.close()
    for peer in peers:
        await peer.close()


async def test_a_session_that_nobody_has_is_refused_as_by_one_server(crew: Make) -> None:
    workers = await crew(2)
    ids = [worker.crew.id + "x" * 18 for worker in workers]
    for sid in ("x", "x" * 20, "%22", *ids):
        for worker in workers:
            answer = await http(worker.url, "GET", f"{POLL}&sid={sid}")
            assert (answer.status, answer.json()["code"]) == (400, 1)


async def test_a_body_that_is_too_large_is_the_owners_to_refuse(crew: Make) -> None:
    workers = await crew(2, max_http_buffer_size=10_000)
    peer = at(await joined(workers[0]), workers[1])
    answer = await http(workers[1].url, "POST", peer.target(), b"4" + b"x" * 10_001)
    assert answer.status == 413
    assert await ask(peer, "who") == 0
    await peer.close()


async def test_ids_that_the_application_makes_are_looked_for(crew: Make) -> None:
    made = iter(range(100))
    workers = await crew(4, generate_id=lambda request: f"mine{next(made)}")
    peers = [await joined(worker) for worker in workers]
    assert [peer.handshake["sid"] for peer in peers] == ["mine0", "mine1", "mine2", "mine3"]
    for worker in workers:
        for number, peer in enumerate(peers):
            assert await ask(at(peer, worker), "who") == number
        answer = await http(worker.url, "GET", f"{POLL}&sid=mine99")
        assert (answer.status, answer.json()["code"]) == (400, 1)
    for peer in peers:
        await peer.close()


async def test_beside_another_application(crew: Make) -> None:
    workers = await crew(2, app=lambda io: ASGIApp(io, Pages()))
    peer = at(await joined(workers[0]), workers[1])
    assert await ask(peer, "size", "x" * 70_000) == 70_000
    connection = await RawConnection.open(workers[1].url)
    for _ in range(2):
        assert (await connection.request("GET", "/hello")).body == b"hello"
        assert (await connection.request("POST", peer.target(), b"3")).body == b"ok"
    await connection.close()
    await peer.upgrade()
    assert await ask(peer, "who") == 0
    await peer.close()


async def test_sessions_over_tls_are_relayed(crew: Make, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    workers = await crew(3, start={"ssl_certfile": cert, "ssl_keyfile": key})
    peers = [await joined(worker) for worker in workers]
    connection = await RawConnection.open(workers[0].url)
    for peer in (*peers, *peers):
        assert (await connection.request("POST", peer.target(), b'420["who"]')).body == b"ok"
        answer = await connection.request("GET", peer.target())
        assert answer.body == f"430[{peers.index(peer)}]".encode()
    await connection.close()
    for number, peer in enumerate(peers):
        assert await ask(at(peer, workers[number - 1]), "size", "x" * 300_000) == 300_000
        await peer.upgrade()
        assert await ask(peer, "size", "x" * 300_000) == 300_000
        await peer.close()


async def test_who_is_relayed_is_known_by_its_own_address(crew: Make, certificate: Any) -> None:
    cert, key = certificate
    workers = await crew(2, start={"ssl_certfile": cert, "ssl_keyfile": key})
    peer = at(await joined(workers[0]), workers[1])
    connection = await RawConnection.open(workers[1].url)
    held = asyncio.ensure_future(connection.request("GET", peer.target()))
    session = next(iter(workers[0].server.engine.sessions.values()))
    await until(lambda: session.polling.held is not None, "the GET is held by the owner")
    assert session.polling.held.remote == "127.0.0.1"
    assert session.polling.held.is_secure
    await at(peer, workers[0]).send('420["who"]')
    assert (await held).body == b"430[0]"
    await connection.close()
    await peer.close()


# --- rooms ----------------------------------------------------------------------------------------


async def test_rooms_and_answers_span_the_workers(crew: Make) -> None:
    workers = await crew()
    peers = [await joined(worker, "websocket") for worker in workers]
    for peer in peers[1:]:
        await peer.send('42["join","r"]')
    await until(lambda: workers[2].io.sockets.adapter.rooms.get("r"), "all are in the room")
    await until(lambda: workers[1].io.sockets.adapter.rooms.get("r"), "all are in the room")
    workers[0].io.to("r").emit("news", 1, {"a": b"\x00\xff"})
    for peer in peers[1:]:
        assert await peer.receive() == '451-["news",1,{"a":{"_placeholder":true,"num":0}}]'
        assert await peer.receive() == b"\x00\xff"
    assert len(await workers[1].io.fetch_sockets()) == 3
    asked = asyncio.ensure_future(workers[2].io.timeout(5).emit_with_ack("question"))
    for number, peer in enumerate(peers):
        question = str(await peer.receive())
        await peer.send(f"43{question[2 : question.index('[')]}[{number}]")
    assert sorted(await asked) == [0, 1, 2]
    workers[0].io.disconnect_sockets()
    for peer in peers:
        assert await peer.receive() == "41"
        await peer.close()


async def test_bytes_go_with_events_between_servers(crew: Make) -> None:
    workers = await crew(2)
    workers[1].io.on("sum", lambda data: [data["parts"], b"end"])
    answers = await workers[0].io.server_side_emit_with_ack("sum", {"parts": [b"a", 1]})
    assert answers == [[[b"a", 1], b"end"]]


async def test_presence_is_known_at_once_and_goes_with_a_worker(serve: Any, tmp_path: Path) -> None:
    workers, peers = [], []
    for number in range(2):
        workers.append(Worker(number, str(tmp_path), presence=True))
        workers[-1].server = await serve(workers[-1].io, crew=workers[-1].crew)
        peers.append(await joined(workers[-1], "websocket"))
        await counts(workers[-1], number + 1)
    (other,) = workers[0].crew.others.values()
    workers[1].crew._meeting._is_closed = True  # it does not come back
    other.link.transport.abort()
    await until(lambda: not workers[0].crew.others, "the end of the link")
    await counts(workers[0], 1)
    for peer in peers:
        await peer.close()


async def counts(worker: Worker, wanted: int) -> None:
    """Until it knows of so many clients: what changes is gathered for some milliseconds."""
    async with asyncio.timeout(2):
        while await worker.io.count() != wanted:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0.005)


async def test_an_application_with_an_adapter_keeps_it(serve: Any, tmp_path: Path) -> None:
    from fastsio.adapters import MemoryHub

    bus = MemoryHub().bus()
    io = fastsio.IO(adapter=bus)
    await serve(io, crew=Crew(str(tmp_path), 0))
    assert io.hub.cluster.bus is bus


# --- coming and going -----------------------------------------------------------------------------


@pytest.mark.fault(
    "the sockets between two workers end though both live",
    "they are joined anew at once; requests of each other's sessions are unknown in between",
)
async def test_workers_that_lose_each_other_meet_again(crew: Make, caplog: Any) -> None:
    caplog.set_level(logging.CRITICAL, "fastsio.workers")
    workers = await crew(2)
    peer = at(await joined(workers[0]), workers[1])
    (other,) = workers[0].crew.others.values()
    other.link.transport.abort()
    await until(lambda: other not in workers[0].crew.others.values(), "the end of the link")
    await until(lambda: all(one.crew.others for one in workers), "a new one")
    await until(lambda: len(workers[0].io.hub.cluster.members.alive) == 1, "the cluster")
    assert await ask(peer, "who") == 0
    await peer.close()


async def test_a_worker_that_leaves_gives_new_clients_to_one_that_stays(crew: Make) -> None:
    workers = await crew(3)
    kept = await RawConnection.open(workers[0].url)
    assert (await kept.request("GET", "/missing")).status == 404
    peer = at(await joined(workers[0]), workers[1])
    workers[0].server._doorman.leave()
    await until(
        lambda: all(one.is_leaving for one in (workers[1].crew.others[workers[0].crew.id],)),
        "the others know",
    )
    answer = await kept.request("GET", POLL)
    sid = json.loads(answer.body[1:])["sid"]
    assert sid[:2] in [worker.crew.id for worker in workers[1:]]
    assert await ask(peer, "who") == 0  # it goes on for now
    await kept.request("POST", f"{POLL}&sid={sid}", b"1")
    await kept.close()
    await peer.close()


async def test_a_worker_that_ends_is_gone_for_the_others_at_once(crew: Make) -> None:
    workers = await crew(2)
    peers = [await joined(worker, "websocket") for worker in workers]
    assert len(await workers[1].io.fetch_sockets()) == 2
    await workers[0].server.close()
    await until(lambda: not workers[1].crew.others, "its end is seen")
    assert len(await workers[1].io.fetch_sockets()) == 1
    for peer in peers:
        await peer.close()


async def test_worker_that_cant_pass_answers_as_one_that_does_not_know(
    crew: Make, monkeypatch: Any
) -> None:
    from fastsio.doors import passing

    workers = await crew(2)
    peer = at(await joined(workers[0]), workers[1])
    monkeypatch.setattr(passing, "MAX_WAITING", 0)
    assert (await peer.get()).status == 400
    monkeypatch.undo()
    assert await ask(peer, "who") == 0
    await peer.close()


def test_an_id_with_a_prefix_is_as_long_as_it_was():
    assert prefixed(lambda: "abcdefgh", "XY")() == "XYcdefgh"


async def test_each_worker_knows_who_is_where_at_once(crew):
    workers = await crew(3, presence=True)
    peers = [await joined(worker) for worker in workers]
    await peers[0].send('42["join","room"]')
    sid = workers[0].came[0]
    for worker in workers:
        presence = worker.io.hub.cluster.presence
        known = lambda of=presence: sum(map(len, of.elsewhere("/", None)))  # noqa: E731
        await until(lambda known=known: known() == 2, "all clients")
        if worker is not workers[0]:
            await until(lambda of=presence: "room" in of.rooms_elsewhere("/"), "the room")
        assert (await worker.io.count(), await worker.io.members("room")) == (3, {sid})
    await workers[0].server.close()
    await until(lambda: len(workers[1].crew.others) == 1, "it is gone")
    assert await workers[1].io.count() == 2
    assert await workers[1].io.rooms() == set()
    for peer in peers[1:]:
        await peer.close()

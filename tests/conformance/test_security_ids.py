"""Ids of sessions and sockets: nobody can guess one, and no log has one.

Whoever knows a session's id can read what its client gets, and speak as it.
Source: OWASP ASVS 3.2 (64 bits of entropy at least), CWE-532.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

import fastsio
import fastsio.engineio
from eio3_peer import Eio3Peer
from fastsio._ids import IDS_AT_ONCE, forget_drawn, new_id
from harness import TEXT, FakePeer, RawConnection, http, until
from log_lines import Lines, log
from uvicorn_tools import UvicornInLoop

__all__ = ["log"]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ONE_LOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
SHOWN = 6  # what a log may have of an id


# --- guessing -------------------------------------------------------------------------------------


def test_ids_are_120_bits_of_the_systems_random_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bit of os.urandom() is in the id, and nothing else is."""
    drawn = []

    def note(size: int) -> bytes:
        drawn.append(bytes(range(256)) * (size // 256 + 1))
        return drawn[-1][:size]

    monkeypatch.setattr(os, "urandom", note)
    forget_drawn()
    try:
        ids = [new_id() for _ in range(17)]
    finally:
        forget_drawn()
    bits = "".join(f"{ALPHABET.index(char):06b}" for char in "".join(ids))
    assert bits == "".join(f"{byte:08b}" for byte in drawn[0][: 17 * 15])


def test_every_character_is_as_likely_as_the_others_at_every_place() -> None:
    count = 64 * IDS_AT_ONCE
    ids = [new_id() for _ in range(count)]
    assert len(set(ids)) == count
    for place in range(20):
        seen = Counter(id_[place] for id_ in ids)
        assert set(seen) == set(ALPHABET)
        # Chi squared with 63 degrees of freedom: over 150 once in 10^8 times.
        expected = count / 64
        assert sum((n - expected) ** 2 / expected for n in seen.values()) < 150


def test_two_processes_give_out_different_ids() -> None:
    program = "from fastsio._ids import new_id; print(*(new_id() for _ in range(1000)))"
    found = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
        for _ in range(2)
    ]
    assert len({id_ for one in found for id_ in one.stdout.split()}) == 2000


@pytest.mark.fault(
    "somebody guesses session ids", "each gets HTTP 400 Session ID unknown; no session hears of it"
)
async def test_wrong_ids_all_get_the_same_answer_and_the_session_hears_nothing(serve: Any) -> None:
    heard = []
    io = fastsio.IO()
    io.on("connection", lambda socket: socket.on("say", heard.append))
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    sid = peer.handshake["sid"]
    guesses = [sid[:-1] + char for char in ALPHABET if char != sid[-1]]
    guesses += [sid.lower(), sid.upper(), sid[:-1], sid + "A", sid + "%00", "%20" + sid, "", "*"]
    connection = await RawConnection.open(server.url)
    answers = Counter()
    for guess in filter(lambda guess: guess and guess != sid, guesses):
        target = f"/socket.io/?EIO=4&transport=polling&sid={guess}"
        answer = await connection.request("POST", target, b'42["say",1]')
        answers[answer.status, answer.body] += 1
    assert set(answers) == {(400, b'{"code":1,"message":"Session ID unknown"}')}
    await peer.send('42["say","mine"]')
    assert heard == ["mine"]
    await connection.close()
    await peer.close()


# --- the log --------------------------------------------------------------------------------------


class Ids:
    """Those that a test's clients had."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def add(self, *ids: Any) -> None:
        self.known.update(ids)

    def check(self, lines: Lines) -> None:
        """AssertionError if a line has a whole id, or if no line is about one of them at all."""
        texts = lines.texts
        whole = [text for text in texts for id_ in self.known if id_ in text]
        assert whole == []
        named = {id_ for id_ in self.known for text in texts if id_[:SHOWN] in text}
        assert named, "no line names a client: nothing was checked"


def noisy_server(**options: Any) -> Any:
    """Logs all that it can, and has a handler for whatever goes wrong."""
    sio = fastsio.AsyncServer(
        async_mode="asgi", logger=True, engineio_logger=True, max_http_buffer_size=1000, cookie="io", allow_eio3=True,
        **options,
    )  # fmt: skip

    @sio.event
    def connect(sid: str, environ: Any, auth: Any = None) -> None:
        if auth == {"fails": 1}:
            raise RuntimeError("on purpose")
        if auth == {"is": "refused"}:
            raise fastsio.exceptions.ConnectionRefusedError("no")

    @sio.event
    def fail(sid: str, *args: Any) -> None:
        raise RuntimeError("on purpose")

    @sio.event
    async def speak(sid: str) -> None:
        await sio.enter_room(sid, "room")
        await sio.emit("one", 1, to=sid)
        await sio.emit("two", 2, room=["room", sid])
        await sio.emit("three", 3, skip_sid=sid)
        await sio.send("four", to=sid)
        await sio.save_session(sid, {"a": 1})
        await sio.leave_room(sid, "room")

    @sio.event
    async def leave(sid: str) -> None:
        await sio.disconnect(sid)

    @sio.event
    def disconnect(sid: str, reason: str) -> None:
        raise RuntimeError(f"on purpose, after {reason}")

    return sio


async def lead_a_noisy_life(url: str, ids: Ids, peer: FakePeer) -> None:
    """All that a client can do so that something is logged; it ends by breaking the protocol."""
    await peer.open()
    ids.add(peer.handshake["sid"], (await peer.connect())["sid"])
    await peer.send('42["speak"]', '42["fail",1]', '421["nobody"]', '4399["x"]')
    await peer.send("40/other,", '40/,{"fails":1}', '42/nowhere,["x"]')
    sid = peer.handshake["sid"]
    for target in (
        f"/socket.io/?EIO=4&transport=websocket&sid={sid}",  # without an upgrade
        f"/socket.io/?EIO=3&transport=polling&sid={sid}",
        f"/socket.io/?EIO=4&transport=pigeon&sid={sid}",
        f"/elsewhere?sid={sid}",
    ):
        await http(url, "GET", target)
    await http(url, "PUT", f"/socket.io/?EIO=4&transport=polling&sid={sid}", b"x")


@ONE_LOOP
@pytest.mark.parametrize("end", ["a packet that is none", "too much", "leave", "goodbye", "cut"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_no_line_has_a_whole_id_whatever_a_client_does(
    log: Lines, transport: str, end: str
) -> None:
    ids, sio = Ids(), noisy_server()
    server = await fastsio.start(sio, port=0)
    log.records.clear()
    try:
        peer = FakePeer(server.url, transport)
        await lead_a_noisy_life(server.url, ids, peer)
        if end == "leave":
            await peer.send('42["leave"]')
        elif end == "goodbye":
            await peer.close()
        elif end == "cut" and transport == "websocket":
            peer.abort()
        elif transport == "polling":
            await peer.post(b"x" * (1 if end.startswith("a packet") else 2000))
        else:
            assert peer.ws is not None
            peer.ws.send(TEXT, b"x" * (1 if end.startswith("a packet") else 2000))
        if transport == "websocket" or end not in ("cut", "too much"):
            await until(lambda: not sio.hub.namespaces["/"].sockets, "the client has gone")
            # Its id again, which means nothing any more.
            await http(server.url, "GET", peer.target("polling"))
        for auth in ('{"fails":1}', '{"is":"refused"}'):
            refused = await FakePeer(server.url, transport).open()
            ids.add(refused.handshake["sid"])
            await refused.send(f"40{auth}")
            assert str(await refused.receive()).startswith("44")
            await refused.close()
    finally:
        await server.close()
    ids.check(log)
    assert len(log.records) > 10


async def test_no_line_has_a_whole_id_of_a_client_of_version_2(log: Lines) -> None:
    """Its socket's id is its session's."""
    ids, sio = Ids(), noisy_server()
    server = await fastsio.start(sio, port=0)
    try:
        for transport in ("polling", "websocket"):
            peer = await Eio3Peer(server.url, transport).open()
            ids.add(peer.handshake["sid"])
            await peer.send('42["speak"]', '42["fail",1]')
            await peer.send("9")
            await until(lambda: not server.engine.sessions, "the session has ended")
    finally:
        await server.close()
    ids.check(log)


async def test_no_line_has_a_whole_id_in_an_upgrade_and_at_the_servers_end(log: Lines) -> None:
    ids, sio = Ids(), noisy_server()
    server = await fastsio.start(sio, port=0)
    try:
        peer = await FakePeer(server.url, "polling").open()
        ids.add(peer.handshake["sid"], (await peer.connect())["sid"])
        await peer.upgrade()
        await peer.send('42["fail",1]')
        other = await FakePeer(server.url, "polling").open()
        ids.add(other.handshake["sid"])
        connection = await RawConnection.open(server.url)
        await connection.close()
    finally:
        await server.close()
    ids.check(log)


async def test_no_line_has_a_whole_id_of_engineio_alone(log: Lines) -> None:
    ids = Ids()
    eio = fastsio.engineio.AsyncServer(logger=True, cookie="io")
    sids = []

    @eio.on("connect")
    def connect(sid: str, environ: Any) -> None:
        sids.append(sid)

    @eio.on("message")
    async def message(sid: str, data: Any) -> None:
        await eio.send("A" * 20, "nobody")
        raise RuntimeError("on purpose")

    @eio.on("disconnect")
    def disconnect(sid: str, reason: str) -> None:
        raise RuntimeError("on purpose")

    server = await fastsio.start(eio, port=0, socketio_path="engine.io")
    try:
        peer = FakePeer(server.url, path="/engine.io/")
        await peer.open()
        await peer.send("4one", b"two")
        await peer.send("9")
        await until(lambda: not server.engine.sessions, "the session has ended")
    finally:
        await server.close()
    ids.add(*sids)
    ids.check(log)


async def test_an_id_that_generate_id_gives_out_twice_is_not_logged_whole(
    serve: Any, watch: Any, log: Lines
) -> None:
    id_ = "one-and-the-same-id-for-all"
    server = await serve(fastsio.IO(generate_id=lambda request: id_))
    first = await FakePeer(server.url, "polling").open()
    answer = await http(server.url, "GET", "/socket.io/?EIO=4&transport=polling")
    assert (answer.status, answer.json()["code"]) == (400, 3)
    watch.expect_error("generate_id failed", "no client has")
    ids = Ids()
    ids.add(id_)
    ids.check(log)
    await first.close()


async def test_uvicorns_access_log_has_no_whole_id(watch: Any, log: Lines) -> None:
    sio = fastsio.AsyncServer(async_mode="asgi")
    server = await UvicornInLoop(fastsio.ASGIApp(sio)).start()
    ids = Ids()
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).propagate = True
    peer = await FakePeer(server.url, "polling").open()
    ids.add(peer.handshake["sid"], (await peer.connect())["sid"])
    await peer.upgrade()
    await peer.close()
    await server.stop()
    ids.check(log)
    assert any("WebSocket /socket.io/" in text for text in log.texts)
    assert any("&sid=" + peer.handshake["sid"][:SHOWN] + "…" in text for text in log.texts)

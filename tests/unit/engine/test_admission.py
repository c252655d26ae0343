"""Handshakes that wait until the layer above has said whether the client gets in."""

from __future__ import annotations

import asyncio
import gc
import json
from types import SimpleNamespace
from typing import Any

import pytest

from clock_loop import pass_time
from fastsio._encoded import encode_engine_packet
from fastsio._fanout import MessageHandler
from fastsio.engine.admission import Admission
from fastsio.engine.session import Session
from fastsio.options import Options
from harness import FakePeer, RawConnection, http, until
from memory_conn import MemoryPeer, connect_in_memory

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])
ON_A_CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
TARGET = "/socket.io/?EIO=4&transport="
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])


class Ends(MessageHandler):
    """A session's handler that notes the end."""

    def __init__(self, ends: list[str]) -> None:
        self.ends = ends

    def closed(self, reason: str, description: str | None) -> None:
        self.ends.append(reason)


class Gate:
    """A hub that is asked: `admissions` are those that wait, `answer` what it does at once with each."""

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.engine: Any = None
        self.background: set[asyncio.Task[Any]] = set()
        self.cluster = None
        self.admissions: list[Admission] = []
        self.opened: list[Any] = []
        self.ends: list[str] = []
        self.answer: Any = self.admissions.append

    def admit(self, admission: Admission) -> None:
        self.answer(admission)

    def open(self, session: Any) -> Ends:
        self.opened.append(session)
        return Ends(self.ends)

    async def drain(self, timeout_s: float) -> None:
        """It has no handlers."""


@pytest.fixture
def gated(serve):
    """`gate, server = await gated(**options)`"""

    async def start(**options: Any) -> tuple[Gate, Any]:
        gate = Gate(**options)
        return gate, await serve(SimpleNamespace(hub=gate))

    return start


def ask(connection: RawConnection, transport: str) -> asyncio.Task[Any]:
    headers = WEBSOCKET if transport == "websocket" else {}
    return asyncio.ensure_future(connection.request("GET", TARGET + transport, None, headers))


@TRANSPORTS
async def test_handshake_waits_for_the_answer(gated, transport):
    gate, server = await gated()
    opening = asyncio.ensure_future(FakePeer(server.url, transport).open())
    await until(lambda: gate.admissions, "the gate is asked")
    assert not opening.done()
    assert not server.engine.sessions
    assert gate.admissions[0].session.transport == transport
    assert gate.admissions[0].accept() is True
    peer = await opening
    assert peer.handshake["sid"] == gate.admissions[0].session.id
    assert list(server.engine.sessions) == [peer.handshake["sid"]]
    assert gate.opened == [gate.admissions[0].session]
    await peer.close()


@TRANSPORTS
async def test_answer_may_come_at_once(gated, transport):
    gate, server = await gated()
    gate.answer = lambda admission: admission.accept()
    peer = await FakePeer(server.url, transport).open()
    assert len(gate.opened) == 1
    await peer.close()


@TRANSPORTS
@pytest.mark.parametrize("when", ["at once", "later"])
async def test_refused_client_gets_the_status_and_the_body(gated, transport, when):
    gate, server = await gated(cors_allowed_origins="*")
    if when == "at once":
        gate.answer = lambda admission: admission.refuse(401, b'{"why":"no"}')
    connection = await RawConnection.open(server.url)
    asking = ask(connection, transport)
    if when == "later":
        await until(lambda: gate.admissions, "the gate is asked")
        gate.admissions[0].refuse(401, b'{"why":"no"}')
    response = await asking
    assert (response.status, response.json()) == (401, {"why": "no"})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "Origin"
    assert not gate.opened
    assert not server.engine.sessions
    await connection.close()


async def test_connection_of_a_refused_poll_stays_of_use(gated):
    gate, server = await gated()
    gate.answer = lambda admission: admission.refuse(403, b"no", "text/plain")
    connection = await RawConnection.open(server.url)
    assert (await ask(connection, "polling")).status == 403
    gate.answer = lambda admission: admission.accept()
    response = await ask(connection, "polling")
    assert response.status == 200
    await connection.request(
        "POST", f"{TARGET}polling&sid={json.loads(response.body[1:])['sid']}", b"1"
    )
    await connection.close()


@TRANSPORTS
async def test_what_is_sent_meanwhile_follows_the_open_packet(gated, transport):
    gate, server = await gated()
    opening = asyncio.ensure_future(FakePeer(server.url, transport).open())
    await until(lambda: gate.admissions, "the gate is asked")
    session = gate.admissions[0].session
    for text in (b"4a", b"4b"):
        session.outlet.send(encode_engine_packet(text))
    gate.admissions[0].accept()
    session.outlet.send(encode_engine_packet(b"4c"))
    peer = await opening
    assert [await peer.receive() for _ in range(3)] == ["4a", "4b", "4c"]
    await peer.close()


async def test_session_that_waits_is_known_to_nobody(gated):
    gate, server = await gated()
    opening = asyncio.ensure_future(FakePeer(server.url, "polling").open())
    await until(lambda: gate.admissions, "the gate is asked")
    sid = gate.admissions[0].session.id
    response = await http(server.url, "GET", f"{TARGET}polling&sid={sid}")
    assert (response.status, response.json()["code"]) == (400, 1)
    gate.admissions[0].accept()
    await (await opening).close()


@TRANSPORTS
@pytest.mark.fault(
    "a client leaves while allow_request is asked",
    "it is not let in, nothing is left",
)
async def test_client_that_leaves_while_it_waits_is_not_let_in(gated, transport):
    gate, server = await gated()
    connection = await RawConnection.open(server.url)
    asking = ask(connection, transport)
    await until(lambda: gate.admissions, "the gate is asked")
    asking.cancel()
    connection.abort()
    (admission,) = gate.admissions
    await until(lambda: not admission.is_pending, "the end is noticed")
    assert admission.accept() is False
    admission.refuse(401, b"{}")
    assert not gate.opened
    assert not gate.ends
    assert not server.engine.sessions


@TRANSPORTS
async def test_second_answer_counts_for_nothing(gated, transport):
    gate, server = await gated()
    opening = asyncio.ensure_future(FakePeer(server.url, transport).open())
    await until(lambda: gate.admissions, "the gate is asked")
    (admission,) = gate.admissions
    assert admission.accept() is True
    assert admission.accept() is False
    admission.refuse(401, b"{}")
    peer = await opening
    assert server.engine.sessions
    await peer.close()


async def test_websocket_whose_handshake_is_wrong_is_refused_after_all(gated):
    gate, server = await gated()
    connection = await RawConnection.open(server.url)
    headers = {**WEBSOCKET, "Sec-WebSocket-Key": "short"}
    asking = asyncio.ensure_future(connection.request("GET", f"{TARGET}websocket", None, headers))
    await until(lambda: gate.admissions, "the gate is asked")
    assert gate.admissions[0].accept() is False
    assert (await asking).status == 400
    assert not gate.opened
    assert not server.engine.sessions
    await connection.close()


async def test_server_that_stops_lets_nobody_in_any_more(gated):
    gate, server = await gated()
    connection = await RawConnection.open(server.url)
    asking = ask(connection, "polling")
    await until(lambda: gate.admissions, "the gate is asked")
    closing = asyncio.ensure_future(server.close())
    await until(lambda: not server.engine.is_open, "the engine is closed")
    assert gate.admissions[0].accept() is False
    assert (await asking).status == 503
    await connection.close()
    await closing


@ON_A_CLOCK
@TRANSPORTS
@pytest.mark.fault("allow_request does not answer", "the client is sent away in time")
async def test_client_is_sent_away_when_the_answer_takes_too_long(gated, transport, caplog):
    gate, server = await gated(connect_timeout=3.0)
    connection = connect_in_memory(server)
    response = await ask(connection, transport)
    assert response.status == 503
    (admission,) = gate.admissions
    assert admission.accept() is False
    assert not gate.opened
    assert "not admitted within 3.0 s (connect_timeout)" in caplog.text
    assert server.engine.wheel.count <= 1  # the connection that is being closed
    await connection.close()


@ON_A_CLOCK
async def test_heartbeat_begins_when_the_client_is_let_in(gated):
    gate, server = await gated(ping_interval=3.0, ping_timeout=2.0)
    peer = MemoryPeer.of(server, "websocket", answers_pings=False)
    opening = asyncio.ensure_future(peer.open())
    await until(lambda: gate.admissions, "the gate is asked")
    await pass_time(4.5)
    gate.admissions[0].accept()
    await opening
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await peer.receive() == "2"
    assert 2.9 < loop.time() - began < 3.5
    await until(lambda: gate.ends, "the ping times out")
    assert gate.ends == ["ping timeout"]
    await peer.close()


@IN_MEMORY
@pytest.mark.fault(
    "a client sends much before it is let in",
    "the connection ends, memory stays bounded",
)
async def test_too_much_sent_before_the_answer_ends_it(gated, caplog):
    gate, server = await gated(max_buffered_bytes=100)
    connection = connect_in_memory(server)
    asking = ask(connection, "polling")
    await until(lambda: gate.admissions, "the gate is asked")
    outlet = gate.admissions[0].session.outlet
    for _ in range(3):
        outlet.send(encode_engine_packet(b"4" + b"x" * 100))
    assert (await asking).status == 503
    assert gate.admissions[0].accept() is False
    assert "sent before the client was admitted" in caplog.text
    await connection.close()


@IN_MEMORY
async def test_cookie_and_ids_are_the_handlers(gated):
    gate, server = await gated(cookie="io")
    server.engine.new_id = lambda: "chosen"  # looked up when the engine was made
    connection = connect_in_memory(server)
    asking = ask(connection, "polling")
    await until(lambda: gate.admissions, "the gate is asked")
    gate.admissions[0].accept()
    response = await asking
    assert response.headers["set-cookie"].startswith("io=chosen")
    await connection.request("POST", f"{TARGET}polling&sid=chosen", b"1")
    await connection.close()


@IN_MEMORY
@TRANSPORTS
async def test_refused_client_leaves_nothing_for_the_cyclic_collector(gated, transport):
    gate, server = await gated()
    gate.answer = lambda admission: admission.refuse(401, b"{}")
    gc.collect()
    gc.disable()
    try:
        connection = connect_in_memory(server)
        assert (await ask(connection, transport)).status == 401
        await connection.close()
        await until(lambda: not server.connections, "the connection has ended")
        assert not [found for found in gc.get_objects() if isinstance(found, Admission | Session)]
    finally:
        gc.enable()

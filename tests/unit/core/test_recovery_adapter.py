"""What an adapter of several servers may override of recovery: coroutines, and a log somewhere else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio.core.adapter import Adapter
from fastsio.core.recovery_adapter import SessionAwareAdapter
from fastsio.core.recovery_store import SavedSession
from fastsio.testing import TestServer


class Elsewhere(SessionAwareAdapter):
    """Sessions and packets are where one has to wait for them; packets have numbers there for offsets."""

    def __init__(self, io: fastsio.IO) -> None:
        super().__init__(io.sockets, io.hub.lost_sessions)
        self.sessions: dict[str, SavedSession] = {}
        self.stream: list[tuple[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    def prepare(self, args: list[Any], is_volatile: bool = False) -> tuple[Any, Any]:
        return self.namespace.encode_event(args), args

    def deliver(self, encoded, rooms, excluded, is_volatile=False, ticket=None) -> int:
        if ticket is None or is_volatile:
            return super().deliver(encoded, rooms, excluded, is_volatile)
        offset = f"{len(self.stream)}-0"
        encoded = self.namespace.encode_event([*ticket, offset])
        self.stream.append((offset, encoded))
        return super().deliver(encoded, rooms, excluded)

    def position(self) -> str:
        return f"{len(self.stream) - 1}-0"

    async def persist_session(self, session: SavedSession) -> None:
        await self.gate.wait()
        self.sessions[session.pid] = session

    async def restore_session(self, pid: str, offset: str | None) -> SavedSession | None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        session = self.sessions.pop(pid, None)
        if session is not None:
            start = offset or session.since
            session.missed_packets = [
                packet for at, packet in self.stream if int(at[:-2]) > int(start[:-2])
            ]
        return session


@pytest.fixture
def io() -> fastsio.IO:
    return fastsio.IO(connection_state_recovery={})


@pytest.fixture
def adapter(io: fastsio.IO) -> Elsewhere:
    io.sockets.adapter = Elsewhere(io)
    return io.sockets.adapter


async def test_sessions_and_packets_may_be_elsewhere(io, adapter):
    async with TestServer(io) as server:
        lost = await server.connect()
        io.emit("one")
        assert (await lost.expect("one")).args == ("0-0",)
        await lost.drop()
        io.emit("two", b"x")
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid
        assert [event.args for event in await client.received()] == [(b"x", "1-0")]
        await client.drop()
        again = await server.connect(auth={"pid": client.pid})
        assert [event.name for event in await again.received()] == ["one", "two"]


async def test_client_that_goes_while_its_session_is_looked_for_finds_it_later(io, adapter):
    async with TestServer(io) as server:
        lost = await server.connect()
        await lost.drop()
        adapter.gate.clear()
        task = asyncio.ensure_future(server.connect(auth=lost.recovery))
        await server.settle()
        assert not task.done()
        next(iter(io.hub.engine.sessions.values())).abort("transport close")
        adapter.gate.set()
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await task
        client = await server.connect(auth=lost.recovery)
        assert client.sid == lost.sid


async def test_a_second_connect_while_the_session_is_looked_for_is_one_too_many(io, adapter):
    async with TestServer(io) as server:
        lost = await server.connect()
        await lost.drop()
        adapter.gate.clear()
        task = asyncio.ensure_future(server.connect(auth=lost.recovery))
        await server.settle()
        (session,) = io.hub.engine.sessions.values()
        session.handler.receive_text(b"0")
        with pytest.raises(fastsio.exceptions.ConnectionError):
            await task
        adapter.gate.set()
        assert not session.is_open


async def test_where_sessions_cant_be_asked_for_everybody_is_new(io, adapter, caplog):
    async with TestServer(io) as server:
        lost = await server.connect()
        await lost.drop()
        adapter.error = ConnectionError("the store is down")
        client = await server.connect(auth=lost.recovery)
        assert client.sid != lost.sid
    assert "no session could be restored in '/'" in caplog.text
    assert "the store is down" in caplog.text


async def test_the_plain_adapter_keeps_nothing():
    io = fastsio.IO()
    adapter = io.sockets.adapter
    assert type(adapter) is Adapter
    assert adapter.persist_session(SavedSession("s", "p", {}, {}, 0)) is None
    assert adapter.restore_session("p", None) is None
    assert (adapter.position(), adapter.expire(0.0)) == (0, 0)

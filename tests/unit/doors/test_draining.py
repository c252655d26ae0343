"""Clients of a server that stops: closed evenly over the time, who is at work last, nobody told that it is too late.

The pace is measured on a clock of the test's, with clients in memory; what connections do, on real ones.
Source: RFC 9112 9.6 (closing), 9.3.1 (a request on a connection that was just closed is sent again).
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
import fastsio.engineio
from fastsio.doors.draining import FRESH_S, Drain
from fastsio.testing import TestServer
from harness import CLOSE, FakePeer, RawConnection, until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
SHUTTING_DOWN = "server shutting down"


def now() -> float:
    return asyncio.get_running_loop().time()


def draining_of(server, seconds: float) -> Drain:
    """The drain of a server that accepts no connection any more."""
    server._doorman.leave()
    return Drain(server._server, seconds)


class App:
    """An IO that notes when each socket went and why."""

    def __init__(self, **options) -> None:
        self.io = fastsio.IO(ping_interval=60, **options)
        self.gone: list[tuple[float, str]] = []
        self.release = asyncio.Event()
        self.io.on("connection", self.connected)

    def connected(self, socket) -> None:
        socket.on("disconnect", lambda reason: self.gone.append((now(), reason)))
        socket.on("echo", lambda value: value)
        socket.on("work", self.work)

    async def work(self, value):
        await self.release.wait()
        return value


# --- the pace -------------------------------------------------------------------------------------


@CLOCK
@pytest.mark.fault(
    "a server with many clients is stopped, with drain_seconds",
    "they are closed evenly over that time, and so do not come back all at once",
)
async def test_clients_are_closed_evenly_over_the_time():
    app = App()
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(40)]
        drain = Drain(clients[0].running.server, 20)
        began_at = now()
        await drain.run()
        assert now() - began_at == pytest.approx(20, abs=0.2)
        assert drain.closed == len(app.gone) == 40
        assert {reason for _, reason in app.gone} == {SHUTTING_DOWN}
        by_second = [0] * 20
        for at, _ in app.gone:
            by_second[min(19, int(at - began_at))] += 1
        assert max(by_second) <= 3, by_second
        assert min(by_second) >= 1, by_second


@CLOCK
async def test_few_clients_take_the_whole_time_too():
    app = App()
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(3)]
        began_at = now()
        await Drain(clients[0].running.server, 9).run()
        delays = [at - began_at for at, _ in app.gone]
        assert delays == pytest.approx([3, 6, 9], abs=0.5)


@CLOCK
async def test_drain_ends_when_nobody_is_left():
    app = App()
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(4)]
        drain = Drain(clients[0].running.server, 1000)
        began_at = now()
        running = asyncio.ensure_future(drain.run())
        for client in clients:
            await client.disconnect()
        await running
        assert now() - began_at < 1
        assert [reason for _, reason in app.gone] == ["client namespace disconnect"] * 4


@CLOCK
async def test_hurry_ends_it_at_once_and_leaves_the_rest():
    app = App()
    async with TestServer(app.io) as server:
        clients = [await server.connect() for _ in range(10)]
        drain = Drain(clients[0].running.server, 100)
        running = asyncio.ensure_future(drain.run())
        await asyncio.sleep(35)
        drain.hurry()
        began_at = now()
        await running
        assert now() == began_at
        assert drain.closed == len(app.gone) == 3
        assert len(clients[0].running.server.engine.sessions) == 7


@CLOCK
@pytest.mark.parametrize("async_handlers", [True, False])
@pytest.mark.fault(
    "a client's event handler runs when the server drains",
    "the client is closed after it, with its acknowledgement, unless drain_seconds are over",
)
async def test_client_whose_handler_is_at_work_gets_its_answer_first(async_handlers):
    app = App(async_handlers=async_handlers)
    async with TestServer(app.io, timeout=100) as server:
        busy, idle = await server.connect(), await server.connect()
        answer = asyncio.ensure_future(busy.call("work", 7))
        await asyncio.sleep(1)
        session = busy.running.hub.engine.sessions[busy.eio_sid]
        drain = asyncio.ensure_future(Drain(busy.running.server, 60).run())
        await asyncio.sleep(58)
        assert session.is_open
        assert len(app.gone) == 1
        assert not idle.is_connected
        app.release.set()
        assert await answer == 7
        await drain
        assert len(app.gone) == 2
        assert not session.is_open


async def test_client_of_engine_io_alone_gets_its_answer_first(serve):
    eio = fastsio.engineio.AsyncServer()
    release, heard = asyncio.Event(), []

    @eio.on("message")
    async def message(sid, data):
        heard.append(data)
        await release.wait()
        await eio.send(sid, "done")

    server = await serve(eio)
    peer = await FakePeer(server.url, path="/engine.io/").open()
    await peer.send("4work")
    await until(lambda: heard, "the handler runs")
    drain = draining_of(server, 0.3)
    running = asyncio.ensure_future(drain.run())
    await asyncio.sleep(0.15)
    assert drain.closed == 0
    release.set()
    assert await peer.receive() == "4done"
    assert await peer.ws.receive() == (CLOSE, b"")
    await running
    await peer.close()


@CLOCK
async def test_time_that_is_up_ends_it_with_handlers_at_work():
    app = App()
    async with TestServer(app.io, timeout=100) as server:
        busy = await server.connect()
        answer = asyncio.ensure_future(busy.call("work", 7))
        await asyncio.sleep(1)
        began_at = now()
        await Drain(busy.running.server, 5).run()
        assert now() - began_at == pytest.approx(5, abs=0.1)
        assert app.gone == []
        app.release.set()
        assert await answer == 7


@CLOCK
async def test_who_comes_while_it_drains_is_served_and_closed_in_its_turn():
    app = App()
    async with TestServer(app.io) as server:
        first = await server.connect()
        drain = asyncio.ensure_future(Drain(first.running.server, 10).run())
        await asyncio.sleep(2)
        late = (
            await server.connect()
        )  # a connection that was accepted before, and said nothing so far
        assert await late.call("echo", 1) == 1
        await drain
        assert not late.is_connected
        assert [reason for _, reason in app.gone] == [SHUTTING_DOWN] * 2


# --- polling --------------------------------------------------------------------------------------


async def test_polling_client_is_told_in_its_held_get_whose_connection_ends(serve):
    app = App()
    server = await serve(app.io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    connection = await RawConnection.open(server.url)
    held = asyncio.ensure_future(connection.request("GET", peer.target("polling")))
    session = next(iter(server.engine.sessions.values()))
    await until(lambda: session.polling.held is not None, "the GET is held")
    await draining_of(server, 0.2).run()
    answer = await held
    assert (answer.body, answer.headers.get("connection")) == (b"1", "close")
    assert await connection.read_to_end() == b""
    await connection.close()
    assert [reason for _, reason in app.gone] == [SHUTTING_DOWN]
    assert not server.engine.sessions


@pytest.mark.fault(
    "a polling client is between two GETs when the server drains, with packets queued for it",
    "its next GETs bring these, then the end",
)
async def test_polling_client_between_two_gets_still_fetches_what_was_sent(serve):
    app = App()
    server = await serve(app.io)
    connection = await RawConnection.open(server.url)  # kept alive, as a browser's
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    app.io.emit("news", 1)
    assert (await connection.request("GET", peer.target("polling"))).body == b'42["news",1]'
    app.io.emit("news", 2)
    drain = asyncio.ensure_future(draining_of(server, 0.2).run())
    await until(lambda: app.gone, "the client is told off")
    assert (await connection.request("GET", peer.target("polling"))).body == b'42["news",2]'
    last = await connection.request("GET", peer.target("polling"))
    assert last.body == b"6\x1e1"
    await drain
    assert not server.engine.sessions
    await connection.close()


# --- connections ----------------------------------------------------------------------------------


async def draining(app, serve, seconds=30.0):
    """A server that drains with one client that stays, and how to end that."""
    server = await serve(app.io)
    busy = await FakePeer(server.url).open()
    await busy.connect()
    await busy.send('420["work",1]')
    await until(lambda: app.io.hub.tasks, "the handler runs")
    used, fresh = await RawConnection.open(server.url), await RawConnection.open(server.url)
    await used.request("GET", "/nothing")
    await until(lambda: len(server.connections) == 3, "all are known")
    drain = draining_of(server, seconds)
    running = asyncio.ensure_future(drain.run())
    await asyncio.sleep(0)

    async def end() -> None:
        app.release.set()
        drain.hurry()
        await running
        for connection in (used, fresh, busy.ws.connection):
            await connection.close()
        await server.close()

    return server, used, fresh, end


WS_HEADERS = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.fault(
    "a handshake comes on a kept-alive connection of a server that drains",
    "the connection is closed unanswered, as an idle one may be: the client sends it again, to the next server",
)
async def test_handshake_on_a_used_connection_is_not_answered(serve):
    app = App()
    server, used, _, end = await draining(app, serve)
    used.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await used.read_to_end() == b""
    assert len(server.engine.sessions) == 1
    await end()


async def test_handshake_on_a_connection_that_was_accepted_before_is_served(serve):
    app = App()
    server, _, fresh, end = await draining(app, serve)
    target = "/socket.io/?EIO=4&transport=websocket"
    answer = await fresh.request("GET", target, None, WS_HEADERS)
    assert answer.status == 101
    await until(lambda: len(server.engine.sessions) == 2, "it is in")
    await end()
    assert server.engine.sessions == {}


async def test_other_requests_are_answered_and_end_their_connection(serve):
    app = App()
    _, used, fresh, end = await draining(app, serve)
    for connection in (used, fresh):
        answer = await connection.request("GET", "/nothing")
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert await connection.read_to_end() == b""
    await end()


async def test_requests_of_a_session_keep_their_connection(serve):
    app = App()
    server = await serve(app.io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    connection = await RawConnection.open(server.url)
    await connection.request("POST", peer.target("polling"), b'420["work",1]')
    drain = draining_of(server, 30)
    running = asyncio.ensure_future(drain.run())
    await asyncio.sleep(0)
    answer = await connection.request("POST", peer.target("polling"), b'421["echo",5]')
    assert (answer.status, answer.headers.get("connection")) == (200, "keep-alive")
    assert (await connection.request("GET", peer.target("polling"))).body == b"431[5]"
    app.release.set()
    assert (await connection.request("GET", peer.target("polling"))).body == b"430[1]"
    drain.hurry()
    await running
    await server.close()
    await connection.close()


async def test_connection_that_says_nothing_is_waited_for_a_second_at_most(serve):
    app = App()
    server = await serve(app.io)
    silent = await RawConnection.open(server.url)
    await until(lambda: server.connections, "it is known")
    began_at = now()
    await draining_of(server, 30).run()
    assert FRESH_S <= now() - began_at < FRESH_S + 1
    await silent.close()


async def test_used_connections_are_not_waited_for(serve):
    app = App()
    server = await serve(app.io)
    used = await RawConnection.open(server.url)
    await used.request("GET", "/nothing")
    began_at = now()
    await draining_of(server, 30).run()
    assert now() - began_at < FRESH_S
    await used.close()


async def test_websocket_client_is_closed_as_nodes_server_closes(serve):
    app = App()
    server = await serve(app.io)
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await draining_of(server, 0.2).run()
    assert await peer.ws.receive() == (CLOSE, b"")
    await peer.close()
    assert [reason for _, reason in app.gone] == [SHUTTING_DOWN]


async def test_only_its_own_clients_go_while_the_application_has_another_server(serve):
    app = App()
    first, second = await serve(app.io), await serve(app.io)
    going, staying = await FakePeer(first.url).open(), await FakePeer(second.url).open()
    await going.connect()
    await staying.connect()
    await Drain(first._server, 0.2).run()
    assert await going.ws.receive() == (CLOSE, b"")
    await staying.send('420["echo",1]')
    assert await staying.receive() == "430[1]"
    assert len(app.gone) == 1
    await going.close()
    await staying.close()

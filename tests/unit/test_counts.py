"""What the design promises in numbers: Python calls per event, writes per loop turn, encodes per broadcast.

Counted, not timed: `sys.setprofile` sees every Python-level call, a socket peer sees every send.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import fastsio
from fastsio._conn import Conn
from fastsio._frames import build_frame
from harness import FakePeer, until

MASK = b"\x37\xfa\x21\x3d"


class Transport(asyncio.Transport):
    """A transport that notes its writes. Made as if for TLS, so that every write goes through it."""

    def __init__(self) -> None:
        super().__init__({"sslcontext": object(), "peername": ("127.0.0.1", 1)})
        self.writes: list[bytes] = []

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (1, 0), "the connection relies on pause_writing for the first byte"

    def is_reading(self) -> bool:
        return True

    def abort(self) -> None:
        pass


HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def join(server: Any, count: int) -> list[tuple[Conn, Transport]]:
    """`count` clients that have joined "/", on transports that count."""
    clients = []
    for _ in range(count):
        conn, transport = Conn(server._server), Transport()
        conn.connection_made(transport)
        conn.data_received(HANDSHAKE + build_frame(1, b"40", MASK))
        clients.append((conn, transport))
    await turn()
    for _, transport in clients:
        assert b'40{"sid":' in b"".join(transport.writes)
        transport.writes.clear()
    return clients


def leave(clients: list[tuple[Conn, Transport]]) -> None:
    for conn, _ in clients:
        conn.connection_lost(None)


async def turn() -> None:
    """Let the loop finish this turn and what it scheduled."""
    for _ in range(3):
        await asyncio.sleep(0)


def python_calls(call: Any, *args: Any) -> list[str]:
    """The names of the Python functions that run while `call(*args)` does."""
    calls: list[str] = []

    def profile(frame: Any, event: str, _arg: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        call(*args)
    finally:
        sys.setprofile(None)
    return calls


async def calls_of_an_echo(server: Any) -> list[str]:
    """The Python calls of one event with ack, over a real connection to `server`."""
    peer = await FakePeer(server.url).open()
    await peer.connect()
    (conn,) = server.connections
    calls = python_calls(conn.data_received, build_frame(1, b'427["echo","hello"]', MASK))
    assert await peer.receive() == '437["hello"]'
    await peer.close()
    return calls


async def test_an_event_with_ack_runs_no_python_frame_but_the_handlers(serve):
    sio = fastsio.AsyncServer()

    @sio.event
    def echo(sid, value):
        return value

    assert await calls_of_an_echo(await serve(sio)) == ["echo"]


async def test_an_event_to_a_socket_listener_runs_no_python_frame_but_the_listeners(serve):
    io = fastsio.IO()

    @io.on("connection")
    def connection(socket):
        @socket.on("echo")
        def listener(value):
            return value

    assert await calls_of_an_echo(await serve(io)) == ["listener"]


async def test_validated_arguments_run_no_python_frame_but_the_handlers(serve):
    io = fastsio.IO()

    @io.event
    def echo(socket, value: str, other: list[int] | None = None):
        return value

    assert await calls_of_an_echo(await serve(io)) == ["echo"]


async def test_a_coroutine_handler_that_does_not_suspend_answers_in_the_same_read(serve):
    sio = fastsio.AsyncServer()

    @sio.event
    async def echo(sid, value):
        return value

    clients = await join(await serve(sio), 1)
    conn, transport = clients[0]
    # A loop's first coroutine prepares a Task for all that follow.
    conn.data_received(build_frame(1, b'426["echo","first"]', MASK))
    transport.writes.clear()
    calls = python_calls(conn.data_received, build_frame(1, b'427["echo","hello"]', MASK))
    assert calls == ["echo", "write"]  # the write is this transport's
    assert transport.writes == [build_frame(1, b'437["hello"]')]
    leave(clients)


async def test_many_events_in_one_read_are_answered_with_one_write(serve):
    sio = fastsio.AsyncServer()

    @sio.event
    def echo(sid, value):
        return value

    clients = await join(await serve(sio), 1)
    conn, transport = clients[0]
    conn.data_received(
        b"".join(build_frame(1, b'42%d["echo",%d]' % (i, i), MASK) for i in range(50))
    )
    assert transport.writes == [b"".join(build_frame(1, b"43%d[%d]" % (i, i)) for i in range(50))]
    leave(clients)


async def test_a_hundred_emits_in_one_turn_are_one_write(serve):
    sio = fastsio.AsyncServer()
    server = await serve(sio)
    clients = await join(server, 1)
    (sid,) = server.hub.namespaces["/"].sockets
    for i in range(100):
        await sio.emit("news", i, to=sid)
    assert clients[0][1].writes == []
    await turn()
    frames = b"".join(build_frame(1, b'42["news",%d]' % i) for i in range(100))
    assert clients[0][1].writes == [frames]
    leave(clients)


async def test_a_broadcast_to_a_thousand_encodes_once_and_writes_once_each(serve):
    encodes = []

    class CountingJson:
        @staticmethod
        def dumps(value):
            encodes.append(value)
            return json.dumps(value, separators=(",", ":"))

        @staticmethod
        def loads(text):
            return json.loads(text)

    sio = fastsio.AsyncServer(json=CountingJson)
    clients = await join(await serve(sio), 1000)
    encodes.clear()
    await sio.emit("news", "x")
    await turn()
    assert encodes == [["news", "x"]]
    frame = build_frame(1, b'42["news","x"]')
    assert all(transport.writes == [frame] for _, transport in clients)
    leave(clients)


async def test_replies_emits_and_broadcasts_of_one_turn_share_one_write(serve):
    sio = fastsio.AsyncServer()

    @sio.event
    async def go(sid):
        await sio.emit("to-me", to=sid)
        await sio.emit("to-all")
        return "done"

    clients = await join(await serve(sio), 3)
    clients[0][0].data_received(build_frame(1, b'421["go"]', MASK))
    await turn()
    to_all = build_frame(1, b'42["to-all"]')
    mine = build_frame(1, b'42["to-me"]') + to_all + build_frame(1, b'431["done"]')
    assert [transport.writes for _, transport in clients] == [[mine], [to_all], [to_all]]
    leave(clients)


async def test_members_who_are_due_the_same_packets_get_the_same_bytes_and_others_their_own(serve):
    sio = fastsio.AsyncServer()
    server = await serve(sio)
    clients = await join(server, 6)
    sids = list(server.hub.namespaces["/"].sockets)
    for turns in range(2):
        await sio.emit("a", b"1")
        if turns:
            await sio.emit("mine", to=sids[2])
        await sio.emit("b", "2")
        await sio.emit("c", "3", skip_sid=sids[4])
        await turn()
    a = build_frame(1, b'451-["a",{"_placeholder":true,"num":0}]') + build_frame(2, b"1")
    b, c = build_frame(1, b'42["b","2"]'), build_frame(1, b'42["c","3"]')
    mine = build_frame(1, b'42["mine"]')
    for i, (_, transport) in enumerate(clients):
        expected = [a + b + c, a + b + c] if i != 4 else [a + b, a + b]
        if i == 2:
            expected[1] = a + mine + b + c
        assert transport.writes == expected, i
    leave(clients)


async def test_a_polling_clients_packets_of_one_turn_are_one_response(serve):
    sio = fastsio.AsyncServer()
    server = await serve(sio)
    peer = await FakePeer(server.url, "polling").open()
    sid = (await peer.connect())["sid"]
    get = asyncio.ensure_future(peer.get())
    session = next(iter(server.engine.sessions.values()))
    await until(lambda: session.outlet.is_writable, "the GET is held")
    for i in range(100):
        await sio.emit("news", i, to=sid)
    response = await get
    assert response.body == b"\x1e".join(b'42["news",%d]' % i for i in range(100))
    await peer.close()

"""IO: Node's names for the namespace "/", and both styles on one core.

What they do is tested where it is done: core/test_rooms.py, core/test_namespace.py, core/test_socket.py.
"""

from __future__ import annotations

import asyncio

import pytest
import socketio

import fastsio
from harness import CLOSE


async def test_connection_handler_gets_the_socket_as_a_decorator_or_given(io, join):
    seen = []

    @io.on("connection")
    def connection(socket):
        seen.append(("decorated", socket))

    def given(socket):
        seen.append(("given", socket))

    assert io.on("connection", given) is given
    assert callable(connection)
    _, socket = await join(io)
    assert seen == [("decorated", socket), ("given", socket)]


async def test_methods_of_io_are_those_of_the_root_namespace(io, join):
    assert io.sockets is io.of("/")
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    socket.join("r")
    io.emit("all", 1)
    io.send("message")
    io.to("r").emit("to")
    io.in_("r").emit("in")
    io.except_("r").emit("except")
    io.volatile.emit("volatile")
    both = ['42["all",1]', '42["message","message"]']
    assert [await peer.receive() for _ in range(5)] == [
        *both, '42["to"]', '42["in"]', '42["volatile"]',
    ]  # fmt: skip
    assert [await other_peer.receive() for _ in range(4)] == [
        *both, '42["except"]', '42["volatile"]',
    ]  # fmt: skip


async def test_io_does_not_reach_other_namespaces(io, join):
    io.of("/n")
    peer, _ = await join(io, "/n")
    io.emit("x")
    io.sockets_join("r")
    io.disconnect_sockets()
    io.of("n").to("r").emit("x")
    io.of("n").emit("y")
    assert await peer.receive() == '42/n,["y"]'


async def test_many_sockets_may_join_leave_and_disconnect_at_once(io, join):
    peer, socket = await join(io)
    io.sockets_join(["a", "b"])
    assert socket.rooms == {socket.id, "a", "b"}
    io.sockets_leave("a")
    assert socket.rooms == {socket.id, "b"}
    io.disconnect_sockets()
    assert await peer.receive() == "41"
    await peer.connect()
    io.disconnect_sockets(close=True)
    assert await peer.receive() == "41"
    assert await peer.ws.receive() == (CLOSE, b"")


async def test_middleware_of_io_is_for_the_root_namespace(io, join):
    log = []
    io.of("/n")

    @io.use
    def middleware(socket):
        log.append(socket.nsp.name)

    peer, _ = await join(io, "/n")
    await peer.connect()
    assert log == ["/"]


async def test_of_makes_a_namespace_that_clients_may_join(io, join):
    seen = []
    nsp = io.of("chat", lambda socket: seen.append(socket))
    assert nsp.name == "/chat"
    _, socket = await join(io, "/chat")
    assert seen == [socket]
    assert socket.nsp is nsp


def test_unknown_option_is_a_typeerror_that_names_the_nearest():
    with pytest.raises(TypeError, match="did you mean 'ping_timeout'"):
        fastsio.IO(pingtimeout=5)
    with pytest.raises(ValueError, match="No valid transports"):
        fastsio.IO(transports=["pigeon"])


async def test_chat_in_nodes_style_works_from_end_to_end(io, join):
    @io.use
    async def who(socket):
        await asyncio.sleep(0)
        if not socket.handshake.auth.get("name"):
            raise ValueError("a name is needed")
        socket.data["name"] = socket.handshake.auth["name"]

    @io.on("connection")
    def connection(socket):
        @socket.on("join")
        def on_join(room):
            socket.join(room)
            socket.to(room).emit("joined", socket.data["name"])
            return sorted(socket.rooms - {socket.id})

        @socket.on("say")
        def say(room, text, ack):
            io.to(room).emit("said", socket.data["name"], text)
            ack("ok")

        @socket.on("disconnecting")
        def leaving(reason):
            for room in socket.rooms - {socket.id}:
                socket.to(room).emit("left", socket.data["name"])

    nameless = await join.open(io)
    await nameless.send("40")
    assert await nameless.receive() == '44{"message":"a name is needed"}'
    ann, _ = await join(io, auth={"name": "ann"})
    bob, _ = await join(io, auth={"name": "bob"})
    await ann.send('420["join","tea"]')
    assert await ann.receive() == '430[["tea"]]'
    await bob.send('420["join","tea"]', '421["say","tea","hi"]')
    assert [await ann.receive(), await ann.receive()] == [
        '42["joined","bob"]',
        '42["said","bob","hi"]',
    ]
    assert [await bob.receive() for _ in range(3)] == [
        '430[["tea"]]',
        '42["said","bob","hi"]',
        '431["ok"]',
    ]
    await bob.send("41")
    assert await ann.receive() == '42["left","bob"]'


async def test_public_names_are_what_the_package_exports():
    missing = set(socketio.__all__) - set(fastsio.__all__)
    assert missing == {"ZmqManager", "get_tornado_handler"}
    ours = set(fastsio.__all__) - set(socketio.__all__)
    assert ours == {
        *(
            "AsyncEmitter",
            "AsyncPubSubManager",
            "Emitter",
            "Event",
            "IO",
            "RunningServer",
            "Socket",
        ),
        *("concurrency", "exceptions", "packet", "run", "start"),
    }
    for name in fastsio.__all__:
        assert getattr(fastsio, name).__doc__


async def test_new_namespaces_are_told_of_before_anybody_is_in_them(join, watch):
    io = fastsio.IO(namespaces="*")
    log = []

    @io.on("new_namespace")
    def new(namespace):
        log.append(namespace.name)
        namespace.on("connection", lambda socket: log.append(f"joined {socket.nsp.name}"))

    io.of("/"), io.of("made"), io.of("/made")
    assert log == ["/made"]
    await join(io, "/asked for")
    assert log == ["/made", "/asked for", "joined /asked for"]

    def fail(namespace):
        raise RuntimeError("on purpose")

    assert io.on("new_namespace", fail) is fail
    assert io.of("/last").name == "/last"
    assert log[-1] == "/last"
    watch.expect_error("on purpose")


async def test_listener_of_new_namespaces_is_a_plain_function(io):
    async def listener(namespace): ...

    with pytest.raises(TypeError, match="plain function"):
        io.on("new_namespace", listener)

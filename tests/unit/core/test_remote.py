"""fetch_sockets() and what it returns, and what is for several servers on one.

Source: Node's RemoteSocket and its utility methods; features.md 1.11.
"""

from __future__ import annotations

import asyncio

import pytest

from fastsio.exceptions import ClientGoneError
from harness import until


async def test_fetched_sockets_are_those_that_the_operator_chooses(io, join):
    sockets = [(await join(io))[1] for _ in range(3)]
    ids = [socket.id for socket in sockets]
    sockets[0].join("r")
    sockets[1].join("r")

    async def fetched(operator):
        return [ids.index(remote.id) for remote in await operator.fetch_sockets()]

    assert await fetched(io) == await fetched(io.of("/")) == [0, 1, 2]
    assert await fetched(io.local) == [0, 1, 2]
    assert await fetched(io.in_("r")) == [0, 1]
    assert await fetched(io.except_("r")) == [2]
    assert await fetched(sockets[0].broadcast) == [1, 2]
    assert await fetched(io.to([])) == []
    assert await io.all_sockets() == set(ids)
    assert await io.in_("r").all_sockets() == set(ids[:2])
    assert await io.of("/other").all_sockets() == set()


async def test_fetched_socket_has_what_the_socket_is(io, join):
    _, socket = await join(io, auth={"token": 1})
    socket.data["name"] = "ann"
    socket.join(["a", "b"])
    (remote,) = await io.fetch_sockets()
    assert remote.id == socket.id
    assert remote.rooms == {socket.id, "a", "b"}
    assert remote.data == {"name": "ann"}
    assert remote.handshake.auth == {"token": 1}
    assert socket.id not in repr(remote)  # ids are secrets in logs
    socket.leave("a")
    assert remote.rooms == {socket.id, "a", "b"}  # as it was when it was fetched


async def test_fetched_socket_can_be_sent_to_moved_and_disconnected(io, join):
    peer, socket = await join(io)
    (remote,) = await io.fetch_sockets()
    remote.emit("x", 1)
    assert await peer.receive() == '42["x",1]'
    remote.join(["a", "b"])
    remote.leave("a")
    assert socket.rooms == {socket.id, "b"}
    for how in (remote, remote.timeout(5)):
        waiting = asyncio.ensure_future(how.emit_with_ack("ask"))
        question = await peer.receive()
        await peer.send(question.replace("42", "43").replace("ask", "answer"))
        assert await waiting == "answer"
    got = []
    remote.emit("ask", ack=got.append)
    assert await peer.receive() == '422["ask"]'
    await peer.send("432[1]")
    await until(lambda: got, "the answer")
    assert got == [1]
    remote.disconnect()
    assert await peer.receive() == "41"
    assert not socket.connected
    with pytest.raises(ClientGoneError):
        await remote.emit_with_ack("ask")


async def test_sockets_can_be_fetched_from_other_threads(io, join):
    _, socket = await join(io)
    assert await asyncio.to_thread(lambda: asyncio.run(io.all_sockets())) == {socket.id}


async def test_servers_that_are_not_there_answer_nothing(io, join):
    """With one server there is nobody to deliver to, and it is no error."""
    peer, _ = await join(io)
    got = []
    io.server_side_emit("hello", 1)
    io.of("/").server_side_emit("hello", 1, ack=lambda *result: got.append(result))
    assert got == [(None, [])]
    assert await io.server_side_emit_with_ack("hello") == []
    io.emit("end")
    assert await peer.receive() == '42["end"]'  # clients hear nothing of it


@pytest.mark.parametrize("event", ["connect", "connection", "new_namespace"])
async def test_own_events_of_a_namespace_are_no_server_side_events(io, event):
    with pytest.raises(ValueError, match=f'"{event}" is a reserved event name'):
        io.server_side_emit(event)
    with pytest.raises(ValueError, match="reserved"):
        await io.server_side_emit_with_ack(event)
    with pytest.raises(TypeError):
        io.server_side_emit("x", object())


async def test_local_and_compress_leave_the_choice_as_it_is(io, join):
    peer, socket = await join(io)
    other_peer, _ = await join(io)
    socket.join("r")
    io.to("r").local.compress(True).volatile.emit("room")
    io.compress(False).emit("all")
    io.local.emit("local")
    io.of("/").compress(True).local.to("r").emit("chain")
    got = [await peer.receive() for _ in range(4)]
    assert got == ['42["room"]', '42["all"]', '42["local"]', '42["chain"]']
    assert [await other_peer.receive() for _ in range(2)] == ['42["all"]', '42["local"]']

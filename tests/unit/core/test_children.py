"""What a parent namespace sends: to the clients of all its children.

Source: Node's ParentNamespace.emit() and ParentBroadcastAdapter.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.testing import TestServer

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


@pytest.fixture
async def stage(io):
    """`parent`, and `clients` of "/room/1" (two) and "/room/2", besides one of "/"."""
    parent = io.of("/room/{id}")
    parent.on("connection", lambda socket: socket.join(socket.params["id"]))
    async with TestServer(io) as server:
        clients = [await server.connect(name) for name in ("/room/1", "/room/1", "/room/2", "/")]
        yield parent, clients


@pytest.mark.feature("1.9 parent namespace emits to its children")
@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (lambda parent: parent.emit("e", 1), [1, 1, 1, 0]),
        (lambda parent: parent.send(1), [1, 1, 1, 0]),
        (lambda parent: parent.volatile.emit("e", 1), [1, 1, 1, 0]),
        (lambda parent: parent.local.compress(True).emit("e", 1), [1, 1, 1, 0]),
        (lambda parent: parent.to("1").emit("e", 1), [1, 1, 0, 0]),
        (lambda parent: parent.in_(["1", "2"]).except_("2").emit("e", 1), [1, 1, 0, 0]),
        (lambda parent: parent.to([]).emit("e", 1), [0, 0, 0, 0]),
        (lambda parent: parent.except_("1").emit("e", 1), [0, 0, 1, 0]),
    ],
)
async def test_emit_reaches_the_clients_of_all_children(stage, send, expected):
    parent, clients = stage
    send(parent)
    await clients[0].settle()
    assert [len(await client.received()) for client in clients] == expected


async def test_answers_of_all_children_come_together(stage):
    parent, clients = stage
    for number, client in enumerate(clients):
        client.on("ask", lambda number=number: number)
    assert sorted(await parent.emit_with_ack("ask")) == [0, 1, 2]
    assert await parent.to("2").timeout(1).emit_with_ack("ask") == [2]
    assert await parent.to([]).emit_with_ack("ask") == []
    heard = []
    parent.emit("ask", ack=lambda error, answers: heard.append((error, sorted(answers))))
    await clients[0].settle()
    assert heard == [(None, [0, 1, 2])]


@CLOCK
async def test_partial_answers_of_all_children_come_with_the_error(stage):
    parent, clients = stage
    for number in (0, 2):
        clients[number].on("ask", lambda number=number: number)
    asking = asyncio.ensure_future(parent.timeout(3).emit_with_ack("ask"))
    heard = []
    parent.timeout(3).emit("ask", ack=lambda error, answers: heard.append((error, sorted(answers))))
    await pass_time(4)
    with pytest.raises(fastsio.exceptions.TimeoutError) as late:
        await asking
    assert sorted(late.value.responses) == [0, 2]
    assert isinstance(heard[0][0], fastsio.exceptions.TimeoutError) and heard[0][1] == [0, 2]


async def test_all_of_them_can_be_moved_and_put_out(stage):
    parent, clients = stage
    parent.to("1").sockets_join("moved")
    parent.sockets_leave("2")
    parent.to("moved").emit("e")
    parent.to("2").emit("e")
    await clients[0].settle()
    assert [len(await client.received()) for client in clients] == [1, 1, 0, 0]
    parent.disconnect_sockets()
    assert await clients[0].expect_disconnect() == "io server disconnect"
    assert [client.is_connected for client in clients] == [False, False, False, True]


async def test_fetching_sockets_is_not_supported_as_in_node(stage):
    parent, _ = stage
    for ask in (parent.fetch_sockets, parent.all_sockets, parent.to("1").fetch_sockets):
        with pytest.raises(RuntimeError, match="is not supported on parent namespaces"):
            await ask()


@pytest.mark.parametrize("event", ["connect", "disconnect"])
async def test_reserved_name_is_refused(stage, event):
    parent, _ = stage
    with pytest.raises(ValueError, match="reserved"):
        parent.emit(event)
    with pytest.raises(ValueError, match="reserved"):
        await parent.emit_with_ack(event)


def test_parent_without_children_reaches_nobody(io):
    io.of("/room/{id}").emit("e")


async def test_other_threads_may_send_too(stage):
    parent, clients = stage
    for number, client in enumerate(clients):
        client.on("ask", lambda number=number: number)
    heard = asyncio.get_running_loop().create_future()

    def elsewhere():
        parent.emit("e", 1)
        parent.to("1").emit("ask", ack=lambda *result: heard.set_result(result))
        with pytest.raises(TypeError):
            parent.emit("e", object(), ack=print)
        return asyncio.run(parent.emit_with_ack("ask"))

    assert sorted(await asyncio.to_thread(elsewhere)) == [0, 1, 2]
    error, answers = await heard
    assert error is None and sorted(answers) == [0, 1]
    assert [len(await client.received()) for client in clients] == [1, 1, 1, 0]

"""Every member of Node's server classes is here under its name, or has a reason why it is not.

The names are in tests/node_names.py; that they are all of Node's, interop/test_node_names.py asks Node.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import fastsio
import node_names
from fastsio.options import Options
from memory_conn import Clients
from node_names import Not


@pytest.fixture
async def things(serve: Any) -> Any:
    """One object of each kind."""
    io = fastsio.IO()
    clients = Clients(serve)
    _, socket = await clients(io)
    (remote,) = await io.fetch_sockets()
    yield SimpleNamespace(
        server=io,
        namespace=io.of("/"),
        parent=io.of("/room/{id}"),
        socket=socket,
        flagged_socket=socket.volatile,
        operator=io.to("room"),
        remote_socket=remote,
        client=socket.client,
        handshake=socket.handshake,
        request=socket.request,
        conn=socket.conn,
        adapter=io.of("/").adapter,
    )
    await clients.close()


@pytest.mark.feature("1.1 settings via getters")
@pytest.mark.parametrize(
    "kind",
    [
        "server", "namespace", "parent", "socket", "flagged_socket", "operator", "remote_socket", "client", "handshake",
        "request", "conn", "adapter",
    ],
)  # fmt: skip
async def test_every_name_is_here_or_has_its_reason(things, kind):
    thing = getattr(things, kind)
    table = getattr(node_names, kind.upper())
    missing = [
        f"{name} ({ours})"
        for name, ours in table.items()
        if not isinstance(ours, Not) and not hasattr(thing, ours)
    ]
    if "connection_state_recovery" not in Options.names() and kind == "socket":
        missing.remove("recovered (recovered)")
    assert not missing
    assert all(ours.why for ours in table.values() if isinstance(ours, Not))


async def test_names_that_are_not_here_are_really_not(things):
    """Else the table would be wrong when somebody adds one."""
    said = []
    for kind in ("server", "namespace", "parent", "socket", "operator", "conn"):
        table = getattr(node_names, kind.upper())
        for name, ours in table.items():
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
            is_not = isinstance(ours, Not) and ours is not node_names.INNER
            if is_not and hasattr(getattr(things, kind), snake):
                said.append(f"{kind}.{snake}")
    assert not said


async def test_events_of_a_conn_are_here_or_have_their_reason(things):
    for name, ours in node_names.CONN_EVENTS.items():
        if isinstance(ours, Not):
            with pytest.raises(ValueError, match="of a conn"):
                things.conn.on(name, print)
        else:
            things.conn.on(ours, print)


async def test_send_and_write_are_emit_of_message(things, serve):
    heard = []
    things.socket.on_any_outgoing(lambda *args: heard.append(args))
    for thing in (things.server, things.namespace, things.socket):
        thing.send(1, 2)
        thing.write(3)
    assert heard == [("message", 1, 2), ("message", 3)] * 3


@pytest.mark.feature("1.8 rooms of the adapter")
async def test_adapter_says_who_is_where(things):
    things.socket.join(["a", "b"])
    sid = things.socket.id
    assert things.adapter.nsp is things.namespace
    assert things.adapter.sids == {sid: {sid, "a", "b"}}
    assert things.adapter.socket_rooms(sid) == {sid, "a", "b"}
    assert things.adapter.socket_rooms("nobody") is None
    assert things.adapter.sockets() == things.adapter.sockets(["a", "x"]) == {sid}
    assert things.adapter.sockets({"x"}) == set()


@pytest.mark.feature("1.11 serverCount")
async def test_adapter_says_how_many_servers_there_are(things):
    assert things.adapter.server_count() == 1

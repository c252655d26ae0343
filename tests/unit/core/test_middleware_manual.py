"""The programs of docs/middleware.md do what it says."""

from __future__ import annotations

import re
import types
from pathlib import Path

import pytest

from fastsio.testing import ConnectionRefused, TestClient, TestServer

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "middleware.md"


def program(name: str) -> types.SimpleNamespace:
    """What the manual's program of that name defines."""
    text = MANUAL.read_text(encoding="utf-8")
    (source,) = re.findall(rf"```python\n# {re.escape(name)}\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {"__name__": name}
    exec(compile(source, f"{MANUAL}: {name}", "exec"), names)
    return types.SimpleNamespace(**names)


def test_every_program_is_tried_here():
    names = set(re.findall(r"```python\n# (\S+)\n", MANUAL.read_text(encoding="utf-8")))
    tried = set(re.findall(r'program\("(\S+?)"\)', Path(__file__).read_text(encoding="utf-8")))
    assert names == tried


async def test_door_opens_for_who_has_the_token():
    io = program("door.py").io
    with pytest.raises(ConnectionRefused, match="unknown token") as refused:
        await TestClient(io).connect()
    assert refused.value.data == {"code": 401}
    async with TestClient(io, auth={"token": "secret"}) as client:
        assert await client.call("who") == "Ann"


async def test_packets_are_checked_and_some_answered():
    async with TestClient(program("packets.py").io) as client:
        assert await client.call("echo", 1) == 1
        assert await client.call("price") == 42
        await client.emit("admin")
        assert (await client.expect("refused")).data == "admins only"


async def test_rooms_are_made_for_clients():
    names = program("rooms.py")
    async with TestServer(names.io) as server:
        one, two = await server.connect("/room/1"), await server.connect("/room/2")
        assert (await one.expect("joined")).data == 1
        assert (await two.expect("joined")).data == 2
        await one.emit("all rooms", "hi")
        assert (await two.expect("text")).data == "hi"
        with pytest.raises(ConnectionRefused, match="no such room"):
            await server.connect("/room/2000")
        await server.connect("/world-x")
        await server.connect("/tenant-7", auth={"tenant": 7})
        with pytest.raises(ConnectionRefused, match="Invalid namespace"):
            await server.connect("/tenant-8", auth={"tenant": 7})
        assert list(names.rooms.children) == ["/room/1", "/room/2"]
        await one.disconnect()
        assert list(names.rooms.children) == ["/room/2"]


async def test_rooms_in_the_other_style():
    async with TestServer(program("rooms_sio.py").sio) as server:
        one, two = await server.connect("/room/7"), await server.connect("/room/7")
        assert await one.call("say", "hi") == 7
        assert (await two.expect("said")).data == "hi"
        assert await one.nothing()


async def test_both_styles():
    names = program("both.py")
    async with TestServer(names.sio) as server:
        client = await server.connect()
        assert await client.call("name") == "Ann"
        names.io.sockets_join("listeners")
        await client.emit("shout", "hey")
        assert (await client.expect("shouted")).data == "hey"

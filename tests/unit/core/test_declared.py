"""Events that the server declares: what is sent is checked, to whomever it goes."""

from __future__ import annotations

from typing import Any

import msgspec
import pydantic
import pytest

import fastsio
from fastsio.testing import TestServer

pytestmark = pytest.mark.asyncio


class News(msgspec.Struct):
    title: str
    body: bytes = b""


class Model(pydantic.BaseModel):
    n: int


async def test_a_declared_event_is_sent_to_everyone_or_to_whom_is_named() -> None:
    io = fastsio.IO()

    @io.emits
    def news(item: News, urgent: bool = False) -> None:
        """Something has happened."""

    assert (news.name, news.doc, repr(news)) == (
        "news", "Something has happened.", "<Event 'news' in '/'>",
    )  # fmt: skip
    sockets = []
    io.on("connection", sockets.append)
    async with TestServer(io) as server:
        ann, bob = await server.connect(), await server.connect()
        news.emit(News("a", b"\x01"), True)
        for client in (ann, bob):
            event = await client.expect("news")
            assert event.args == ({"title": "a", "body": b"\x01"}, True)
        news.to(sockets[0]).emit({"title": "b"})
        await ann.expect("news", {"title": "b", "body": b""})
        assert await bob.nothing()
        sockets[1].join("room")
        news.to("room").emit(urgent=True, item=News("c"))
        await bob.expect("news", {"title": "c", "body": b""}, True)
        assert await ann.nothing()
        news.to(sockets[0].broadcast.volatile).emit(News("d"))
        await bob.expect("news", {"title": "d", "body": b""})
        assert await ann.nothing()


@pytest.mark.parametrize(
    ("args", "named", "message"),
    [
        ((), {}, "event 'news': 'item' is missing"),
        ((News("a"), True, 3), {}, "event 'news' has 2 arguments, not 3"),
        (({"title": 1},), {}, "event 'news': 'item', at title: Expected `str`, got `int`"),
        ((News("a"), 1), {}, "event 'news': 'urgent': Expected `bool`, got `int`"),
        ((News("a"),), {"item": 1}, "no argument 'item', or it was given twice"),
        ((News("a"),), {"other": 1}, "no argument 'other'"),
    ],
)
async def test_what_is_not_as_declared_is_not_sent(args: Any, named: Any, message: str) -> None:
    io = fastsio.IO()

    @io.emits
    def news(item: News, urgent: bool = False) -> None: ...

    async with TestServer(io) as server:
        client = await server.connect()
        with pytest.raises(TypeError, match=message):
            news.emit(*args, **named)
        assert await client.nothing()


async def test_a_client_answers_as_declared() -> None:
    io = fastsio.IO()

    @io.emits("a question")
    def ask(text: str) -> Model: ...

    sockets = []
    io.on("connection", sockets.append)
    async with TestServer(io) as server:
        client = await server.connect()
        client.on("a question", lambda text: {"n": len(text)})
        assert await ask.to(sockets[0]).emit_with_ack("abc") == Model(n=3)
        assert await ask.emit_with_ack("abcd") == [Model(n=4)]
        client.on("a question", lambda text: {"n": text})
        with pytest.raises(
            ValueError, match=r"answer to 'a question', n: Input should be a valid integer"
        ):
            await ask.to(sockets[0].timeout(5)).emit_with_ack("abc")


async def test_types_alone_declare_an_event_and_so_does_its_name() -> None:
    io = fastsio.IO()
    pair = io.emits("pair", int, str)
    tick = io.of("/x").emits("tick")
    assert list(io.sockets.declared) == ["pair"] and list(io.of("/x").declared) == ["tick"]
    async with TestServer(io) as server:
        client, there = await server.connect(), await server.connect("/x")
        pair.emit(1, "a")
        await client.expect("pair", 1, "a")
        tick.emit()
        await there.expect("tick")
        with pytest.raises(TypeError, match="'arg1' is missing"):
            pair.emit(1)
        with pytest.raises(TypeError, match="has 0 arguments, not 1"):
            tick.emit(1)


async def test_python_socketios_server_declares_events_too() -> None:
    sio = fastsio.AsyncServer()
    pair = sio.emits("pair", int, list[News], namespace="/x")
    async with TestServer(sio) as server:
        sio.on("hi", lambda sid: pair.to(sid).emit(1, [News("a")]), namespace="/x")
        client = await server.connect("/x")
        await client.emit("hi")
        await client.expect("pair", 1, [{"title": "a", "body": b""}])


async def test_an_event_can_not_have_a_reserved_name_or_no_name() -> None:
    with pytest.raises(ValueError, match="connect"):
        fastsio.IO().emits("connect", int)
    with pytest.raises(TypeError, match=r"emits\(3\)"):
        fastsio.IO().emits(3)

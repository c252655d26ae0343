"""Typed events with the official client, on every transport. Each test plays one scenario of scenarios/typed.js."""

from typing import Any

import msgspec
import pydantic
import pytest

import fastsio

MODES = ["polling", "websocket"]


class Point(msgspec.Struct):
    x: int
    y: int = 0
    data: bytes = b"\x01"


class User(pydantic.BaseModel):
    name: str
    friends: list["User"] = []


def make_io() -> fastsio.IO:
    io = fastsio.IO()
    calls = []

    @io.emits
    def news(item: Point, urgent: bool) -> None: ...

    @io.emits
    def question(text: str) -> int: ...

    @io.event
    def move(socket: Any, to: Point, label: str = "") -> Point:
        calls.append("move")
        return to

    @io.event
    async def sum(socket: Any, *numbers: int, ack: Any) -> None:
        calls.append("sum")
        total = 0
        for number in numbers:
            total += number
        ack(total)

    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("user")
        async def user(user: User) -> tuple[int, User]:
            calls.append("user")
            return len(user.name), user

        socket.on("calls", lambda: len(calls))
        socket.on("tell me", lambda: news.to(socket).emit(Point(5), urgent=True))

        @socket.on("ask me")
        async def ask_me() -> int:
            answer: int = await question.to(socket.timeout(20)).emit_with_ack("abc")
            return answer

    return io


def make_sio() -> fastsio.AsyncServer:
    sio = fastsio.AsyncServer(typed=True)

    @sio.on("connect", namespace="/auth")
    async def connect(sid, environ, auth: Point): ...

    return sio


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", ["typedArgumentsAreValidated", "declaredEventsArrive"])
async def test_events_of_a_typed_server(node: Any, serve: Any, mode: str, scenario: str) -> None:
    server = await serve(make_io())
    await node.play(scenario, server.url, mode)


@pytest.mark.parametrize("mode", MODES)
async def test_auth_of_a_typed_server(node: Any, serve: Any, mode: str) -> None:
    server = await serve(make_sio())
    await node.play("typedAuthIsValidated", server.url, mode)

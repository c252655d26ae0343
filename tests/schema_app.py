"""An application with every kind of event, for the tests of its schema."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pydantic

import fastsio


class Point(msgspec.Struct):
    """Where."""

    x: int
    y: int = 0


class Circle(msgspec.Struct, tag="circle"):
    r: float
    data: bytes = b""


class Square(msgspec.Struct, tag="square"):
    side: Annotated[float, msgspec.Meta(gt=0, description="In cm.")]


class User(pydantic.BaseModel):
    name: str
    avatar: bytes | None = None
    friends: list["User"] = []


class Style(TypedDict, total=False):
    color: Literal["red", "blue"]
    meta: dict[str, Any]


io = fastsio.IO()


@io.event
def move(socket: Any, to: Point, label: str = "") -> Point:
    """Move a piece.

    To somewhere else.
    """
    return to


@io.event
def draw(socket: Any, shape: Circle | Square, style: Style | None = None) -> None: ...


@io.event("chat message")
async def chat_message(socket: Any, text: str | bytes, *more: int) -> tuple[int, User]:
    return len(text), User(name="Ann")


@io.event
def untyped(socket, *args): ...


@io.event
def ask(socket: Any, a: int, ack: Callable[[int, str], None]) -> None:
    ack(a, "a")


@io.event
def maybe(socket: Any, function: int | None) -> Point | None: ...


@io.emits
def news(item: Point, urgent: bool = False) -> None:
    """Something happened."""


@io.emits
def question(text: str) -> int: ...


chat = io.of("/chat-room")
joined = chat.emits("joined", User)


@chat.event
def say(socket: Any, user: User, at: tuple[int, int], tags: set[str]) -> list[User]:
    return [user]


@io.on("connection")
def connection(socket: Any) -> None:
    socket.on("high_water", print)
    socket.on("disconnect", print)

    @socket.on("later")
    def later(a: int) -> str:
        return str(a)


sio = fastsio.AsyncServer()


@sio.event(typed=True)
async def connect(sid, environ, auth: Point): ...


@sio.event
async def plain(sid, a: int, b: "Unknown", c: list[fastsio.IO]):  # noqa: F821
    return a


@sio.event
async def plainer(sid, a: int, c: list[fastsio.IO] | None = None):
    return a


@sio.on("*", namespace="*")
async def anything(event, namespace, sid, *args): ...


class Chat(fastsio.AsyncNamespace):
    async def on_say(self, sid, text: str) -> int:
        """Say it."""
        return len(text)

    async def on_connect(self, sid, environ): ...


sio.register_namespace(Chat("/chat"), typed=True)
asgi = fastsio.ASGIApp(io)
empty = fastsio.IO()

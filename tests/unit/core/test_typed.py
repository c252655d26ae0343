"""Typed handlers: a bad argument never reaches them, and the client is told."""

from __future__ import annotations

import asyncio
import enum
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pydantic
import pytest

import fastsio
from fastsio.core import typed as typed_module
from fastsio.core.typed import typed_call
from fastsio.exceptions import InvalidArgumentError
from fastsio.testing import ConnectionRefused, TestServer
from harness import DEADLINE_S

pytestmark = pytest.mark.asyncio


class Point(msgspec.Struct):
    x: int
    y: int = 0


@dataclass
class Size:
    width: int
    tags: list[str]


class Options(TypedDict, total=False):
    color: Literal["red", "blue"]


class Pair(NamedTuple):
    first: int
    second: str


class Color(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    count: int
    name: Annotated[str, pydantic.Field(max_length=3)] = "abc"


class Node(msgspec.Struct):
    next: Node | None = None


def one(type_: Any) -> Callable[..., Any]:
    """A handler with one argument of a type, which returns what it got."""

    def handler(value: Any) -> Any:
        return value

    handler.__annotations__ = {"value": type_}
    return handler


def called(fn: Callable[..., Any], *args: Any) -> Any:
    return typed_call(fn, 0, False, True)(*args)


def refusal(fn: Callable[..., Any], *args: Any) -> tuple[int, str, str, str]:
    """Why `fn` was not called."""
    with pytest.raises(InvalidArgumentError) as refused:
        called(fn, *args)
    error = refused.value
    return error.argument, error.name, error.path, error.message


# --- types ----------------------------------------------------------------------------------------


@pytest.mark.feature("1.6 typed events")
@pytest.mark.parametrize(
    ("type_", "sent", "got"),
    [
        (int, 1, 1),
        (float, 1, 1.0),
        (str, "a", "a"),
        (bytes, b"\x00", b"\x00"),
        (str | bytes, b"\x00", b"\x00"),
        (str | bytes, "a", "a"),
        (bytes | None, None, None),
        (int | None, None, None),
        (list[bytes], [b"a"], [b"a"]),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (set[int], [1, 2], {1, 2}),
        (Point, {"x": 1}, Point(1)),
        (Size, {"width": 1, "tags": ["a"]}, Size(1, ["a"])),
        (Options, {"color": "red", "unknown": 1}, {"color": "red"}),
        (Pair, [1, "a"], Pair(1, "a")),
        (Color, "red", Color.RED),
        (datetime, "2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5)),
        (Annotated[int, msgspec.Meta(ge=1)], 1, 1),
        (Model, {"count": "1"}, Model(count=1)),
        (list[Model], [{"count": 1}], [Model(count=1)]),
        (Annotated[int, pydantic.Field(gt=1)], 2, 2),
        (Model | int, 3, 3),
    ],
)
async def test_a_value_reaches_the_handler_as_its_type(type_: Any, sent: Any, got: Any) -> None:
    value = called(one(type_), sent)
    assert value == got and type(value) is type(got)


@pytest.mark.feature("1.6 typed events")
@pytest.mark.parametrize(
    ("type_", "sent", "path", "message"),
    [
        (int, "1", "", "Expected `int`, got `str`"),
        (int, True, "", "Expected `int`, got `bool`"),
        (int, 1.5, "", "Expected `int`, got `float`"),
        (str, None, "", "Expected `str`, got `null`"),
        (bytes, "aGk=", "", "Expected `bytes`, got `str`"),
        (str | bytes, 1, "", "Expected `str`, got `int`"),
        (list[bytes], ["aGk="], "[0]", "Expected `bytes`, got `str`"),
        (Point, {"y": 1}, "", "Object missing required field `x`"),
        (list[Point], [{"x": 1}, {"x": "a"}], "[1].x", "Expected `int`, got `str`"),
        (Size, {"width": 1, "tags": ["a", 2]}, "tags[1]", "Expected `str`, got `int`"),
        (Options, {"color": "pink"}, "color", "Invalid enum value 'pink'"),
        (Color, "pink", "", "Invalid enum value 'pink'"),
        (dict[str, int], {"a": "b"}, "[...]", "Expected `int`, got `str`"),
        (Annotated[int, msgspec.Meta(ge=1)], 0, "", "Expected `int` >= 1"),
        (Model, {}, "count", "Field required"),
        (list[Model], [{"count": 1, "name": "abcd"}], "[0].name", "String should have at most 3 characters"),
        (Annotated[int, pydantic.Field(gt=1)], 1, "", "Input should be greater than 1"),
    ],
)  # fmt: skip
async def test_a_bad_value_is_refused_with_its_place(
    type_: Any, sent: Any, path: str, message: str
) -> None:
    assert refusal(one(type_), sent) == (0, "value", path, message)


async def test_a_pydantic_model_within_a_struct_is_validated_with_its_place() -> None:
    class Holder(msgspec.Struct):
        models: list[Model]

    assert called(one(Holder), {"models": [{"count": 1}]}) == Holder([Model(count=1)])
    assert refusal(one(Holder), {"models": [{"count": "a"}]})[2] == "models[0].count"


@pytest.mark.fault("a value is nested too deeply", "refused with an error")
async def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = {}
    for _ in range(20_000):
        value = {"next": value}
    assert refusal(one(Node), value) == (0, "value", "", "nested too deeply")


# --- arguments ------------------------------------------------------------------------------------


async def test_arguments_are_counted_from_the_first_of_the_event() -> None:
    def fn(sid: str, a: int, b: int) -> Any:
        return sid, a, b

    call = typed_call(fn, 1, False, True)
    assert call("sid", 1, 2) == ("sid", 1, 2)
    with pytest.raises(InvalidArgumentError) as refused:
        call("sid", 1, "2")
    assert (refused.value.argument, refused.value.name) == (1, "b")


async def test_a_missing_argument_is_named_and_a_default_is_taken() -> None:
    def fn(a: int, b: Model, c: int = 3, d: Any = None) -> Any:
        return a, b.count, c, d

    assert refusal(fn) == (0, "a", "", "missing")
    assert refusal(fn, 1) == (1, "b", "", "missing")
    assert called(fn, 1, {"count": 2}) == (1, 2, 3, None)
    assert called(fn, 1, {"count": 2}, 4, 5) == (1, 2, 4, 5)
    assert refusal(fn, 1, {"count": 2}, None) == (2, "c", "", "Expected `int`, got `null`")


async def test_every_argument_of_star_args_is_validated() -> None:
    def fn(a: int, *rest: Point) -> Any:
        return a, rest

    assert called(fn, 1) == (1, ())
    assert called(fn, 1, {"x": 1}, {"x": 2}) == (1, (Point(1), Point(2)))
    assert refusal(fn, 1, {"x": 1}, {"x": ""}) == (2, "rest", "x", "Expected `int`, got `str`")


async def test_star_args_without_an_annotation_keep_what_comes() -> None:
    def fn(a: int, *rest):
        return a, rest

    assert called(fn, 1, 2, "x") == (1, (2, "x"))


@pytest.mark.parametrize("typed", [True, None])
async def test_a_function_without_annotations_is_called_as_it_is(typed: bool | None) -> None:
    def plain(a, b=1): ...

    def open_to_all(a: Any, *b: object) -> None: ...

    assert typed_call(plain, 0, False, typed) is plain
    assert typed_call(open_to_all, 0, False, typed) is open_to_all
    assert typed_call(one(int), 0, False, False).__name__ == "handler"


async def test_validators_of_functions_in_a_listener_are_made_once() -> None:
    def make(s: str) -> Callable[..., Any]:
        def handler(value: Point) -> str:
            return s + str(value.x)

        return handler

    first, second = (typed_call(make(s), 0, False, True) for s in "ab")
    assert first({"x": 1}) == "a1" and second({"x": 1}) == "b1"
    assert first.check is second.check


async def test_types_of_the_function_around_are_not_mixed_up() -> None:
    def make(cls: Any) -> Callable[..., Any]:
        def handler(value: cls) -> Any:
            return cls, value

        return handler

    assert called(make(int), 1) == (int, 1)
    assert called(make(str), "a") == (str, "a")


# --- what can't be validated ----------------------------------------------------------------------


async def test_an_annotation_that_is_not_known_is_an_error_that_names_it() -> None:
    def fn(a: Unknown): ...  # noqa: F821

    with pytest.raises(
        TypeError, match=r"fn': the annotation 'Unknown' of parameter 'a'.*typed=False"
    ):
        typed_call(fn, 0, False, None)


async def test_a_type_that_no_value_can_be_made_of_is_an_error_that_names_it() -> None:
    with pytest.raises(TypeError, match=r"handler': 'value' can't be validated .*logging.Logger"):
        typed_call(one(logging.Logger), 0, False, True)
    with pytest.raises(TypeError, match="can't be validated"):
        typed_call(one(int | logging.Logger), 0, False, True)


async def test_pydantic_constraints_in_a_struct_are_an_error_as_they_would_do_nothing() -> None:
    class Wrong(msgspec.Struct):
        a: Annotated[int, pydantic.Field(gt=1)]

    with pytest.raises(TypeError, match=r"within a msgspec\.Struct"):
        typed_call(one(Wrong), 0, False, True)


async def test_without_msgspec_typed_is_an_import_error_and_none_warns_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(typed_module, "is_available", lambda: False)
    typed_module._tell_of_missing.cache_clear()
    monkeypatch.setattr(typed_module, "_checks", {})
    first, second = one(int), one(str)
    with pytest.raises(ImportError, match=r"fastsio\[typed\]"):
        typed_call(first, 0, False, True)
    assert typed_call(first, 0, False, None) is first
    assert typed_call(second, 0, False, None) is second
    assert len([r for r in caplog.records if "msgspec is not installed" in r.message]) == 1


async def test_a_program_without_msgspec_runs_as_before() -> None:
    program = """
import sys
sys.modules["msgspec"] = None
import fastsio

io = fastsio.IO()

@io.event
def say(socket, text: str): ...

@io.emits
def news(text): ...

try:
    io.event("checked", say, typed=True)
except ImportError as error:
    print(error)
io.emits("news", str).emit(1)
try:
    fastsio.AsyncServer(typed=True).emits("news", str)
except ImportError as error:
    print(error)
print(type(io.hub.registry.functions["/"]["say"].call.call).__name__)
"""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, err = await asyncio.wait_for(done.communicate(), DEADLINE_S)
    assert out.decode().splitlines() == [
        "typed events need msgspec: pip install 'fastsio[typed]'",
        "typed events need msgspec: pip install 'fastsio[typed]'",
        "function",
    ]
    assert err.decode().count("msgspec is not installed") == 1


# --- what a handler returns -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "returned", "sent"),
    [
        (Point, Point(1), {"x": 1, "y": 0}),
        (Point, {"x": 1}, {"x": 1, "y": 0}),
        (Size, Size(1, []), {"width": 1, "tags": []}),
        (Model, Model(count=1), {"count": 1, "name": "abc"}),
        (list[Point], [Point(1)], [{"x": 1, "y": 0}]),
        (tuple[int, Point], (1, Point(1)), (1, {"x": 1, "y": 0})),
        (set[int], {1}, [1]),
        (Color, Color.RED, "red"),
        (bytes, b"x", b"x"),
        (int | None, None, None),
    ],
)
async def test_what_is_returned_is_what_packets_can_hold(
    type_: Any, returned: Any, sent: Any
) -> None:
    def give() -> Any:
        return returned

    async def give_later() -> Any:
        return returned

    for function in (give, give_later):
        function.__annotations__ = {"return": type_}
        result = called(function)
        assert (await result if function is give_later else result) == sent


async def test_a_result_of_another_type_is_the_handlers_mistake() -> None:
    def fn() -> Point:
        return {"x": "a"}  # type: ignore[return-value]

    with pytest.raises(
        TypeError, match=r"fn' returned what it does not declare, at x: Expected `int`"
    ):
        called(fn)


# --- on a server ----------------------------------------------------------------------------------


def listening(*args: Any, **options: Any) -> tuple[fastsio.IO, list[Any]]:
    """A server whose clients' sockets listen to "event" with on(*args), and what these heard."""
    io = fastsio.IO(**options)
    heard: list[Any] = []

    @io.on("connection")
    def connection(socket: Any) -> None:
        heard.append(socket)
        socket.on("event", *args)

    return io, heard


async def test_a_bad_argument_is_answered_and_does_not_reach_the_listener() -> None:
    calls = []

    def event(position: Point, label: str = "") -> None:
        calls.append(position)

    io, heard = listening(event)
    async with TestServer(io) as server:
        client = await server.connect()
        answer = await client.call("event", {"x": "1"})
        assert answer == {
            "error": {
                "code": "invalid_argument", "event": "event", "argument": 0, "name": "position", "path": "x",
                "message": "Expected `int`, got `str`",
            }
        }  # fmt: skip
        assert await client.call("event", {"x": 1}) is None
    assert calls == [Point(1)]
    assert heard[0].namespace.invalid_events == 1 and heard[0].namespace.handler_errors == 0


async def test_extra_arguments_are_dropped_as_in_javascript() -> None:
    def event(a: int) -> int:
        return a

    io, _ = listening(event)
    async with TestServer(io) as server:
        client = await server.connect()
        assert await client.call("event", 1, "more", 3) == 1


@pytest.mark.parametrize("is_keyword", [True, False])
async def test_a_listener_with_ack_gets_it_and_a_bad_argument_is_answered(is_keyword: bool) -> None:
    def event(a: int, *, ack: Any) -> None:
        ack(a, Point(a))

    def event_positional(a: int, ack: Any) -> None:
        ack(a, Point(a))

    io, _ = listening(event if is_keyword else event_positional)
    async with TestServer(io) as server:
        client = await server.connect()
        assert await client.call("event", 1) == (1, {"x": 1, "y": 0})
        assert (await client.call("event", "1"))["error"]["name"] == "a"


async def test_without_an_ack_the_sockets_error_listeners_hear_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def event(a: int) -> None: ...

    io, heard = listening(event)
    errors = []
    async with TestServer(io) as server:
        client = await server.connect()
        with caplog.at_level(logging.INFO, "fastsio.core"):
            await client.emit("event", "x")
            await client.nothing()
        assert "argument 0 of 'event' (a): Expected `int`, got `str` (1 so far)" in caplog.text
        heard[0].on("error", errors.append)
        await client.emit("event", [])
        await client.nothing()
    assert [str(error) for error in errors] == [
        "argument 0 of 'event' (a): Expected `int`, got `array`"
    ]


async def test_a_listener_may_be_typed_or_not_whatever_the_option_says() -> None:
    def event(a: int) -> Any:
        return a

    for option, argument, is_checked in [
        (None, None, True), (True, None, True), (False, None, False), (False, True, True), (True, False, False),
    ]:  # fmt: skip
        io = fastsio.IO(typed=option)

        def connection(socket: Any, argument: bool | None = argument) -> None:
            socket.on("event", event, typed=argument)

        io.on("connection", connection)
        async with TestServer(io) as server:
            client = await server.connect()
            answer = await client.call("event", "x")
            assert (answer != "x") is is_checked, (option, argument)


async def test_option_typed_is_checked() -> None:
    with pytest.raises(ValueError, match="typed='yes'"):
        fastsio.IO(typed="yes")


async def test_own_events_are_not_typed() -> None:
    io = fastsio.IO()
    reasons = []

    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.on("disconnect")
        def disconnect(reason: int) -> None:
            reasons.append(reason)

    async with TestServer(io) as server:
        client = await server.connect()
        await client.disconnect()
    assert reasons == ["client namespace disconnect"]


async def test_once_hears_the_next_event_even_if_that_was_bad() -> None:
    io = fastsio.IO()

    @io.on("connection")
    def connection(socket: Any) -> None:
        @socket.once("event")
        def event(a: int) -> int:
            return a

        assert socket.listeners("event") == [event]

    async with TestServer(io) as server:
        client = await server.connect()
        assert "error" in await client.call("event", "x")


# --- listeners of a namespace ---------------------------------------------------------------------


async def test_event_listens_on_every_socket_before_its_own_listeners() -> None:
    io = fastsio.IO()
    log = []

    @io.event
    def move(socket: Any, to: Point) -> Point:
        log.append(("namespace", socket.id, to.x))
        return to

    @io.event("a b", typed=False)
    async def other(socket: Any, to: Point) -> Any:
        return to

    @io.of("/x").event("move")
    def move_there(socket: Any, ack: Any) -> None:
        ack(socket.nsp.name)

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("move", lambda to: log.append("socket"))

    async with TestServer(io) as server:
        client, there = await server.connect(), await server.connect("/x")
        assert await client.call("move", {"x": 1}) == {"x": 1, "y": 0}
        assert await client.call("a b", "anything") == "anything"
        assert await there.call("move", 1, 2) == "/x"
        assert log == [("namespace", client.sid, 1), "socket"]


async def test_event_refuses_the_servers_own_names() -> None:
    for name in ("connection", "connect", "disconnect", "disconnecting", "error"):
        with pytest.raises(ValueError, match=name):
            fastsio.IO().event(name, lambda socket: None)


async def test_event_may_be_handled_one_at_a_time() -> None:
    io = fastsio.IO()
    log = []

    @io.event("slow", concurrency=1)
    async def slow(socket: Any, n: int) -> int:
        log.append(n)
        await asyncio.sleep(0)
        log.append(-n)
        return n

    async with TestServer(io) as server:
        client = await server.connect()
        await client.emit("slow", 1)
        assert "error" in await client.call("slow", "x")
        assert await client.call("slow", 2) == 2
        assert log == [1, -1, 2, -2]


async def test_event_of_a_parent_namespace_listens_in_all_children_old_and_new() -> None:
    io = fastsio.IO()
    rooms = io.of("/room/{id}")
    ready = rooms.emits("ready", str)

    async with TestServer(io) as server:
        old = await server.connect("/room/old")

        @rooms.event
        def where(socket: Any, n: int) -> str:
            return f"{socket.params['id']}{n}"

        new = await server.connect("/room/new")
        assert await old.call("where", 1) == "old1"
        assert await new.call("where", 2) == "new2"
        assert "error" in await new.call("where", "2")
        ready.emit("now")
        await old.expect("ready", "now")
        await new.expect("ready", "now")
        with pytest.raises(TypeError, match="'arg0': Expected `str`"):
            ready.emit(1)


async def test_both_styles_of_one_application_have_their_own_default() -> None:
    io = fastsio.IO()

    @io.event
    def ours(socket: Any, a: int) -> None: ...

    @io.sio.event
    def theirs(sid: str, a: int) -> Any:
        return a

    async with TestServer(io) as server:
        client = await server.connect()
        assert "error" in await client.call("ours", "x")
        assert await client.call("theirs", "x") == "x"


async def test_events_one_after_the_other_are_validated_and_answered() -> None:
    io = fastsio.IO(async_handlers=False)

    @io.event
    async def slow(socket: Any, a: int, ack: Any) -> None:
        await asyncio.sleep(0)
        ack(a)

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("own", one(int))

    async with TestServer(io) as server:
        client = await server.connect()
        assert await client.call("slow", 1) == 1
        assert (await client.call("slow", "1"))["error"]["name"] == "a"
        assert await client.call("own", 1) == 1
        assert (await client.call("own", "1"))["error"]["name"] == "value"


# --- python-socketio's style ----------------------------------------------------------------------


async def test_python_socketio_handlers_are_typed_only_where_asked() -> None:
    sio = fastsio.AsyncServer()

    @sio.event
    def plain(sid, a: int):
        return a

    @sio.event(typed=True)
    async def checked(sid, a: int):
        return a

    @sio.on("*", typed=True)
    def rest(event, sid, a: int):
        return [event, a]

    @sio.on("there", namespace="*", typed=True)
    def there(namespace, sid, a: int):
        return [namespace, a]

    async with TestServer(sio) as server:
        client = await server.connect()
        assert await client.call("plain", "x") == "x"
        assert await client.call("checked", 1) == 1
        assert (await client.call("checked", "x"))["error"]["event"] == "checked"
        assert await client.call("any", 1) == ["any", 1]
        assert (await client.call("any", "x"))["error"]["event"] == "any"


async def test_methods_of_a_class_are_typed_where_asked() -> None:
    class Chat(fastsio.AsyncNamespace):
        async def on_say(self, sid, text: str):
            return text

    sio = fastsio.AsyncServer()
    sio.register_namespace(Chat("/chat"), typed=True)
    async with TestServer(sio) as server:
        client = await server.connect("/chat")
        assert await client.call("say", "x") == "x"
        assert (await client.call("say", 1))["error"]["name"] == "text"


async def test_auth_of_a_connect_handler_is_validated() -> None:
    seen = []
    sio = fastsio.AsyncServer(typed=True)

    @sio.event
    async def connect(sid, environ, auth: Point):
        seen.append(auth)

    async with TestServer(sio) as server:
        await server.connect(auth={"x": 1})
        assert seen == [Point(1)]
        with pytest.raises(
            ConnectionRefused, match="invalid auth: Expected `int`, got `str`"
        ) as refused:
            await server.connect(auth={"x": "a"})
        assert refused.value.data["path"] == "x" and refused.value.data["event"] == "connect"
        with pytest.raises(ConnectionRefused, match="invalid auth"):
            await server.connect()
    assert seen == [Point(1)]


async def test_exception_handler_hears_of_bad_arguments_without_an_ack_or_if_made_for_them() -> (
    None
):
    sio = fastsio.AsyncServer(typed=True)
    heard = []

    @sio.exception_handler
    async def any_error(exc, event, sid, *args):
        heard.append((type(exc).__name__, event, args))
        return "handled"

    @sio.exception_handler(InvalidArgumentError, namespace="/x")
    def bad_argument(exc, event, sid, *args):
        return {"bad": exc.name}

    @sio.event
    def say(sid, text: str): ...

    sio.on("say", say, namespace="/x")

    @sio.hub.namespace("/x").event("with ack", typed=True)
    def with_ack(socket, text: str, ack: Any) -> None: ...

    async with TestServer(sio) as server:
        client, there = await server.connect(), await server.connect("/x")
        assert "error" in await client.call("say", 1)
        assert heard == []
        await client.emit("say", 1)
        await client.nothing()
        assert heard == [("InvalidArgumentError", "say", (1,))]
        assert await there.call("say", 1) == {"bad": "text"}
        assert await there.call("with ack", 1) == {"bad": "text"}

"""How handlers are registered and called, and what their return values do."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from swap_scenario import App, scenario


@scenario()
class HandlersByEveryWayOfRegistering:
    """on() as a decorator and as a call, event() with and without arguments."""

    def serve(app: App) -> None:
        @app.sio.on("decorated", namespace=app.namespace)
        def decorated(sid: str, data: Any) -> str:
            return f"decorated {data}"

        def called(sid: str, data: Any) -> str:
            return f"called {data}"

        app.sio.on("called", called, app.namespace)
        app.log("decorator returns the function", decorated.__name__)

        @app.sio.event(namespace=app.namespace)
        async def named(sid: str, data: Any) -> str:
            return f"named {data}"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for event in ("decorated", "called", "named"):
            await client.ask(event, 1)


@scenario()
class LastHandlerWins:
    def serve(app: App) -> None:
        for number in (1, 2, 3):
            app.on("which")(lambda sid, number=number: number)

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("which")


class Holder:
    def __init__(self, app: App) -> None:
        self.app = app

    def bound(self, sid: str, data: Any) -> Any:
        return ["bound", data]

    async def bound_async(self, sid: str, data: Any) -> Any:
        return ["bound async", data]

    def __call__(self, sid: str, data: Any) -> Any:
        return ["callable", data]

    @staticmethod
    def static(sid: str, data: Any) -> Any:
        return ["static", data]

    @classmethod
    def of_class(cls, sid: str, data: Any) -> Any:
        return ["of class", cls.__name__, data]


@scenario()
class EveryKindOfCallable:
    """Functions, coroutines, methods, partials, callable objects, lambdas."""

    def serve(app: App) -> None:
        holder = Holder(app)
        app.on("bound")(holder.bound)
        app.on("bound_async")(holder.bound_async)
        app.on("object")(holder)
        app.on("static")(Holder.static)
        app.on("of_class")(Holder.of_class)
        app.on("lambda")(lambda sid, data: ["lambda", data])
        app.on("partial")(functools.partial(lambda mark, sid, data: [mark, data], "partial"))

        async def part(mark: str, sid: str, data: Any) -> Any:
            return [mark, data]

        app.on("partial_async")(functools.partial(part, "partial async"))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for event in ("bound", "bound_async", "object", "static", "of_class", "lambda", "partial",
                      "partial_async"):  # fmt: skip
            await client.ask(event, event)


@scenario()
class ArgumentsAsTheyWereSent:
    """Star arguments, defaults and keyword-only parameters with 0, 1 and 3 arguments."""

    def serve(app: App) -> None:
        @app.on("star")
        def star(sid: str, *args: Any) -> Any:
            app.log("star", args)
            return len(args)

        @app.on("defaults")
        async def defaults(sid: str, a: Any = "A", b: Any = "B", *, c: str = "C") -> Any:
            app.log("defaults", a, b, c)
            return [a, b, c]

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("star")
        await client.ask("star", None)
        await client.ask("star", 1, [2], {"three": 3})
        await client.ask("defaults")
        await client.ask("defaults", 1, 2)


@scenario()
class WrongNumberOfArguments:
    """A handler that cannot take what came fails by itself: no ack, and the client stays."""

    def serve(app: App) -> None:
        @app.on("two")
        def two(sid: str, a: Any, b: Any) -> str:
            app.log("two", a, b)
            return "two"

        @app.on("none")
        async def none(sid: str) -> str:
            app.log("none")
            return "none"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("two", 1)
        await client.ask_later("none", 1)
        await client.ask("two", 1, 2)
        await client.ask("none")


@scenario()
class EventWithoutHandlerIsNotAnswered:
    def serve(app: App) -> None:
        app.on("known")(lambda sid: "known")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("unknown", 1)
        await client.emit("unknown", 1)
        await client.ask("known")


@scenario()
class HandlerThatRaisesIsNotAnswered:
    """The exception ends nothing but its handler."""

    def serve(app: App) -> None:
        @app.on("plain")
        def plain(sid: str) -> None:
            app.log("plain")
            raise RuntimeError("as the scenario wants it")

        @app.on("waits")
        async def waits(sid: str) -> None:
            await asyncio.sleep(0)
            app.log("waits")
            raise KeyError("as the scenario wants it")

        @app.on("refuses")
        async def refuses(sid: str) -> None:
            app.log("refuses")
            raise app.socketio.exceptions.ConnectionRefusedError("too late")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for event in ("plain", "waits", "refuses"):
            await client.ask_later(event)
            await stage.saw(event)


@scenario()
class EveryShapeOfAck:
    """What a handler returns and what the client's callback is given."""

    def serve(app: App) -> None:
        values = {
            "none": None, "one": 1, "zero": 0, "no": False, "text": "", "tuple": (1, "two", [3]),
            "tuple of one": (1,), "empty tuple": (), "list": [1, 2], "empty list": [],
            "dict": {"a": {"b": None}}, "bytes": b"\x00\xff", "nested bytes": {"b": [b"1", b"2"]},
            "tuple with bytes": (b"1", "x", b"2"), "float": 1.5, "big": 2**53, "unicode": "ü 😀 \u2028",
        }  # fmt: skip
        app.on("plain")(lambda sid, name: values[name])

        @app.on("waits")
        async def waits(sid: str, name: str) -> Any:
            await asyncio.sleep(0)
            return values[name]

        app.on("names")(lambda sid: list(values))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        [names] = await client.ask("names")
        for name in names:
            await client.ask("plain", name)
            await client.ask("waits", name)


@scenario()
class OddNamesOfEvents:
    def serve(app: App) -> None:
        for name in ("", " ", "a b", "ünï 😀", "message", "0", "on_x", "a/b,c", '"quoted"', "\\"):
            app.on(name)(lambda sid, data, name=name: [name, data])

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for name in ("", " ", "a b", "ünï 😀", "message", "0", "on_x", "a/b,c", '"quoted"', "\\"):
            await client.ask(name, "x")


@scenario()
class ManyEventsStartInTheirOrder:
    """Handlers start in the order in which events came, whatever they do then."""

    def serve(app: App) -> None:
        @app.on("plain")
        def plain(sid: str, number: int) -> int:
            app.log("plain", number)
            return number

        @app.on("waits")
        async def waits(sid: str, number: int) -> int:
            app.log("starts", number)
            await asyncio.sleep(0)
            return number

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for number in range(50):
            await client.emit("plain", number)
        for number in range(50):
            await client.emit("waits", number)
        await stage.saw("starts", 49)


@scenario()
class SlowHandlersRunSideBySide:
    """async_handlers is True: an event does not wait for the one before it."""

    def serve(app: App) -> None:
        gates: dict[str, asyncio.Event] = {}

        @app.on("waits")
        async def waits(sid: str) -> str:
            app.log("waits")
            await gates.setdefault(sid, asyncio.Event()).wait()
            app.log("goes on")
            return "waited"

        @app.on("open")
        async def open_gate(sid: str) -> str:
            app.log("open")
            gates.setdefault(sid, asyncio.Event()).set()
            return "opened"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("waits")
        await client.ask("open")
        await stage.saw("goes on")


@scenario(server="ordered")
class OneAfterTheOther:
    """async_handlers=False: an event waits until the handler of the one before has ended."""

    def serve(app: App) -> None:
        @app.on("slow")
        async def slow(sid: str, number: int) -> int:
            app.log("starts", number)
            for _ in range(5):
                await asyncio.sleep(0)
            app.log("ends", number)
            return number

        @app.on("fast")
        def fast(sid: str, number: int) -> int:
            app.log("fast", number)
            return number

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for number in range(5):
            await client.ask_later("slow", number)
            await client.ask_later("fast", number)
        await client.ask("fast", "last")


@scenario(server="ordered")
class OneAfterTheOtherSurvivesAFailure:
    def serve(app: App) -> None:
        @app.on("fails")
        async def fails(sid: str) -> None:
            await asyncio.sleep(0)
            app.log("fails")
            raise RuntimeError("as the scenario wants it")

        @app.on("next")
        async def next_one(sid: str) -> str:
            app.log("next")
            return "next"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.emit("fails")
        await client.ask("next")


@scenario(server="ordered")
class CallIsRefusedWhenOrdered:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> Any:
            error = await app.outcome(lambda: app.sio.call("x", to=sid, namespace=app.namespace))
            app.log(error)
            return str(error)

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class HandlersMayBeAddedLater:
    """While clients are connected, and from within a handler."""

    def serve(app: App) -> None:
        @app.on("add")
        def add(sid: str) -> str:
            app.on("added")(lambda sid: "added")
            return "done"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("added")
        await client.ask("add")
        await client.ask("added")


@scenario()
class BackgroundTasks:
    """start_background_task() and sleep(), from a handler, with arguments and a result."""

    def serve(app: App) -> None:
        async def work(sid: str, *, times: int) -> str:
            for number in range(times):
                await app.sio.sleep(0)
                await app.sio.emit("tick", number, to=sid, namespace=app.namespace)
            return "worked"

        @app.on("start")
        async def start(sid: str) -> Any:
            task = app.sio.start_background_task(work, sid, times=3)
            return [isinstance(task, asyncio.Task), await task]

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("start")
        await client.got("tick", 3)

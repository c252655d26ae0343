"""What the server sends: every shape of data, callbacks, calls, order and size."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
from typing import Any

from swap_scenario import App, scenario

SHAPES: dict[str, Any] = {
    "none": None, "text": "text", "empty text": "", "int": 1, "negative": -7, "float": 1.25, "true": True,
    "false": False, "list": [1, "two", None], "empty list": [], "dict": {"a": {"b": [1]}}, "empty dict": {},
    "tuple": (1, "two", {"three": 3}), "tuple of one": ("one",), "empty tuple": (), "nested tuple": {"t": (1, 2)},
    "list of tuples": [(1, 2)], "tuple of none": (None, None), "unicode": "ü 😀 \u2028 \x00 \"\\", "key": {"ü": 1},
    "2**53": 2**53, "-(2**53)": -(2**53), "small": 1e-7, "large": 1e21, "bool keys": {"true": True},
    "number keys": {1: "one", 2: "two"}, "mixed": [1, "1", 1.5, None, True],
}  # fmt: skip
BINARY: dict[str, Any] = {
    "bytes": b"\x00\x01\xff", "empty bytes": b"", "in a list": [b"1", "x", b"2"], "in a dict": {"b": b"1"},
    "deep": {"a": [{"b": [b"1", [b"2"]]}]}, "tuple": (b"1", b"2"), "tuple with text": ("x", b"1", None),
    "same twice": [b"same", b"same"], "long": bytes(range(256)) * 300,
}  # fmt: skip


def sender(app: App, values: dict[str, Any]) -> None:
    """Event "go": emit each of the values to the client, under its name."""

    @app.on("go")
    async def go(sid: str) -> str:
        for name, value in values.items():
            await app.sio.emit(name, value, to=sid, namespace=app.namespace)
        return "done"


@scenario()
class EveryShapeOfEmit:
    def serve(app: App) -> None:
        sender(app, SHAPES)

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class EveryShapeOfBinaryEmit:
    def serve(app: App) -> None:
        sender(app, BINARY)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("go")
        await client.got("long")


@scenario()
class BytesInATupleWithin:
    """Bytes in a tuple that is itself in a list or dict."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            emit = app.sio.emit("deep", {"a": (b"1",)}, to=sid, namespace=app.namespace)
            app.log(type(await app.outcome(emit)).__name__)
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(clients=("js",))
class BinaryOverPolling:
    def serve(app: App) -> None:
        sender(app, BINARY)
        app.on("echo")(lambda sid, *args: args)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling"])
        await client.ask("go")
        await client.got("long")
        await client.ask("echo", b"1", {"deep": [b"2"]}, bytes(range(256)) * 30)


@scenario()
class BroadcastOfBinary:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            await app.sio.emit("all", {"b": [b"1", b"2"]}, namespace=app.namespace)
            await app.sio.emit("text", "after", namespace=app.namespace)
            return "done"

    async def play(stage: Any) -> None:
        # With clients on both transports python-socketio breaks the polling ones (see the docs).
        a, b = await stage.connect("a"), await stage.connect("b")
        await a.ask("go")
        await b.got("text")


@scenario()
class EveryShapeReceived:
    """What a handler is given of what a client sent."""

    def serve(app: App) -> None:
        @app.on("value")
        def value(sid: str, *args: Any) -> Any:
            app.log("value", args)
            return args

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for value in (
            None, "", "ü 😀 \u2028", 0, -1, 1.5, True, [], {}, [1, [2, [3]]], {"a": {"b": None}},
            b"\x00\xff", b"", {"b": [b"1", {"c": b"2"}]}, "x" * 1000, {"_placeholder": True, "num": 0},
            2**53 - 1, "1", '{"json": 1}', "__proto__",
        ):  # fmt: skip
            await client.ask("value", value)
        await client.ask("value", 1, b"2", "three", None)


@scenario()
class WhatCannotBeSent:
    """emit() raises to its caller, and nothing is sent."""

    def serve(app: App) -> None:
        values = {
            "object": object(), "set": {1}, "in a list": [object()],
            "decimal": decimal.Decimal(1), "in a tuple": (1, object()),
        }  # fmt: skip

        @app.on("go")
        async def go(sid: str) -> str:
            for name, value in values.items():
                emit = app.sio.emit(name, value, to=sid, namespace=app.namespace)
                app.log(name, type(await app.outcome(emit)).__name__)
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class DatesAndTheLike:
    """What the standard library's JSON refuses and orjson writes."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            emit = app.sio.emit("d", dt.date(2020, 1, 1), to=sid, namespace=app.namespace)
            app.log(type(await app.outcome(emit)).__name__)
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class AckThatCannotBeSent:
    def serve(app: App) -> None:
        app.on("bad")(lambda sid: object())
        app.on("good")(lambda sid: "good")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("bad")
        await client.ask("good")


@scenario(clients=("js",))
class NotANumber:
    """NaN and infinity, which JSON does not have."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> None:
            await app.sio.emit("odd", [float("nan"), float("inf")], to=sid, namespace=app.namespace)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.emit("go")
        await client.log.until(lambda: len(client.log) > 1, "event or end")


@scenario()
class SendAndMessage:
    """send() is emit("message"); a client's message event has the same name."""

    def serve(app: App) -> None:
        @app.on("message")
        async def message(sid: str, data: Any) -> str:
            await app.sio.send({"got": data}, to=sid, namespace=app.namespace)
            await app.sio.send(("two", "values"), room=sid, namespace=app.namespace)
            await app.sio.send(None, skip_sid="nobody", namespace=app.namespace)
            return "received"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("message", "hello")


@scenario()
class DataByKeyword:
    """emit() and send() with every argument by its name, and by position."""

    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("go")
        async def go(sid: str) -> str:
            await sio.emit(event="names", data=1, to=sid, room=None, skip_sid=None,
                           namespace=namespace, callback=None, ignore_queue=True)  # fmt: skip
            await sio.emit("places", 2, sid, None, None, namespace)
            await sio.emit("room", 3, None, sid, None, namespace)
            await sio.send(data=4, to=sid, room=None, skip_sid=None, namespace=namespace,
                           callback=None, ignore_queue=False)  # fmt: skip
            return str(await sio.emit("returns", to=sid, namespace=namespace))

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class ManyPacketsInOrder:
    """300 emits to one client and to all, over both transports."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            for number in range(150):
                await app.sio.emit("own", number, to=sid, namespace=app.namespace)
                await app.sio.emit("all", number, namespace=app.namespace)
            return "done"

    async def play(stage: Any) -> None:
        # python-socketio's client does not take more than 16 packets from one poll.
        transports = ["polling" if stage.kind == "js" else "websocket"]
        a, b = await stage.connect("a"), await stage.connect("b", transports=transports)
        await a.ask("go")
        await b.got("all", 150)


@scenario()
class BigPayloads:
    """Hundreds of kilobytes of text and of bytes, both ways and over both transports."""

    def serve(app: App) -> None:
        @app.on("echo")
        def echo(sid: str, data: Any) -> Any:
            app.log("echo", len(data))
            return data

    async def play(stage: Any) -> None:
        for name, transports in (("a", ["websocket"]), ("b", ["polling"])):
            client = await stage.connect(name, transports=transports)
            await client.ask("echo", "ü" * 100_000)
            await client.ask("echo", bytes(range(256)) * 2000)


@scenario()
class ManyEventsInOnePost:
    """A burst over polling: python-socketio takes at most 16 packets in a request."""

    def serve(app: App) -> None:
        @app.on("tick")
        def tick(sid: str, number: int) -> None:
            app.log("tick", number)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling"])
        await client.burst("tick", 10)
        await stage.saw("tick", 9)


@scenario(clients=("raw-http",), is_synchronized=False)
class MoreThan16PacketsInOnePost:
    def serve(app: App) -> None:
        @app.on("tick")
        def tick(sid: str, number: int) -> None:
            app.log("tick", number)

        app.on("end")(lambda sid: app.log("end"))

    async def play(stage: Any) -> None:
        _, _, body = await stage.request("GET", "/socket.io/?EIO=4&transport=polling")
        sid = body.decode().partition('"sid":"')[2].partition('"')[0]
        path, namespace = f"/socket.io/?EIO=4&transport=polling&sid={sid}", stage.namespace

        async def post(*packets: str) -> None:
            status, _, answer = await stage.request("POST", path, body="\x1e".join(packets))
            stage.say("post", status, answer.decode().lower())

        await post(f"40{namespace},")
        await stage.request("GET", path)
        await post(*(f'42{namespace},["tick",{number}]' for number in range(20)))
        await post(f'42{namespace},["end"]')
        await stage.saw("end")
        await post("1")


@scenario(server="small", clients=("raw",), is_synchronized=False)
class MessageThatIsTooLarge:
    """Over max_http_buffer_size the connection ends, and the handler does not see the event."""

    def serve(app: App) -> None:
        app.on("data")(lambda sid, data: app.log("data", len(data)))
        app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},")
        await client.packets(1)
        await client.send(f'42{stage.namespace},["data","{"x" * 900}"]')
        await stage.saw("data")
        await client.send(f'42{stage.namespace},["data","{"x" * 1200}"]')
        await client.closed()
        await stage.saw("disconnect")


@scenario()
class EmitFromElsewhere:
    """From another task, to another namespace, and to a client of another handler."""

    def serve(app: App) -> None:
        other = app.namespace + "/other"
        app.sio.on("x", lambda sid: None, namespace=other)
        app.barrier("/other")

        async def later(sid: str) -> None:
            await app.sio.emit("from a task", to=sid, namespace=app.namespace)
            await app.sio.emit("other namespace", namespace=other)

        @app.on("go")
        async def go(sid: str) -> str:
            await asyncio.create_task(later(sid))
            return "done"

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        b = await stage.connect("b", stage.namespace + "/other")
        await a.ask("go")
        await b.got("other namespace")


@scenario(server="root")
class TheDefaultNamespace:
    """ "/" is what is meant where no namespace is given."""

    def serve(app: App) -> None:
        sio = app.sio
        if "root go" in getattr(sio, "handlers", {}).get("/", {}):
            return

        @sio.on("root go")
        async def go(sid: str) -> Any:
            await sio.emit("to", 1, to=sid)
            await sio.enter_room(sid, "room")
            await sio.emit("room", 2, room="room")
            await sio.send(3, to=sid)
            await sio.save_session(sid, {"a": 1})
            async with sio.session(sid) as session:
                session["b"] = 2
            await sio.leave_room(sid, "room")
            await sio.close_room("room")
            return [await sio.get_session(sid), sio.rooms(sid) == [sid], sio.transport(sid),
                    sio.get_environ(sid)["REQUEST_METHOD"]]  # fmt: skip

        @sio.event
        async def bye(sid: str) -> None:
            await sio.disconnect(sid)

        app.on("ready")(lambda sid: None)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", "/")
        await client.ask("root go")
        await client.disconnect()

"""json= and serializer="msgpack", the latter with clients that have it too."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario
from swap_scenarios.sending import BINARY, SHAPES, sender


@scenario(server="json")
class JsonModule:
    """json=: a module with dumps and loads, here the standard library's."""

    def serve(app: App) -> None:
        app.on("echo")(lambda sid, *args: args)
        sender(app, SHAPES | BINARY)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"ü": 1})
        await client.ask("echo", 1, "ü 😀", {"a": [b"1", None]}, 1.5)
        await client.ask("go")
        await client.got("long")


@scenario(server="msgpack", clients=("py",))
class MsgPack:
    """serializer="msgpack" with a client that has it too."""

    def serve(app: App) -> None:
        @app.on("echo")
        def echo(sid: str, *args: Any) -> Any:
            app.log("echo", args)
            return args

        # Its own client refuses a map whose keys are numbers.
        sender(app, {k: v for k, v in (SHAPES | BINARY).items() if k != "number keys"})

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"a": 1})
        await client.ask("echo", 1, "two", [3, {"four": b"4"}], None, 2**60, -1.5, True)
        await client.ask("echo")
        await client.ask("echo", b"\x00" * 70000, "x" * 70000)
        await client.ask("go")


@scenario(server="msgpack", clients=("py",), is_synchronized=False)
class MsgPackRefusal:
    def serve(app: App) -> None:
        @app.on("connect")
        def connect(sid: str, environ: Any, auth: Any) -> None:
            raise app.socketio.exceptions.ConnectionRefusedError("no", {"code": b"1"})

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(server="msgpack", clients=("py",))
class MsgPackCallsAndRooms:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> Any:
            await app.sio.enter_room(sid, "room", namespace=app.namespace)
            await app.sio.emit("room", {"b": b"1"}, room="room", namespace=app.namespace)
            return await app.sio.call("ask", b"2", to=sid, namespace=app.namespace)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("ask", {"answer": b"3"}, 4)
        await client.ask("go")

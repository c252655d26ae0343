"""What the server asks of clients: callbacks, and call()."""

from __future__ import annotations

import asyncio
from typing import Any

from swap_scenario import App, scenario


@scenario()
class Callbacks:
    """Plain and coroutine callbacks, with what the client answered."""

    def serve(app: App) -> None:
        def plain(*args: Any) -> None:
            app.log("plain", args)

        async def waits(*args: Any) -> None:
            await asyncio.sleep(0)
            app.log("waits", args)

        @app.on("go")
        async def go(sid: str) -> str:
            for event in ("none", "one", "three", "bytes"):
                await app.sio.emit(event, event, to=sid, namespace=app.namespace, callback=plain)
            await app.sio.send("message", to=sid, namespace=app.namespace, callback=plain)
            return "done"

        @app.on("go on")
        async def go_on(sid: str, event: str) -> None:
            await app.sio.emit(event, to=sid, namespace=app.namespace, callback=waits)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("none")
        await client.answers("one", 1)
        await client.answers("three", 1, "two", [3])
        await client.answers("bytes", b"1", {"b": b"2"})
        await client.answers("message", "read")
        await client.ask("go")
        await stage.saw("plain", count=5)
        for count, event in enumerate(("none", "one", "three", "bytes"), 1):
            await client.emit("go on", event)
            await stage.saw("waits", count=count)


@scenario()
class CallbackOfABroadcast:
    """Without an address the callback is called for each client."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> Any:
            emit = app.sio.emit(
                "all", namespace=app.namespace, callback=lambda *args: app.log("callback", args)
            )
            return str(await app.outcome(emit))

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        for client in (a, b):
            await client.answers("all", "same")
        await a.ask("go")
        await stage.saw("callback", count=2)


@scenario()
class CallbackThatRaises:
    """The client stays, and so does the server."""

    def serve(app: App) -> None:
        def callback(*args: Any) -> None:
            app.log("callback", args)
            raise RuntimeError("as the scenario wants it")

        @app.on("go")
        async def go(sid: str) -> None:
            await app.sio.emit("one", to=sid, namespace=app.namespace, callback=callback)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("one", 1)
        await client.emit("go")
        await stage.saw("callback")


@scenario()
class CallReturnsTheAnswer:
    """None, one value, or a tuple of several; the client by `to` or `sid`."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            for event in ("none", "one", "list", "three", "bytes"):
                app.log(event, await app.sio.call(event, to=sid, namespace=app.namespace))
            app.log(await app.sio.call("one", (1, 2), sid=sid, namespace=app.namespace, timeout=5))
            app.log(await app.sio.call("one", data=None, to=sid, namespace=app.namespace,
                                       ignore_queue=True))  # fmt: skip
            return "done"

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("none")
        await client.answers("one", 1)
        await client.answers("list", [1, 2])
        await client.answers("three", 1, "two", [3])
        await client.answers("bytes", b"\x00")
        await client.ask("go")


@scenario(clients=("js",))
class CallTimesOut:
    """TimeoutError of socketio.exceptions after `timeout` seconds; a late answer is ignored."""

    def serve(app: App) -> None:
        errors = app.socketio.exceptions

        @app.on("go")
        async def go(sid: str) -> Any:
            error = await app.outcome(
                app.sio.call("silent", to=sid, namespace=app.namespace, timeout=0.01)
            )
            return [isinstance(error, errors.TimeoutError), isinstance(error, errors.SocketIOError)]

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("go")


@scenario()
class CallToAClientThatGoes:
    """An error that is the TimeoutError which applications catch, in either library."""

    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> None:
            error = await app.outcome(
                app.sio.call("silent", to=sid, namespace=app.namespace, timeout=0.2)
            )
            app.log("call", isinstance(error, app.socketio.exceptions.TimeoutError))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.emit("go")
        await client.got("silent")
        await client.drop()
        await client.gone()
        await stage.saw("call")


@scenario()
class CallToNobody:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            app.log(await app.outcome(app.sio.call("x", namespace=app.namespace)))
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(clients=("js",))
class CallToAnUnknownClient:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            call = app.sio.call("x", to="nobody", namespace=app.namespace, timeout=0.01)
            error = await app.outcome(call)
            app.log(isinstance(error, app.socketio.exceptions.TimeoutError))
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")

"""Disconnects: who hears of them, with which reason, and what may still be done."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario


def watched(app: App) -> None:
    """A disconnect handler that logs the reason, and an echo."""
    app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))
    app.on("echo")(lambda sid, data: data)


@scenario()
class ClientDisconnects:
    def serve(app: App) -> None:
        watched(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.disconnect()
        await stage.saw("disconnect")
        await client.gone()


@scenario()
class ClientIsCutOff:
    """A connection that ends without a word."""

    def serve(app: App) -> None:
        watched(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("echo", 1)
        await client.drop()
        await stage.saw("disconnect")
        await client.gone()


@scenario(clients=("js",))
class ClientClosesItsConnection:
    """Engine.IO's close, without a packet of Socket.IO."""

    def serve(app: App) -> None:
        watched(app)

    async def play(stage: Any) -> None:
        for name, transports in (("a", ["websocket"]), ("b", ["polling"])):
            client = await stage.connect(name, transports=transports)
            await client.ask("echo", 1)
            await client.close_engine()
            await client.gone()
        await stage.saw("disconnect", count=2)


@scenario()
class PollingClientDisconnects:
    def serve(app: App) -> None:
        watched(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling"])
        await client.ask("echo", 1)
        await client.disconnect()
        await stage.saw("disconnect")


@scenario()
class ServerDisconnects:
    """The handler has run when disconnect() returns; later emits go nowhere."""

    def serve(app: App) -> None:
        watched(app)

        @app.on("go")
        async def go(sid: str) -> None:
            await app.sio.emit("before", to=sid, namespace=app.namespace)
            await app.sio.disconnect(sid, namespace=app.namespace)
            app.log("disconnected", app.sio.manager.is_connected(sid, app.namespace))
            await app.sio.emit("after", to=sid, namespace=app.namespace)
            await app.sio.disconnect(sid, namespace=app.namespace, ignore_queue=True)
            app.log("rooms", app.sio.rooms(sid, namespace=app.namespace))
            app.log("session", type(await app.outcome(
                app.sio.get_session(sid, namespace=app.namespace))).__name__)  # fmt: skip
            app.log("end")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.emit("go")
        await client.gone()
        await stage.saw("end")


@scenario()
class DisconnectOfNobody:
    def serve(app: App) -> None:
        @app.on("go")
        async def go(sid: str) -> str:
            app.log(await app.outcome(app.sio.disconnect("nobody", namespace=app.namespace)))
            app.log(await app.outcome(app.sio.disconnect(sid, namespace="/nowhere")))
            app.log(await app.outcome(app.sio.disconnect("nobody")))
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class DisconnectOfAnother:
    def serve(app: App) -> None:
        watched(app)

        @app.on("kick")
        async def kick(sid: str, other: str) -> str:
            await app.sio.disconnect(other, namespace=app.namespace)
            return "kicked"

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        await a.ask("kick", b.log[0][1])
        await b.gone()


@scenario()
class DisconnectHandlerArities:
    """(sid) and (sid, reason), plain and coroutine, and star arguments."""

    def serve(app: App) -> None:
        async def one(sid: str) -> None:
            app.log("disconnect one")

        async def star(*args: Any) -> None:
            app.log("disconnect star", len(args), args[1:])

        def default(sid: str, reason: Any = "default") -> None:
            app.log("disconnect default", reason)

        handlers = {"/plain": lambda sid: app.log("disconnect plain"), "/one": one, "/star": star,
                    "/default": default}  # fmt: skip
        for below, handler in handlers.items():
            app.sio.on("disconnect", handler, namespace=app.namespace + below)

    async def play(stage: Any) -> None:
        for name in ("plain", "one", "star", "default"):
            client = await stage.connect(name, f"{stage.namespace}/{name}")
            await client.disconnect()
            await stage.saw(f"disconnect {name}")


@scenario()
class EmitInTheDisconnectHandler:
    """The others hear that it has gone."""

    def serve(app: App) -> None:
        @app.on("disconnect")
        async def disconnect(sid: str, reason: str) -> None:
            await app.sio.emit("left", reason, namespace=app.namespace, skip_sid=sid)
            await app.sio.emit("left", "all", namespace=app.namespace)
            app.log("disconnect")

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        await b.disconnect()
        await a.got("left", 2)


@scenario()
class DisconnectHandlerThatRaises:
    """The client is gone all the same."""

    def serve(app: App) -> None:
        @app.on("disconnect")
        async def disconnect(sid: str, reason: str) -> None:
            app.log("disconnect", reason)
            raise RuntimeError("as the scenario wants it")

        @app.on("count")
        def count(sid: str) -> int:
            return len(list(app.sio.manager.get_participants(app.namespace, None)))

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        await b.disconnect()
        await stage.saw("disconnect")
        await a.ask("count")


@scenario(clients=("js",))
class OneNamespaceOfTwo:
    """Leaving one keeps the other; the end of the connection is the end of both."""

    def serve(app: App) -> None:
        watched(app)
        other = app.namespace + "/other"
        app.sio.on("disconnect", lambda sid, reason: app.log("disconnect other", reason), other)
        app.sio.on("echo", lambda sid, data: data, namespace=other)
        app.barrier("/other")

        @app.on("kick")
        async def kick(sid: str, theirs: str) -> str:
            await app.sio.disconnect(theirs, namespace=other)
            return "kicked"

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        b = await stage.connect("b", stage.namespace + "/other", beside=a)
        await a.ask("kick", b.log[0][1])
        await b.gone()
        await a.ask("echo", 1)
        c = await stage.connect("c", stage.namespace + "/other", beside=None)
        await c.drop()
        await stage.saw("disconnect other", count=2)


@scenario(clients=("raw",), is_synchronized=False)
class DisconnectOfEveryNamespaceOfAConnection:
    def serve(app: App) -> None:
        watched(app)
        other = app.namespace + "/other"
        app.sio.on("disconnect", lambda sid, reason: app.log("other disconnect", reason), other)

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},", f"40{stage.namespace}/other,")
        await client.packets(2)
        await client.end()
        await stage.saw("disconnect")
        await stage.saw("other disconnect")


@scenario(clients=("raw",), is_synchronized=False)
class EventsOfAClientThatIsNotConnected:
    """Before its connect, and after its disconnect: no handler runs."""

    def serve(app: App) -> None:
        watched(app)
        app.on("tick")(lambda sid, number: app.log("tick", number))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},", f'42{stage.namespace},["tick",1]')
        await stage.saw("tick", 1)
        await client.send(f"41{stage.namespace},", f'42{stage.namespace},["tick",2]')
        await client.send(f"40{stage.namespace},", f'42{stage.namespace},["tick",3]')
        if await client.packets_or_end(2):
            await stage.saw("tick", 3)


@scenario(server="pings", clients=("raw-http",), is_synchronized=False)
class ClientThatDoesNotPong:
    """A polling client that is heard of no more: the reason is "ping timeout"."""

    def serve(app: App) -> None:
        watched(app)

    async def play(stage: Any) -> None:
        path = "/socket.io/?EIO=4&transport=polling"
        _, _, body = await stage.request("GET", path)
        sid = body.decode().partition('"sid":"')[2].partition('"')[0]
        await stage.request("POST", f"{path}&sid={sid}", body=f"40{stage.namespace},")
        await stage.request("GET", f"{path}&sid={sid}")
        await stage.saw("disconnect")


@scenario(server="root", clients=("js", "py"))
class ServerDisconnectsInTheDefaultNamespace:
    def serve(app: App) -> None:
        app.on("ready")(lambda sid: None)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", "/")
        await client.emit("bye")
        await client.gone()

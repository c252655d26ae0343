"""Connect handlers: what they get, how they refuse, and what may be done in them."""

from __future__ import annotations

import asyncio
from typing import Any

from swap_scenario import App, scenario


def refusing(app: App, decide: Any) -> None:
    """A connect handler that does what `decide` does, and a disconnect handler that must not run."""

    @app.on("connect")
    async def connect(sid: str, environ: Any, auth: Any) -> Any:
        app.log("connect", auth)
        return decide()

    app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))


def raising(app: App, *args: Any) -> Any:
    def decide() -> None:
        raise app.socketio.exceptions.ConnectionRefusedError(*args)

    return decide


@scenario()
class ConnectWithoutHandler:
    def serve(app: App) -> None:
        app.on("echo")(lambda sid, data: data)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"a": 1})
        await client.ask("echo", 1)


@scenario()
class ConnectHandlerWithAuth:
    """(sid, environ, auth): the auth that came, None without one."""

    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            app.log("connect", isinstance(environ, dict), auth)

    async def play(stage: Any) -> None:
        await stage.connect("a")
        await stage.connect("b", auth={"token": "ü", "n": [1, None]})
        await stage.connect("c", auth={})


@scenario()
class LegacyConnectHandler:
    """(sid, environ), as it was before auth existed, of a client that sends none."""

    def serve(app: App) -> None:
        @app.on("connect")
        def connect(sid: str, environ: Any) -> None:
            app.log("connect", isinstance(environ, dict))

    async def play(stage: Any) -> None:
        await stage.connect("a")


@scenario()
class ConnectHandlerWithDefaultsAndStars:
    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any = "default") -> None:
            app.log("default", auth)

        @app.sio.on("connect", namespace=app.namespace + "/stars")
        async def stars(sid: str, *args: Any) -> None:
            app.log("stars", len(args), args[1:])

        app.barrier("/stars")

    async def play(stage: Any) -> None:
        await stage.connect("a")
        await stage.connect("b", auth={"t": 1})
        await stage.open("c", stage.namespace + "/stars", auth={"t": 2})
        await stage.saw("stars")


@scenario()
class ConnectHandlerAcceptsWithAnyValue:
    """Only False refuses."""

    def serve(app: App) -> None:
        values = {"none": None, "true": True, "zero": 0, "text": "", "list": []}
        app.on("connect")(lambda sid, environ, auth: values[auth["value"]])

    async def play(stage: Any) -> None:
        for value in ("none", "true", "zero", "text", "list"):
            await stage.connect(value, auth={"value": value})


@scenario(is_synchronized=False)
class ConnectHandlerReturnsFalse:
    def serve(app: App) -> None:
        refusing(app, lambda: False)

    async def play(stage: Any) -> None:
        await stage.refused("a", auth={"a": 1})


@scenario(is_synchronized=False)
class RefusedWithoutWords:
    def serve(app: App) -> None:
        refusing(app, raising(app))

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(is_synchronized=False)
class RefusedWithAMessage:
    def serve(app: App) -> None:
        refusing(app, raising(app, "not you"))

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(is_synchronized=False)
class RefusedWithANumber:
    """The message is made a text."""

    def serve(app: App) -> None:
        refusing(app, raising(app, 42))

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(is_synchronized=False)
class RefusedWithAMessageAndData:
    def serve(app: App) -> None:
        refusing(app, raising(app, "not you", {"code": 7}))

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(is_synchronized=False)
class RefusedWithAMessageAndMore:
    def serve(app: App) -> None:
        refusing(app, raising(app, "not you", 1, ["two"]))

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario(is_synchronized=False)
class RefusedByPythonsOwnError:
    """The builtin ConnectionRefusedError."""

    def serve(app: App) -> None:
        def decide() -> None:
            raise ConnectionRefusedError("as the scenario wants it")

        refusing(app, decide)

    async def play(stage: Any) -> None:
        await stage.refused("a")


@scenario()
class RefusedClientsLeaveNothing:
    """No room, no session, no disconnect handler; the next client is let in."""

    def serve(app: App) -> None:
        seen: list[str] = []

        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> Any:
            seen.append(sid)
            await app.sio.enter_room(sid, "room", namespace=app.namespace)
            return auth["welcome"]

        app.on("disconnect")(lambda sid, reason: app.log("disconnect", sid, reason))

        @app.on("look")
        async def look(sid: str) -> Any:
            manager = app.sio.manager
            return [
                app.sio.rooms(seen[0], app.namespace),
                manager.is_connected(seen[0], app.namespace),
                len(list(manager.get_participants(app.namespace, "room"))),
                len(list(manager.get_participants(app.namespace, None))),
            ]

    async def play(stage: Any) -> None:
        await stage.refused("a", auth={"welcome": False})
        client = await stage.connect("b", auth={"welcome": True})
        await client.ask("look")


@scenario(server="plain", clients=("js",), is_synchronized=False)
class UnknownNamespace:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await stage.refused("a", "/nobody-has-this")


@scenario(clients=("py",), is_synchronized=False)
class UnknownNamespaceWithPython:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await stage.refused("a", "/nobody-has-this")


@scenario(server="listed", is_synchronized=False)
class ListedNamespaces:
    """namespaces=[...] lets clients into namespaces without handlers."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        for name, namespace in (("a", "/"), ("b", "/listed")):
            client = await stage.open(name, namespace)
            stage.say(namespace, await client.settled())


@scenario(server="every", is_synchronized=False)
class EveryNamespaceIsLetIn:
    """namespaces='*'."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        client = await stage.open("a", "/whatever-it-is")
        stage.say(await client.settled())


@scenario()
class EmitInTheConnectHandler:
    """To the client itself and to the others; both get it."""

    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            await app.sio.emit("welcome", sid, to=sid, namespace=app.namespace)
            await app.sio.emit("came", sid, skip_sid=sid, namespace=app.namespace)
            await app.sio.emit("everybody", sid, namespace=app.namespace)

    async def play(stage: Any) -> None:
        first = await stage.connect("a")
        await first.got("everybody")
        second = await stage.connect("b")
        await second.got("welcome")
        await first.got("everybody", 2)


@scenario()
class EmitToARoomInTheConnectHandler:
    """A room that the client has just entered, and one that others are in."""

    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            await app.sio.emit("before", to="room", namespace=app.namespace)
            await app.sio.enter_room(sid, "room", namespace=app.namespace)
            await app.sio.emit("came", {"b": b"1"}, to="room", namespace=app.namespace)
            await app.sio.emit("others", to=["room", "x"], skip_sid=[sid], namespace=app.namespace)
            await app.sio.leave_room(sid, "room", namespace=app.namespace)
            await app.sio.emit("after", to="room", namespace=app.namespace)
            await app.sio.enter_room(sid, "room", namespace=app.namespace)

    async def play(stage: Any) -> None:
        first = await stage.connect("a")
        second = await stage.connect("b")
        await second.got("came")
        await first.got("after")


@scenario(clients=("js",))
class BackgroundTaskFromTheConnectHandler:
    """It may call the client once it is connected."""

    def serve(app: App) -> None:
        ready = asyncio.Event()

        async def ask(sid: str) -> None:
            await ready.wait()
            app.log("connected", app.sio.manager.is_connected(sid, app.namespace))
            app.log("answer", await app.sio.call("ask", to=sid, namespace=app.namespace))

        @app.on("ready")
        def is_ready(sid: str) -> None:
            ready.set()

        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            app.sio.start_background_task(ask, sid)

    async def play(stage: Any) -> None:
        client = await stage.open("a")
        await client.answers("ask", "!")
        await client.emit("ready")
        await stage.saw("answer")


@scenario()
class RoomsAndSessionInTheConnectHandler:
    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            await app.sio.enter_room(sid, "room", namespace=app.namespace)
            await app.sio.save_session(sid, {"who": auth["who"]}, namespace=app.namespace)
            rooms = app.sio.rooms(sid, namespace=app.namespace)
            app.log("connect", len(rooms), "room" in rooms, sid in rooms)
            app.log("environ", app.sio.get_environ(sid, app.namespace) is environ)
            app.log("connected", app.sio.manager.is_connected(sid, app.namespace))

        @app.on("who")
        async def who(sid: str) -> Any:
            session = await app.sio.get_session(sid, namespace=app.namespace)
            return [session["who"], len(app.sio.rooms(sid, app.namespace))]

        @app.on("tell")
        async def tell(sid: str) -> str:
            await app.sio.emit("told", to="room", namespace=app.namespace)
            return "done"

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"who": "me"})
        await client.ask("who")
        await client.ask("tell")


@scenario()
class DisconnectInTheConnectHandler:
    """It is not connected yet: nothing happens, and the client is let in."""

    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            app.log(await app.outcome(app.sio.disconnect(sid, namespace=app.namespace)))

        app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))
        app.on("echo")(lambda sid, data: data)

    async def play(stage: Any) -> None:
        client = await stage.open("a")
        if await client.settled() == "connect":
            await client.ask("echo", 1)


@scenario(server="always")
class AlwaysConnectAccepts:
    """The client is connected before its handler runs."""

    def serve(app: App) -> None:
        @app.on("connect")
        async def connect(sid: str, environ: Any, auth: Any) -> None:
            app.log("connected", app.sio.manager.is_connected(sid, app.namespace))
            await app.sio.emit("welcome", 1, to=sid, namespace=app.namespace)

        app.on("echo")(lambda sid, data: data)

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.got("welcome")
        await client.ask("echo", 1)


@scenario(server="always", clients=("js",), is_synchronized=False)
class AlwaysConnectRefuses:
    """The client is connected, and then told to go."""

    def serve(app: App) -> None:
        refusing(app, raising(app, "not you"))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.gone()


@scenario(server="always", clients=("raw",), is_synchronized=False)
class AlwaysConnectRefusesOnTheWire:
    def serve(app: App) -> None:
        refusing(app, raising(app, "not you", 1))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},")
        await client.packets(2)


@scenario(clients=("raw",), is_synchronized=False)
class ConnectHandlerThatRaises:
    """Any other exception: the client hears nothing from python-socketio."""

    def serve(app: App) -> None:
        def decide() -> None:
            raise RuntimeError("as the scenario wants it")

        refusing(app, decide)
        app.sio.on("echo", lambda sid, data: data, namespace=app.namespace + "/other")

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},", f"40{stage.namespace}/other,")
        await client.log.until(
            lambda: any("/other" in str(entry) for entry in client.log), "answer of the other"
        )


@scenario(clients=("raw",), is_synchronized=False)
class LegacyConnectHandlerAndAuth:
    """(sid, environ) of a client that sends auth: python-socketio lets the call fail."""

    def serve(app: App) -> None:
        app.on("connect")(lambda sid, environ: app.log("connect"))
        app.sio.on("echo", lambda sid, data: data, namespace=app.namespace + "/other")

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f'40{stage.namespace},{{"a":1}}', f"40{stage.namespace}/other,")
        await client.log.until(
            lambda: any("/other" in str(entry) for entry in client.log), "answer of the other"
        )

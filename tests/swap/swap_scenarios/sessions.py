"""Sessions: a dict for each client and namespace."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario


@scenario()
class SaveAndGetSession:
    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("go")
        async def go(sid: str) -> Any:
            empty = await sio.get_session(sid, namespace=namespace)
            app.log("new", empty)
            await sio.save_session(sid, {"a": 1}, namespace=namespace)
            saved = await sio.get_session(sid, namespace=namespace)
            saved["b"] = 2
            return [saved, await sio.get_session(sid, namespace)]

        @app.on("again")
        async def again(sid: str) -> Any:
            return await sio.get_session(sid, namespace=namespace)

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        await a.ask("go")
        await a.ask("again")
        await b.ask("again")


@scenario()
class SessionAsAContext:
    """Changes in `async with` are kept, those before an exception too."""

    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        async def fail(sid: str) -> None:
            async with sio.session(sid, namespace=namespace) as session:
                session["before"] = True
                raise RuntimeError("as the scenario wants it")

        @app.on("go")
        async def go(sid: str) -> Any:
            async with sio.session(sid, namespace=namespace) as session:
                session["n"] = 1
                async with sio.session(sid, namespace) as inner:
                    inner["n"] += 1
            app.log(await app.outcome(fail(sid)))
            return await sio.get_session(sid, namespace=namespace)

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(clients=("js",))
class SessionsOfTwoNamespaces:
    def serve(app: App) -> None:
        other = app.namespace + "/other"
        for namespace, value in ((app.namespace, "one"), (other, "two")):

            async def go(sid: str, namespace: str = namespace, value: str = value) -> Any:
                async with app.sio.session(sid, namespace=namespace) as session:
                    session[value] = value
                return await app.sio.get_session(sid, namespace=namespace)

            app.sio.on("go", go, namespace=namespace)
        app.barrier("/other")

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        b = await stage.connect("b", stage.namespace + "/other", beside=a)
        await a.ask("go")
        await b.ask("go")


@scenario()
class SessionInTheDisconnectHandler:
    """It is still there, as are rooms and environ."""

    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("go")
        async def go(sid: str) -> str:
            await sio.save_session(sid, {"name": "me"}, namespace=namespace)
            await sio.enter_room(sid, "room", namespace=namespace)
            return "done"

        @app.on("disconnect")
        async def disconnect(sid: str, reason: str) -> None:
            app.log("session", await app.outcome(sio.get_session(sid, namespace=namespace)))
            app.log("rooms", len(sio.rooms(sid, namespace=namespace)))
            app.log("environ", isinstance(sio.get_environ(sid, namespace), dict))
            app.log("connected", sio.manager.is_connected(sid, namespace))
            app.log("disconnect")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("go")
        await client.disconnect()
        await stage.saw("disconnect")


@scenario()
class SessionOfAnUnknownClient:
    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("go")
        async def go(sid: str) -> str:
            for outcome in (
                await app.outcome(sio.get_session("nobody", namespace=namespace)),
                await app.outcome(sio.save_session("nobody", {}, namespace=namespace)),
                await app.outcome(lambda: sio.transport("nobody", namespace=namespace)),
                await app.outcome(lambda: sio.get_environ("nobody", namespace=namespace)),
            ):
                app.log(type(outcome).__name__)
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")

"""Class-based namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

from swap_scenario import App, scenario


@scenario()
class EventsOfAClass:
    """on_<event>, plain and coroutine; what has no method is not answered."""

    def serve(app: App) -> None:
        class Chat(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            def on_connect(self, sid: str, environ: Any) -> None:
                app.log("connect", self.namespace, self.server is app.sio)

            async def on_disconnect(self, sid: str, reason: str) -> None:
                app.log("disconnect", reason)

            def on_plain(self, sid: str, data: Any) -> Any:
                return ["plain", data]

            async def on_waits(self, sid: str, *args: Any) -> Any:
                await asyncio.sleep(0)
                return ("waits", *args)

            def on_message(self, sid: str, data: Any) -> Any:
                return ["message", data]

            def helper(self, sid: str) -> str:
                return "not an event"

        app.sio.register_namespace(Chat(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("plain", 1)
        await client.ask("waits", 1, b"2")
        await client.ask("message", "text")
        await client.disconnect()
        await stage.saw("disconnect")


@scenario()
class EventThatAClassDoesNotHave:
    """A class answers every event that asks for it, also one without a method: with nothing."""

    def serve(app: App) -> None:
        class Empty(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            def on_known(self, sid: str) -> str:
                return "known"

        app.sio.register_namespace(Empty(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("known")
        await client.ask_later("unknown")
        await client.ask("known")


@scenario()
class ConnectOfAClass:
    """Auth, refusal and the legacy form, as with functions."""

    def serve(app: App) -> None:
        class Guarded(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_connect(self, sid: str, environ: Any, auth: Any) -> Any:
                app.log("connect", auth)
                if auth is None:
                    raise app.socketio.exceptions.ConnectionRefusedError("who are you?", 401)
                return auth.get("ok")

            def on_disconnect(self, sid: str) -> None:
                app.log("disconnect")

        app.sio.register_namespace(Guarded(app.namespace))

    async def play(stage: Any) -> None:
        await stage.refused("a")
        await stage.refused("b", auth={"ok": False})
        client = await stage.connect("c", auth={"ok": True})
        await client.disconnect()
        await stage.saw("disconnect")


@scenario()
class OverriddenTriggerEvent:
    """A class that dispatches by itself sees every event, connect and disconnect too."""

    def serve(app: App) -> None:
        class Own(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def trigger_event(self, event: str, *args: Any) -> Any:
                if event == "connect":
                    app.log("connect", len(args), args[2:])
                    return None
                app.log(event, args[1:])
                if event == "super":
                    return await super().trigger_event(event, *args)
                return ["own", event, *args[1:]]

            async def on_super(self, sid: str, data: Any) -> Any:
                return ["super", data]

        app.sio.register_namespace(Own(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"x": 1})
        await client.ask("anything", 1, 2)
        await client.ask("super", 3)
        await client.disconnect()
        await stage.saw("disconnect")


@scenario()
class MethodsOfAClass:
    """emit, send, call, rooms and sessions mean the class's own namespace."""

    def serve(app: App) -> None:
        class Chat(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_go(self, sid: str) -> Any:
                await self.enter_room(sid, "room")
                rooms = sorted("self" if room == sid else room for room in self.rooms(sid))
                await self.emit("room", 1, room="room")
                await self.emit("to", {"b": b"2"}, to=sid, skip_sid="nobody")
                await self.send("message", to=sid)
                await self.emit("all")
                await self.save_session(sid, {"a": 1})
                async with self.session(sid) as session:
                    session["b"] = 2
                answer = await self.call("ask", "?", to=sid)
                again = await self.call("ask", "?", sid=sid, timeout=5)
                await self.leave_room(sid, "room")
                await self.close_room("room")
                return [rooms, await self.get_session(sid), *answer, *again]

            async def on_bye(self, sid: str) -> None:
                await self.disconnect(sid)

            async def on_disconnect(self, sid: str, reason: str) -> None:
                app.log("disconnect", reason)

        app.sio.register_namespace(Chat(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("ask", "!", b"1")
        await client.ask("go")
        await client.emit("bye")
        await client.gone()
        await stage.saw("disconnect")


@scenario()
class WhatMayNotBeRegistered:
    """The texts of the errors."""

    def serve(app: App) -> None:
        sync_class = getattr(app.socketio, "Namespace", None)

        async def errors() -> list[Any]:
            register = app.sio.register_namespace
            return [
                await app.outcome(lambda: register(object())),
                await app.outcome(lambda: register(app.socketio.AsyncNamespace)),
                await app.outcome(lambda: register(sync_class("/sync") if sync_class else None)),
            ]

        @app.on("go")
        async def go(sid: str) -> Any:
            app.log(*await errors())
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario()
class InheritedHandlers:
    """Methods of base classes and mixins are handlers too."""

    def serve(app: App) -> None:
        class Mixin:
            async def on_mixed(self, sid: str) -> str:
                return "mixed"

        class Base(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            def __init__(self, namespace: str, word: str) -> None:
                super().__init__(namespace)
                self.word = word

            def on_base(self, sid: str) -> str:
                return self.word

            def on_both(self, sid: str) -> str:
                return "base"

        class Derived(Mixin, Base):
            def on_both(self, sid: str) -> str:
                return "derived, " + super().on_both(sid)

        app.sio.register_namespace(Derived(app.namespace, "word"))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for event in ("mixed", "base", "both"):
            await client.ask(event)


@scenario()
class MethodOfAClassThatRaises:
    def serve(app: App) -> None:
        class Failing(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_fails(self, sid: str) -> None:
                app.log("fails")
                raise RuntimeError("as the scenario wants it")

            def on_works(self, sid: str) -> str:
                return "works"

        app.sio.register_namespace(Failing(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("fails")
        await client.ask("works")


@scenario()
class ManagerOfOnesOwn:
    """A subclass of AsyncManager is asked, as python-socketio asks it."""

    def serve(app: App) -> None:
        class Manager(app.socketio.AsyncManager):  # type: ignore[name-defined,misc]
            pass

        sio = app.socketio.AsyncServer(async_mode="asgi", client_manager=Manager())

        @app.on("look")
        async def look(sid: str) -> Any:
            return [isinstance(sio.manager, Manager), sio.manager.server is sio,
                    isinstance(app.sio.manager, app.socketio.AsyncManager)]  # fmt: skip

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("look")

"""Which handler an event goes to: '*' events, '*' namespaces, functions and classes."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario


@scenario()
class StarEventInANamespace:
    """'*' gets (event, sid, ...) of what has no handler of its own; connect and disconnect never."""

    def serve(app: App) -> None:
        app.on("exact")(lambda sid, *args: app.log("exact", args))

        @app.on("*")
        async def any_event(event: str, sid: str, *args: Any) -> Any:
            app.log("*", event, args)
            return event, *args

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("exact", 1)
        await client.ask("other", 1, 2)
        await client.ask("message", "text")
        await client.disconnect()
        again = await stage.connect("b")
        await again.ask("other")


def star_handlers(app: App) -> None:
    """The handlers of namespace '*' of a server; made once, whoever asks for them."""
    known = app.sio.handlers.get("*", {}) if hasattr(app.sio, "handlers") else {}
    if "exact" in known:
        return

    def log(namespace: str, *entry: Any) -> None:
        app._write(namespace, list(entry))

    @app.sio.on("connect", namespace="*")
    def connect(namespace: str, sid: str, environ: Any, auth: Any) -> None:
        log(namespace, "* connect", auth)

    @app.sio.on("disconnect", namespace="*")
    def disconnect(namespace: str, sid: str, reason: str) -> None:
        log(namespace, "* disconnect", reason)

    @app.sio.on("exact", namespace="*")
    def exact(namespace: str, sid: str, *args: Any) -> Any:
        log(namespace, "exact in *", list(args))
        return ["exact in *", namespace, *args]

    @app.sio.on("*", namespace="*")
    async def anything(event: str, namespace: str, sid: str, *args: Any) -> Any:
        log(namespace, "* in *", event, list(args))
        return ["* in *", event, namespace, *args]


@scenario(server="stars")
class EventsInTheStarNamespace:
    """A namespace with one handler: its other events go to namespace '*', then to '*' in '*'."""

    def serve(app: App) -> None:
        star_handlers(app)
        app.on("own")(lambda sid, *args: ["own", *args])

    async def play(stage: Any) -> None:
        client = await stage.connect("a", auth={"token": 1})
        await client.ask("own", 1)
        await client.ask("exact", 2)
        await client.ask("other", 3, 4)
        await client.disconnect()
        await stage.saw("* disconnect")


@scenario(server="stars")
class OrderOfPreference:
    """The event, '*' in the namespace, the event in '*', '*' in '*'; only then classes."""

    def serve(app: App) -> None:
        star_handlers(app)

        class Handlers(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_exact(self, sid: str, *args: Any) -> str:
                return "class"

            async def on_class(self, sid: str, *args: Any) -> str:
                return "class"

        app.sio.register_namespace(Handlers(app.namespace))
        app.on("own")(lambda sid, *args: "own")
        app.on("*")(lambda event, sid, *args: ["*", event])
        app.barrier()

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for event in ("own", "exact", "class", "other"):
            await client.ask(event)


@scenario(server="stars")
class ClassBehindTheStarNamespace:
    """A class gets nothing that a function of namespace '*' takes, and connect goes to the function."""

    def serve(app: App) -> None:
        star_handlers(app)

        class Handlers(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_connect(self, sid: str, environ: Any) -> None:
                app.log("class connect")

            async def on_exact(self, sid: str, *args: Any) -> str:
                return "class"

        app.sio.register_namespace(Handlers(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("exact", 1)
        await client.ask("other", 1)


@scenario()
class FunctionsBeforeClasses:
    def serve(app: App) -> None:
        class Handlers(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            def on_both(self, sid: str) -> str:
                return "class"

            async def on_class(self, sid: str) -> str:
                return "class"

            def on_connect(self, sid: str, environ: Any) -> None:
                app.log("class connect")

        app.sio.register_namespace(Handlers(app.namespace))
        app.on("both")(lambda sid: "function")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("both")
        await client.ask("class")
        await client.ask_later("neither")


@scenario(server="class_stars")
class ClassOfTheStarNamespace:
    """A class for namespace '*' gets the namespace first; its own class goes before it."""

    def serve(app: App) -> None:
        def log(namespace: str, *entry: Any) -> None:
            app._write(namespace, list(entry))

        class Anywhere(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_connect(self, namespace: str, sid: str, environ: Any) -> None:
                log(namespace, "* class connect")

            async def on_event(self, namespace: str, sid: str, *args: Any) -> Any:
                log(namespace, "* class event", list(args))
                return ["* class", *args]

            async def on_disconnect(self, namespace: str, sid: str, reason: str) -> None:
                log(namespace, "* class disconnect", reason)

        if "*" not in app.sio.namespace_handlers:
            app.sio.register_namespace(Anywhere("*"))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("event", 1, 2)
        await client.disconnect()
        await stage.saw("* class disconnect")


@scenario(server="class_stars")
class ClassOfTheNamespaceBeforeTheStarClass:
    def serve(app: App) -> None:
        class Here(app.socketio.AsyncNamespace):  # type: ignore[name-defined,misc]
            async def on_event(self, sid: str, *args: Any) -> Any:
                return ["class", *args]

        app.sio.register_namespace(Here(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask("event", 1, 2)

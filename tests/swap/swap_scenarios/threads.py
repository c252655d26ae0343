"""The sync Server with a Flask application: plain functions, threads, WSGIApp."""

from __future__ import annotations

import threading
from typing import Any

from swap_scenario import App, scenario


@scenario(server="sync")
class SyncEventsAndAcks:
    def serve(app: App) -> None:
        app.on("none")(lambda sid: None)
        app.on("one")(lambda sid, data: data)
        app.on("many")(lambda sid, *args: args)

        @app.sio.event(namespace=app.namespace)
        def named(sid: str, data: Any) -> Any:
            app.log("named", data)
            return {"named": data}

    async def play(stage: Any) -> None:
        for name, transports in (("a", ["websocket"]), ("b", ["polling"])):
            client = await stage.connect(name, transports=transports)
            await client.ask("none")
            await client.ask("one", {"ü": [1, None]})
            await client.ask("one", b"\x00\xff")
            await client.ask("many", 1, b"2", "three")
            await client.ask("named", name)


@scenario(server="sync")
class SyncEmits:
    """Every shape of data, from a handler."""

    def serve(app: App) -> None:
        @app.on("go")
        def go(sid: str) -> str:
            emit = app.sio.emit
            emit("none", to=sid, namespace=app.namespace)
            emit("tuple", (1, "two", b"3"), room=sid, namespace=app.namespace)
            emit("list", [1, b"2"], to=sid, namespace=app.namespace)
            emit("dict", {"a": 1}, namespace=app.namespace, skip_sid="nobody")
            app.sio.send("message", to=sid, namespace=app.namespace)
            return str(emit("returns", to=sid, namespace=app.namespace))

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(server="sync")
class SyncConnectAndRefuse:
    def serve(app: App) -> None:
        @app.on("connect")
        def connect(sid: str, environ: Any, auth: Any) -> Any:
            app.log("connect", environ["REQUEST_METHOD"], auth)
            if auth is None:
                raise app.socketio.exceptions.ConnectionRefusedError("who?", {"code": 1})
            return auth["ok"]

        app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))

    async def play(stage: Any) -> None:
        await stage.refused("a")
        await stage.refused("b", auth={"ok": False})
        client = await stage.connect("c", auth={"ok": True})
        await client.disconnect()
        await stage.saw("disconnect")


@scenario(server="sync")
class SyncRooms:
    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("join")
        def join(sid: str, room: str) -> Any:
            sio.enter_room(sid, room, namespace=namespace)
            return sorted("self" if r == sid else r for r in sio.rooms(sid, namespace))

        @app.on("tell")
        def tell(sid: str, room: Any) -> str:
            sio.emit("told", "all of it", to=room, namespace=namespace)
            sio.emit("others", to=room, skip_sid=sid, namespace=namespace)
            return "done"

        @app.on("leave")
        def leave(sid: str, room: str) -> Any:
            sio.leave_room(sid, room, namespace=namespace)
            sio.close_room("other", namespace=namespace)
            return len(sio.rooms(sid, namespace=namespace))

    async def play(stage: Any) -> None:
        a, b = await stage.connect("a"), await stage.connect("b")
        await a.ask("join", "room")
        await b.ask("join", "room")
        await b.ask("join", "other")
        await a.ask("tell", "room")
        await a.ask("tell", ["room", "other"])
        await b.ask("leave", "room")
        await a.ask("tell", "room")


@scenario(server="sync")
class SyncSessions:
    def serve(app: App) -> None:
        sio, namespace = app.sio, app.namespace

        @app.on("go")
        def go(sid: str) -> Any:
            sio.save_session(sid, {"a": 1}, namespace=namespace)
            with sio.session(sid, namespace=namespace) as session:
                session["b"] = 2
            return [sio.get_session(sid, namespace=namespace), sio.transport(sid, namespace)]

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(server="sync")
class SyncCall:
    """call() blocks its handler's thread, and nobody else's."""

    def serve(app: App) -> None:
        @app.on("go")
        def go(sid: str) -> Any:
            return [
                app.sio.call("ask", "?", to=sid, namespace=app.namespace),
                list(app.sio.call("two", sid=sid, namespace=app.namespace, timeout=5)),
            ]

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("ask", "!")
        await client.answers("two", 1, {"two": 2})
        await client.ask("go")


@scenario(server="sync", clients=("js",))
class SyncCallTimesOut:
    def serve(app: App) -> None:
        @app.on("go")
        def go(sid: str) -> Any:
            try:
                app.sio.call("silent", to=sid, namespace=app.namespace, timeout=0.01)
            except app.socketio.exceptions.TimeoutError:
                return "timeout"
            return "answer"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(server="sync")
class SyncCallbacks:
    def serve(app: App) -> None:
        @app.on("go")
        def go(sid: str) -> None:
            app.sio.emit("ask", to=sid, namespace=app.namespace,
                         callback=lambda *args: app.log("callback", args))  # fmt: skip

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("ask", 1, "two")
        await client.emit("go")
        await stage.saw("callback")


@scenario(server="sync", clients=("js",))
class SyncDisconnects:
    def serve(app: App) -> None:
        app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))

        @app.on("bye")
        def bye(sid: str) -> None:
            app.sio.disconnect(sid, namespace=app.namespace)

        @app.on("look")
        def look(_sid: str, other: str) -> Any:
            return [
                app.sio.manager.is_connected(other, app.namespace),
                app.sio.rooms(other, app.namespace),
            ]

    async def play(stage: Any) -> None:
        a = await stage.connect("a")
        await a.emit("bye")
        await a.gone()
        await stage.saw("disconnect")
        b = await stage.connect("b")
        await b.ask("look", a.log[0][1])
        await b.disconnect()
        await stage.saw("disconnect", "client disconnect")


@scenario(server="sync")
class SyncNamespaceClass:
    def serve(app: App) -> None:
        class Chat(app.socketio.Namespace):  # type: ignore[name-defined,misc]
            def on_connect(self, sid: str, environ: Any) -> None:
                app.log("connect", self.namespace)

            def on_disconnect(self, sid: str) -> None:
                app.log("disconnect")

            def on_go(self, sid: str, data: Any) -> Any:
                self.enter_room(sid, "room")
                self.emit("room", data, room="room")
                with self.session(sid) as session:
                    session["data"] = data
                return [self.get_session(sid), self.call("ask", to=sid, timeout=5)]

        app.sio.register_namespace(Chat(app.namespace))

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.answers("ask", "!")
        await client.ask("go", 1)
        await client.disconnect()
        await stage.saw("disconnect")


@scenario(server="sync")
class SyncEmitFromAThread:
    """start_background_task(), and a thread of the application's own."""

    def serve(app: App) -> None:
        def work(sid: str, event: str) -> None:
            app.sio.sleep(0)
            app.sio.emit(event, to=sid, namespace=app.namespace)

        @app.on("go")
        def go(sid: str) -> str:
            task = app.sio.start_background_task(work, sid, event="task")
            task.join()
            thread = threading.Thread(target=work, args=(sid, "thread"))
            thread.start()
            thread.join()
            return "done"

    async def play(stage: Any) -> None:
        await (await stage.connect("a")).ask("go")


@scenario(server="sync")
class SyncHandlerThatRaises:
    def serve(app: App) -> None:
        @app.on("fails")
        def fails(sid: str) -> None:
            app.log("fails")
            raise RuntimeError("as the scenario wants it")

        app.on("works")(lambda sid: "works")

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        await client.ask_later("fails")
        await stage.saw("fails")
        await client.ask("works")


@scenario(server="sync_ordered")
class SyncOneAfterTheOther:
    """async_handlers=False."""

    def serve(app: App) -> None:
        @app.on("tick")
        def tick(sid: str, number: int) -> int:
            app.log("tick", number)
            app.sio.sleep(0)
            app.log("tock", number)
            return number

    async def play(stage: Any) -> None:
        client = await stage.connect("a")
        for number in range(10):
            await client.emit("tick", number)
        await client.ask("tick", "last")


@scenario(server="sync", clients=("raw-http",), is_synchronized=False)
class SyncPagesOfFlask:
    """Everything but Socket.IO and static files is the Flask application's."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        for path in ("/hello/you", "/nowhere", "/static/page.html"):
            status, headers, body = await stage.request("GET", path)
            kind = headers["content-type"].partition(";")[0]
            stage.say(path, status, kind, body.decode()[:30])
        status, _, body = await stage.request("POST", "/post", body=b"some bytes")
        stage.say("post", status, body)

"""Namespaces on one connection, and the request that opened it."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario


@scenario(clients=("raw",), is_synchronized=False)
class ConnectTwiceToANamespace:
    def serve(app: App) -> None:
        app.on("connect")(lambda sid, environ, auth: app.log("connect"))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},", f"40{stage.namespace},")
        await client.packets_or_end(2)


@scenario(clients=("js",))
class SeveralNamespacesOnOneConnection:
    """Each has its own sid, events and disconnect; they share the connection."""

    def serve(app: App) -> None:
        for suffix in ("", "/x", "/y"):
            namespace = app.namespace + suffix

            def echo(sid: str, data: Any, suffix: str = suffix) -> Any:
                return [suffix, sid, data]

            def disconnect(sid: str, reason: str, suffix: str = suffix) -> None:
                app.log("disconnect", suffix, reason)

            app.sio.on("echo", echo, namespace=namespace)
            app.sio.on("disconnect", disconnect, namespace=namespace)

        @app.on("tell")
        async def tell(sid: str) -> str:
            await app.sio.emit("told", "x", namespace=app.namespace + "/x")
            await app.sio.emit("told", "own", namespace=app.namespace)
            return "done"

        app.barrier("/x")
        app.barrier("/y")

    async def play(stage: Any) -> None:
        first = await stage.connect("a")
        x = await stage.connect("b", stage.namespace + "/x", beside=first)
        y = await stage.connect("c", stage.namespace + "/y", beside=first)
        for client in (first, x, y):
            await client.ask("echo", 1)
        await first.ask("tell")
        await x.got("told")
        await x.disconnect()
        await stage.saw("disconnect", "/x")
        await y.ask("echo", 2)
        await first.ask("echo", 2)


@scenario()
class EnvironOfAConnection:
    """The request that opened the connection, as a WSGI environ."""

    def serve(app: App) -> None:
        @app.on("connect")
        def connect(sid: str, environ: Any, auth: Any) -> None:
            app.log("values", {key: environ.get(key) for key in (
                "REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "SERVER_PROTOCOL", "HTTP_X_SWAP",
                "REMOTE_ADDR", "wsgi.url_scheme", "wsgi.version", "wsgi.async", "wsgi.multithread",
                "wsgi.multiprocess", "wsgi.run_once", "HTTP_COOKIE", "HTTP_AUTHORIZATION",
            )})  # fmt: skip
            app.log("query", sorted(p for p in environ["QUERY_STRING"].split("&") if p[:2] != "t="))
            app.log("host", environ["HTTP_HOST"].partition(":")[0])
            app.log(
                "raw", environ["RAW_URI"] == f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            )

        @app.on("again")
        def again(sid: str) -> Any:
            environ = app.sio.get_environ(sid, app.namespace)
            return [environ["HTTP_X_SWAP"], app.sio.get_environ("nobody", app.namespace)]

    async def play(stage: Any) -> None:
        headers = {"X-Swap": "ünï".encode().decode("latin-1"), "Cookie": "a=b; c=d",
                   "Authorization": "Bearer x"}  # fmt: skip
        client = await stage.connect("a", headers=headers, query={"room": "7"})
        await client.ask("again")


@scenario()
class KeysOfTheEnviron:
    def serve(app: App) -> None:
        @app.on("connect")
        def connect(sid: str, environ: Any, auth: Any) -> None:
            keys = {key for key in environ if not key.startswith(("HTTP_", "wsgi.", "SERVER_"))}
            app.log("keys", sorted(keys))

    async def play(stage: Any) -> None:
        await stage.connect("a")

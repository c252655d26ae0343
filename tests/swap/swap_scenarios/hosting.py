"""ASGIApp: the other application, static files, paths and lifespan."""

from __future__ import annotations

from typing import Any

from swap_scenario import App, scenario

ASKED = ("raw-http",)


async def ask(stage: Any, *paths: str, method: str = "GET") -> None:
    for path in paths:
        status, headers, body = await stage.request(method, path)
        kind = headers.get("content-type", "").partition(";")[0]
        stage.say(method, path, status, kind, body.decode("latin-1"))


@scenario(server="beside", clients=ASKED, is_synchronized=False)
class TheOtherAppGetsTheRest:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await ask(
            stage, "/", "/hello?a=b", "/socket.io/?EIO=4&transport=polling", "/deep", "/deep/sio2"
        )
        await ask(stage, "/post", method="POST")


@scenario(server="beside", clients=ASKED, is_synchronized=False)
class StaticFilesBesideAnotherApp:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await ask(stage, "/index.html", "/static/page.html", "/data")
        await ask(stage, "/static/not-there.html", "/index.html/")


@scenario(server="beside", clients=ASKED, is_synchronized=False)
class StaticScript:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await ask(stage, "/static/code.js")


@scenario(server="beside", clients=ASKED, is_synchronized=False)
class WebSocketOfTheOtherApp:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        async with await stage.websocket("/ws") as ws:
            await ws.send_str("hello")
            stage.say(await ws.receive_str())


@scenario(server="beside", clients=ASKED, is_synchronized=False)
class LifespanGoesToTheOtherApp:
    """Without hooks of its own ASGIApp hands startup on."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        stage.say(stage.server_log("other lifespan"))


@scenario(server="beside")
class APathOfItsOwn:
    """socketio_path="/deep/sio/"."""

    def serve(app: App) -> None:
        app.on("echo")(lambda sid, data: data)
        app.on("connect")(lambda sid, environ: app.log(environ["PATH_INFO"]))

    async def play(stage: Any) -> None:
        for name, transports in (("a", ["websocket"]), ("b", ["polling"])):
            client = await stage.connect(name, path="/deep/sio", transports=transports)
            await client.ask("echo", name)


@scenario(server="plain", clients=ASKED, is_synchronized=False)
class NothingBesideIt:
    """No other application: 404."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await ask(stage, "/", "/favicon.ico")
        await ask(stage, "/", method="POST")


@scenario(server="hooks", clients=ASKED, is_synchronized=False)
class StartupHookHasRun:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        stage.say(stage.server_log("lifespan"))


@scenario(server="hooks", clients=ASKED, is_synchronized=False)
class StaticFolderAtTheRoot:
    """{"/": folder}: files in it, index.html for the folder, 404 for what is not there."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        await ask(stage, "/", "/page.html", "/data.bin", "/nothing.txt")


@scenario(server="plain", clients=ASKED, is_synchronized=False)
class PathWithoutItsSlash:
    """/socket.io is the server's as /socket.io/ is."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, _, body = await stage.request("GET", "/socket.io?EIO=4&transport=polling")
        stage.say(status, body.decode()[:8])

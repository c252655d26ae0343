"""Polling, WebSocket and the way from one to the other; and requests that no client sends."""

from __future__ import annotations

import json
from typing import Any

from swap_scenario import App, scenario


def reports_transport(app: App) -> None:
    @app.on("transport")
    def transport(sid: str) -> str:
        return app.sio.transport(sid, namespace=app.namespace)

    app.on("echo")(lambda sid, *args: args)


@scenario()
class OverWebSocket:
    def serve(app: App) -> None:
        reports_transport(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["websocket"])
        await client.ask("transport")
        stage.say(await client.transport())


@scenario()
class OverPolling:
    def serve(app: App) -> None:
        reports_transport(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling"])
        await client.ask("transport")
        await client.ask("echo", "ü 😀 \x1e \u2028", {"a": [1]})
        stage.say(await client.transport())


@scenario()
class FromPollingToWebSocket:
    """transport() says what it is now; sid, session and environ stay."""

    def serve(app: App) -> None:
        reports_transport(app)

        @app.on("look")
        async def look(sid: str) -> Any:
            environ = app.sio.get_environ(sid, namespace=app.namespace)
            return [sid, environ["QUERY_STRING"].count("transport=polling")]

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling", "websocket"])
        await client.upgraded()
        await client.ask("echo", b"\x00", "text")
        await client.ask("transport")
        await client.ask("look")
        stage.say(await client.transport())


@scenario(clients=("js",))
class EventsDuringTheUpgrade:
    """Nothing is lost or comes out of order while the transport changes."""

    def serve(app: App) -> None:
        reports_transport(app)

        @app.on("tick")
        async def tick(sid: str, number: int) -> None:
            app.log("tick", number)
            await app.sio.emit("tock", number, to=sid, namespace=app.namespace)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling", "websocket"])
        for number in range(40):
            await client.emit("tick", number)
        await client.upgraded()
        await client.got("tock", 40)


@scenario(server="polling")
class PollingOnly:
    """transports=["polling"]: no upgrade is offered, a WebSocket is refused."""

    def serve(app: App) -> None:
        reports_transport(app)

    async def play(stage: Any) -> None:
        client = await stage.connect("a", transports=["polling", "websocket"])
        await client.ask("transport")
        stage.say(await client.transport())


@scenario(server="no_upgrade")
class UpgradesNotAllowed:
    """allow_upgrades=False: polling stays polling, WebSocket is still there for those that begin with it."""

    def serve(app: App) -> None:
        reports_transport(app)

    async def play(stage: Any) -> None:
        polling = await stage.connect("a", transports=["polling", "websocket"])
        await polling.ask("transport")
        websocket = await stage.connect("b", transports=["websocket"])
        await websocket.ask("transport")


@scenario(clients=("raw-http",), is_synchronized=False)
class TheHandshake:
    """What the server says of itself first."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, headers, body = await stage.request("GET", "/socket.io/?EIO=4&transport=polling")
        said = json.loads(body[1:])
        stage.say(status, headers["content-type"].lower(), body[:1], dict(sorted(said.items())))
        stage.say(headers.get("set-cookie"), headers.get("cache-control"))
        path = f"/socket.io/?EIO=4&transport=polling&sid={said['sid']}"
        status, headers, body = await stage.request("POST", path, body="1")
        stage.say("close", status, body.decode().lower())


BAD = {
    "transport": ("GET", "/socket.io/?EIO=4&transport=carrier-pigeon"),
    "session": ("GET", "/socket.io/?EIO=4&transport=polling&sid=nobody"),
    "post without a session": ("POST", "/socket.io/?EIO=4&transport=polling"),
    "post to an unknown session": ("POST", "/socket.io/?EIO=4&transport=polling&sid=nobody"),
    "not a websocket": ("GET", "/socket.io/?EIO=4&transport=websocket"),
}


@scenario(clients=("raw-http",), is_synchronized=False)
class BadRequestsAreRefused:
    """The status; what the body says is the official server's (see BadRequestsInWords)."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        for name, (method, path) in BAD.items():
            status, _, _ = await stage.request(method, path, body="x" if method == "POST" else None)
            stage.say(name, status)


@scenario(clients=("raw-http",), is_synchronized=False)
class BadRequestsInWords:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        for name, (method, path) in BAD.items():
            _, headers, body = await stage.request(
                method, path, body="x" if method == "POST" else None
            )
            stage.say(name, headers["content-type"], body.decode())


@scenario(clients=("raw-http",), is_synchronized=False)
class ClientOfSocketIO2:
    """Whether it is let in."""

    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        status, _, _ = await stage.request("GET", "/socket.io/?EIO=3&transport=polling")
        stage.say(status)


@scenario(clients=("raw-http",), is_synchronized=False)
class MethodsThatAreNone:
    def serve(app: App) -> None: ...

    async def play(stage: Any) -> None:
        path = "/socket.io/?EIO=4&transport=polling"
        for method in ("PUT", "DELETE"):
            status, _, body = await stage.request(method, path)
            stage.say(method, status, body.decode())


@scenario(clients=("raw",), is_synchronized=False)
class PacketsThatAreNone:
    """Wrong bytes of Socket.IO: what becomes of the client."""

    def serve(app: App) -> None:
        app.on("tick")(lambda sid, number: app.log("tick", number))
        app.on("disconnect")(lambda sid, reason: app.log("disconnect", reason))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},", f'42{stage.namespace},["tick",1]')
        await stage.saw("tick", 1)
        await client.send(f"44{stage.namespace},", f'42{stage.namespace},["tick",2]')
        log = stage.server_entries()
        await log.until(lambda: len(log) >= 2, "another tick or a disconnect")


@scenario(clients=("raw",), is_synchronized=False)
class ReservedNamesFromAClient:
    """A client that sends an event called connect or disconnect."""

    def serve(app: App) -> None:
        app.on("connect")(lambda sid, environ, *auth: app.log("connect", type(environ).__name__))
        app.on("disconnect")(lambda sid, *reason: app.log("disconnect", reason))

    async def play(stage: Any) -> None:
        client = await stage.raw("a")
        await client.send(f"40{stage.namespace},")
        await client.packets(1)
        await client.send(f'42{stage.namespace},["disconnect","forged"]')
        await stage.saw("disconnect")

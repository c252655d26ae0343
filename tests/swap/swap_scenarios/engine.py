"""engineio's AsyncServer: the layer below Socket.IO, on its own."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from swap_scenario import App, scenario

PATH = "/engine.io"


@scenario(server="engine_messages", clients=("raw",), is_synchronized=False)
class EngineMessages:
    """connect, message and disconnect; text, bytes and JSON values sent."""

    def serve(app: App) -> None:
        eio = app.sio

        @eio.on("connect")
        def connect(sid: str, environ: Any) -> None:
            app.log("connect", environ["REQUEST_METHOD"], environ["PATH_INFO"])

        @eio.on("message")
        async def message(sid: str, data: Any) -> None:
            app.log("message", data, eio.transport(sid))
            await eio.send(sid, data)
            await eio.send(sid, {"got": "it"})
            if data == "bye":
                await eio.disconnect(sid)

        @eio.on("disconnect")
        def disconnect(sid: str, reason: str) -> None:
            app.log("disconnect", reason)

        error = app.outcome_now(lambda: eio.on("other", print))
        app.log("unknown event", type(error).__name__)

    async def play(stage: Any) -> None:
        client = await stage.raw("a", PATH)
        await client.send("4hello", b"\x00\x01")
        await client.packets(4)
        await client.send("4ü 😀")
        await client.packets(6)
        await client.send("4bye")
        await client.packets(9)
        await stage.saw("disconnect")


@scenario(server="engine_refusals", clients=("raw-http",), is_synchronized=False)
class EngineRefusals:
    """A connect handler that returns False or a value: 401, with the value as JSON."""

    def serve(app: App) -> None:
        answers = {"no": False, "text": "not you", "dict": {"code": 1}, "yes": True, "none": None}

        @app.sio.on("connect")
        async def connect(sid: str, environ: Any) -> Any:
            name = environ["HTTP_X_ANSWER"]
            app.log("connect", name)
            if name == "raises":
                raise RuntimeError("as the scenario wants it")
            return answers[name]

    async def play(stage: Any) -> None:
        path = f"{PATH}/?EIO=4&transport=polling"
        for name in ("no", "text", "dict", "raises", "yes", "none"):
            status, headers, body = await stage.request("GET", path, {"X-Answer": name})
            kind = headers["content-type"].partition(";")[0]
            stage.say(name, status, kind, json.loads(body) if status != 200 else None)
        try:
            await stage.raw("a", PATH, headers={"X-Answer": "no"})
        except aiohttp.WSServerHandshakeError:
            stage.say("websocket", "refused")  # with uvicorn's status, whatever it was to be
        await stage.saw("connect", "no", count=2)


@scenario(server="engine_sessions", clients=("raw",), is_synchronized=False)
class EngineSessions:
    def serve(app: App) -> None:
        eio = app.sio

        @eio.on("connect")
        async def connect(sid: str, environ: Any) -> None:
            await eio.save_session(sid, {"a": 1})

        @eio.on("message")
        async def message(sid: str, data: Any) -> None:
            async with eio.session(sid) as session:
                session["n"] = session.get("n", 0) + 1
            app.log("session", await eio.get_session(sid))
            app.log("unknown", type(await app.outcome(eio.get_session("nobody"))).__name__)
            app.log("send to nobody", await app.outcome(eio.send("nobody", "x")))
            app.log("disconnect nobody", await app.outcome(eio.disconnect("nobody")))
            await eio.send(sid, "done")

    async def play(stage: Any) -> None:
        client = await stage.raw("a", PATH)
        for count in (1, 2):
            await client.send("4again")
            await client.packets(count)

"""A FastAPI application on python-socketio: routes, a dependency, a WebSocket and a stream of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import socketio
from fastapi import Body, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse

sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
people: dict[str, str] = {}
state = {"lifespan": "not started"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    state["lifespan"] = "started"
    yield
    print("lifespan ended", flush=True)


api = FastAPI(lifespan=lifespan)


def names() -> list[str]:
    return sorted(people.values())


@api.get("/people")
async def list_people(found: list[str] = Depends(names)) -> dict[str, object]:  # noqa: B008
    return {"people": found, "lifespan": state["lifespan"]}


@api.get("/people/{name}")
async def one(name: str) -> dict[str, str]:
    if name not in people.values():
        raise HTTPException(404, f"nobody is called {name}")
    return {"name": name}


@api.post("/announce")
async def announce(text: str = Body(embed=True)) -> dict[str, int]:
    await sio.emit("news", {"text": text}, room="lobby")
    return {"length": len(text)}


@api.get("/stream")
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for i in range(5):
            yield f"part {i}\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/plain")


@api.websocket("/ws")
async def own_websocket(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


@sio.event
async def connect(sid, environ, auth):
    if not auth or auth.get("token") != "secret":
        raise socketio.exceptions.ConnectionRefusedError("no entry", {"code": 7})
    people[sid] = auth["name"]
    await sio.save_session(sid, {"name": auth["name"], "path": environ["PATH_INFO"]})
    await sio.enter_room(sid, "lobby")
    await sio.emit("arrived", auth["name"], room="lobby", skip_sid=sid)


@sio.event
async def say(sid, text):
    async with sio.session(sid) as session:
        session["count"] = session.get("count", 0) + 1
        await sio.emit("said", (session["name"], text), room="lobby", skip_sid=sid)
        return session["count"], session["path"]


@sio.on("picture")
async def show_picture(sid, picture):
    await sio.emit("picture", {"of": people[sid], "data": picture["data"][::-1]}, to=sid)
    return len(picture["data"])


@sio.on("ask me")
async def ask_back(sid):
    return await sio.call("question", {"of": people[sid]}, to=sid, timeout=5)


@sio.event
async def disconnect(sid):
    if sid in people:
        await sio.emit("left", people.pop(sid), room="lobby")


class Admin(socketio.AsyncNamespace):
    def on_connect(self, sid, environ):
        return "HTTP_X_ADMIN" in environ

    async def on_close(self, sid, room):
        await sio.close_room(room)
        return "closed"


sio.register_namespace(Admin("/admin"))
app = socketio.ASGIApp(sio, api)

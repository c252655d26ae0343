"""A Django project in one file, on ASGI, with python-socketio beside its views."""

from __future__ import annotations

import json

import django
from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotFound,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import path
from django.views.decorators.http import require_POST

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for the tests alone",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()

import socketio  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402 - it needs the settings

sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
people: dict[str, str] = {}


def list_people(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"people": sorted(people.values())})


def one(request: HttpRequest, name: str) -> HttpResponse:
    if name not in people.values():
        return HttpResponseNotFound(f"nobody is called {name}")
    return JsonResponse({"name": name})


@require_POST
async def announce(request: HttpRequest) -> HttpResponse:
    text = json.loads(request.body)["text"]
    await sio.emit("news", {"text": text}, room="lobby")
    return JsonResponse({"length": len(text)})


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def parts():
        for i in range(5):
            yield f"part {i}\n"

    return StreamingHttpResponse(parts(), content_type="text/plain")


urlpatterns = [
    path("people", list_people),
    path("people/<name>", one),
    path("announce", announce),
    path("stream", stream),
]


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
    session = await sio.get_session(sid)
    session["count"] = session.get("count", 0) + 1
    await sio.save_session(sid, session)
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


@sio.on("connect", namespace="/admin")
def connect_admin(sid, environ):
    return "HTTP_X_ADMIN" in environ


@sio.on("close", namespace="/admin")
async def close(sid, room):
    await sio.close_room(room)
    return "closed"


app = socketio.ASGIApp(sio, get_asgi_application())

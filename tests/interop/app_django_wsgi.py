"""A Django application under WSGI on the sync Server, for test_wsgi.py: a view that emits."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from fastsio.api.sync import Server
from fastsio.wsgi import WSGIApp

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests")
sio = Server()


def hello(request: HttpRequest, name: str) -> JsonResponse:
    return JsonResponse({"hello": name})


def announce(request: HttpRequest) -> JsonResponse:
    text = json.loads(request.body)["text"]
    sio.emit("news", text, to="readers")
    return JsonResponse({"length": len(text)})


urlpatterns = [path("hello/<name>", hello), path("announce", announce)]


@sio.event
def connect(sid: str, environ: dict[str, Any]) -> None:
    sio.enter_room(sid, "readers")


app = WSGIApp(sio, get_wsgi_application())

"""A Flask application on python-socketio's synchronous server, with threads."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import socketio
from flask import Flask, Response, abort, jsonify, request

sio = socketio.Server(async_mode="threading", cors_allowed_origins="*")
pages = Flask(__name__)
people: dict[str, str] = {}
lock = Lock()


@pages.get("/people")
def list_people():
    return jsonify(people=sorted(people.values()))


@pages.get("/people/<name>")
def one(name):
    if name not in people.values():
        abort(404, f"nobody is called {name}")
    return jsonify(name=name)


@pages.post("/announce")
def announce():
    text = request.get_json()["text"]
    sio.emit("news", {"text": text}, room="lobby")
    return jsonify(length=len(text))


@pages.get("/stream")
def stream():
    def parts() -> Iterator[str]:
        for i in range(5):
            yield f"part {i}\n"

    return Response(parts(), mimetype="text/plain")


@sio.event
def connect(sid, environ, auth):
    if not auth or auth.get("token") != "secret":
        raise socketio.exceptions.ConnectionRefusedError("no entry", {"code": 7})
    with lock:
        people[sid] = auth["name"]
    sio.save_session(sid, {"name": auth["name"], "path": environ["PATH_INFO"]})
    sio.enter_room(sid, "lobby")
    sio.emit("arrived", auth["name"], room="lobby", skip_sid=sid)


@sio.event
def say(sid, text):
    with sio.session(sid) as session:
        session["count"] = session.get("count", 0) + 1
        sio.emit("said", (session["name"], text), room="lobby", skip_sid=sid)
        return session["count"], session["path"]


@sio.on("picture")
def show_picture(sid, picture):
    sio.emit("picture", {"of": people[sid], "data": picture["data"][::-1]}, to=sid)
    return len(picture["data"])


@sio.on("ask me")
def ask_back(sid):
    return sio.call("question", {"of": people[sid]}, to=sid, timeout=5)


@sio.event
def disconnect(sid):
    with lock:
        name = people.pop(sid, None)
    if name is not None:
        sio.emit("left", name, room="lobby")


class Admin(socketio.Namespace):
    def on_connect(self, sid, environ):
        return "HTTP_X_ADMIN" in environ

    def on_close(self, sid, room):
        sio.close_room(room)
        return "closed"


sio.register_namespace(Admin("/admin"))
app = socketio.WSGIApp(sio, pages)

if __name__ == "__main__":
    import sys

    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)

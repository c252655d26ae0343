"""A Flask application on the sync Server, for test_wsgi.py: handlers that block, emits from many threads at once.

Run as a program it is served by werkzeug; `app` is for WSGI servers, `asgi` for ASGI servers.
"""

from __future__ import annotations

import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

from flask import Flask, jsonify, request
from werkzeug.serving import run_simple

from fastsio.api.sync import Namespace, Server
from fastsio.wsgi import WSGIApp

WAIT_S = 20.0

pages = Flask(__name__)
sio = Server()


def thread_names() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


@pages.get("/hello/<name>")
def hello(name: str) -> Any:
    return jsonify(hello=name, agent=request.headers["User-Agent"])


@pages.get("/burst/<int:threads>/<int:count>")
def burst(threads: int, count: int) -> Any:
    """So many threads emit so many numbered events each, all at once."""
    start = threading.Barrier(threads)

    def emit(number: int) -> None:
        start.wait()
        for i in range(count):
            # Every tenth has an attachment: a packet of two parts, which no other may come between.
            sio.emit("n", (number, i, b"bytes") if i % 10 == 0 else (number, i))

    workers = [sio.start_background_task(emit, number) for number in range(threads)]
    for worker in workers:
        worker.join()
    sio.emit("end")
    return jsonify(emitted=threads * count)


@pages.get("/sessions")
def sessions() -> Any:
    return jsonify(list(sio.eio.sockets))


@pages.post("/shutdown")
def shutdown() -> Any:
    sio.shutdown()
    return jsonify(threads=thread_names())


@sio.event
def echo(sid: str, *args: Any) -> Any:
    return args


@sio.event
def where(sid: str) -> str:
    return threading.current_thread().name


class Gate:
    """Holds up those who come until it is opened for them; later ones wait for the next opening."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._openings = 0
        self.waiting = 0

    def wait(self) -> bool:
        with self._changed:
            before = self._openings
            self.waiting += 1
            opened = self._changed.wait_for(lambda: self._openings > before, WAIT_S)
            self.waiting -= 1
            return opened

    def open(self) -> None:
        with self._changed:
            self._openings += 1
            self._changed.notify_all()


gate = Gate()


@sio.event
def block(sid: str) -> str:
    return "released" if gate.wait() else "never"


@sio.event
def blocked(sid: str) -> int:
    return gate.waiting


@sio.event
def release(sid: str) -> None:
    gate.open()


@sio.event
def ask(sid: str, number: int) -> Any:
    return sio.call("question", number, to=sid, timeout=WAIT_S)


class Chat(Namespace):
    def on_connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        self.save_session(sid, {"host": environ["HTTP_HOST"], "auth": auth})
        self.enter_room(sid, "all")
        self.emit("arrived", sid, room="all", skip_sid=sid)

    def on_who(self, sid: str) -> Any:
        return self.get_session(sid), sorted(self.rooms(sid))

    def on_disconnect(self, sid: str, reason: str) -> None:
        self.emit("left", (sid, reason), room="all")


sio.register_namespace(Chat("/chat"))
app = WSGIApp(sio, pages)
asgi = app.as_asgi()


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """The standard library's WSGI server with threads: it tells nobody its connections."""

    daemon_threads = True
    request_queue_size = 100


def main(port: str, server: str = "werkzeug", *tls: str) -> None:
    if server == "wsgiref":
        make_server("127.0.0.1", int(port), app, ThreadingServer).serve_forever()
    context = (tls[0], tls[1]) if tls else None
    run_simple("127.0.0.1", int(port), app, threaded=True, ssl_context=context)


if __name__ == "__main__":
    main(*sys.argv[1:])

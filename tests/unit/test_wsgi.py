"""WSGIApp: which request is whose, answers by the WSGI server's thread, and connections that are taken over.

The WSGI server here is the test. Real ones are in tests/interop/test_wsgi.py.
Source: PEP 3333; RFC 6455 for the WebSocket.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastsio
from fastsio import wsgi
from fastsio.asgi import ASGIApp
from fastsio.doors import wsgi_exchange
from fastsio.threads import Bridge, LoopThread
from fastsio.wsgi import Middleware, Server, WSGIApp
from harness import DEADLINE_S, TEXT, frame_bytes
from thread_stage import assert_no_new_threads, connected_sockets, eventually, read_until

HANDSHAKE = "EIO=4&transport=polling"


class Call:
    """What a WSGI application answered to one request."""

    def __init__(
        self, app: Any, path: str = "/socket.io/", query: str = HANDSHAKE, method: str = "GET",
        body: bytes | None = None, **environ: Any,
    ) -> None:  # fmt: skip
        self.environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "example.org",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body or b""),
            **environ,
        }
        if body is not None:
            self.environ.setdefault("CONTENT_LENGTH", str(len(body)))
        self.status = 0
        self.headers: dict[str, str] = {}
        chunks = app(self.environ, self._start)
        self.body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = int(status.split(" ")[0])
        self.headers = {name.lower(): value for name, value in headers}

    def packet(self) -> Any:
        """The JSON of the packet in the body."""
        text = self.body.decode()
        return json.loads(text[text.index("{") :])


class Session:
    """A client that polls, by calling the application."""

    def __init__(self, app: WSGIApp, **environ: Any) -> None:
        self.app = app
        self.environ = environ
        self.handshake = Call(app, **environ).packet()
        self.query = f"{HANDSHAKE}&sid={self.handshake['sid']}"

    def get(self) -> Call:
        return Call(self.app, query=self.query, **self.environ)

    def post(self, body: bytes, **environ: Any) -> Call:
        return Call(self.app, query=self.query, method="POST", body=body, **self.environ, **environ)


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"page " + environ["PATH_INFO"].encode("latin-1")]


@pytest.fixture
def serve() -> Iterator[Any]:
    """`sio = serve(**options)`: a Server, which has to leave no thread behind when it is shut down."""
    before = set(threading.enumerate())
    servers = []

    def make(**options: Any) -> Server:
        servers.append(Server(**options))
        return servers[-1]

    yield make
    for server in servers:
        server.shutdown()
    assert_no_new_threads(before)


@pytest.fixture
def sio(serve: Any) -> Server:
    return serve()


@pytest.fixture
def app(sio: Server) -> WSGIApp:
    return WSGIApp(sio, page)


# --- whose request it is --------------------------------------------------------------------------


def test_requests_below_the_path_are_socket_ios_and_others_the_applications(app):
    assert Call(app).body.startswith(b'0{"sid":')
    assert Call(app, "/x").body == b"page /x"
    assert Call(app, "/socket.io").body == b"page /socket.io"


@pytest.mark.parametrize("path", ["chat", "/chat", "/chat/"])
def test_path_may_be_given_with_and_without_slashes(sio, path):
    app = WSGIApp(sio, page, socketio_path=path)
    assert app.engineio_path == "/chat/"
    assert Call(app, "/chat/").status == 200
    assert Call(app).body == b"page /socket.io/"


def test_what_nobody_wants_is_not_found(sio):
    call = Call(WSGIApp(sio), "/x")
    assert (call.status, call.headers["content-type"], call.body) == (
        404,
        "text/plain",
        b"Not Found",
    )


def test_static_files_come_before_the_application(sio, tmp_path: Path):
    (tmp_path / "index.html").write_text("<p>hi")
    (tmp_path / "a b.js").write_text("1")
    app = WSGIApp(
        sio, page, static_files={"/": str(tmp_path / "index.html"), "/static": str(tmp_path)}
    )
    index = Call(app, "/")
    assert (index.status, index.body) == (200, b"<p>hi")
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert Call(app, "/static/a b.js").body == b"1"
    assert Call(app, "/", HTTP_IF_NONE_MATCH=index.headers["etag"]).status == 304
    head = Call(app, "/", method="HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, "5", b"")
    assert Call(app, "/", method="POST").body == b"page /"
    assert Call(app, "/static/none").body == b"page /static/none"
    assert Call(app, "/static/../x").body == b"page /static/../x"


def test_middleware_is_the_same_without_static_files(sio):
    app = Middleware(sio, page, "chat")
    assert isinstance(app, WSGIApp)
    assert app.engineio_path == "/chat/"
    assert Call(app, "/x").body == b"page /x"


def test_attributes_are_python_socketios(sio):
    app = WSGIApp(sio, page, {"/": "x"})
    assert (app.engineio_app, app.wsgi_app, app.static_files) == (sio, page, {"/": "x"})


# --- polling by the server's threads --------------------------------------------------------------


def test_no_thread_is_started_before_the_first_request(sio, app):
    before = threading.active_count()
    Call(app, "/x")
    assert threading.active_count() == before
    Call(app)
    assert threading.active_count() > before


def test_client_joins_sends_and_is_answered_over_polling(sio, app):
    sio.on("echo", lambda sid, *args: args)
    session = Session(app)
    assert session.post(b"40").body == b"ok"
    sid = session.get().packet()["sid"]
    assert sio.transport(sid) == "polling"
    session.post('420["echo",1,"ü"]'.encode())
    assert session.get().body.decode() == '430[1,"ü"]'


def test_thread_waits_for_what_is_emitted_later(sio, app):
    session = Session(app)
    session.post(b"40")
    session.get()
    calls: list[Call] = []
    poll = threading.Thread(target=lambda: calls.append(session.get()))
    poll.start()
    poll.join(0.1)
    assert poll.is_alive()
    sio.emit("late")
    poll.join(DEADLINE_S)
    assert calls[0].body == b'42["late"]'


def test_upgrade_is_not_offered_where_the_connection_can_not_be_had(sio, app):
    assert Session(app).handshake["upgrades"] == []


def test_websocket_is_refused_cleanly_where_the_connection_can_not_be_had(app):
    call = Call(
        app, query="EIO=4&transport=websocket", HTTP_CONNECTION="Upgrade", HTTP_UPGRADE="websocket"
    )
    assert (call.status, call.body) == (400, b"no WebSocket under this WSGI server")


def test_handlers_get_the_servers_own_environ(sio, app):
    seen = []
    sio.on("connect", lambda sid, environ: seen.append(environ))
    session = Session(app, **{"my.key": "set by middleware", "HTTP_COOKIE": "a=b"})
    session.post(b"40")
    sid = session.get().packet()["sid"]
    assert seen[0]["my.key"] == "set by middleware"
    assert seen[0]["HTTP_COOKIE"] == "a=b"
    assert seen[0]["REMOTE_ADDR"] == "192.0.2.7"
    assert sio.get_environ(sid)["my.key"] == "set by middleware"


def test_body_over_the_limit_is_refused_unread(serve):
    session = Session(WSGIApp(serve(max_http_buffer_size=10)))
    body = io.BytesIO(b"x" * 11)
    assert session.post(b"", CONTENT_LENGTH="11", **{"wsgi.input": body}).status == 413
    assert body.tell() == 0


@pytest.mark.parametrize(("size", "status"), [(10, 200), (11, 413)])
def test_body_of_unknown_length_is_read_where_the_server_ends_it(serve, size, status):
    session = Session(WSGIApp(serve(max_http_buffer_size=10)))
    body = io.BytesIO(b"40" + b" " * (size - 2))
    given = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    assert session.post(b"", **given).status == status


def test_post_that_is_cut_off_ends_its_session(sio, app):
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append(reason))
    session = Session(app)
    session.post(b"40")
    session.get()
    assert session.post(b"42", CONTENT_LENGTH="9").status == 400
    eventually(lambda: gone == ["transport error"], "the end of the session")


def test_refusals_are_the_engines(app):
    call = Call(app, query="EIO=4&transport=polling&sid=nobody")
    assert call.status == 400
    assert call.packet() == {"code": 1, "message": "Session ID unknown"}
    assert Call(app, query="EIO=4&transport=pigeon").status == 400


def test_answers_carry_their_length_and_cors_headers(serve):
    sio = serve(cors_allowed_origins="http://a.example")
    call = Call(WSGIApp(sio), HTTP_ORIGIN="http://a.example")
    assert call.headers["content-length"] == str(len(call.body))
    assert call.headers["access-control-allow-origin"] == "http://a.example"
    preflight = Call(WSGIApp(sio), method="OPTIONS", HTTP_ORIGIN="http://a.example")
    assert (preflight.status, preflight.body) == (204, b"")
    assert "content-length" not in preflight.headers


def test_loop_that_does_not_answer_is_a_503(sio, app, monkeypatch):
    session = Session(app)
    monkeypatch.setattr(wsgi, "GRACE_S", -1000)
    monkeypatch.setattr(wsgi_exchange, "LOOK_S", 0.01)
    assert session.get().status == 503


# --- taking connections over ----------------------------------------------------------------------


async def no_friend(request):
    await asyncio.sleep(0)
    return request.header("x-friend") is not None


def test_middleware_and_questions_are_asked_on_the_loop_while_the_thread_waits(serve):
    sio = serve(allow_request=no_friend)
    sio.eio.use(lambda request, response: response.set_header("X-Mine", request.method))
    app = WSGIApp(sio)
    call = Call(app)
    assert (call.status, call.packet()) == (403, {"code": 4, "message": "Forbidden"})
    assert call.headers["x-mine"] == "GET"
    call = Call(app, HTTP_X_FRIEND="1")
    assert (call.status, call.headers["x-mine"]) == (200, "GET")


@pytest.mark.feature("1.3 serve client bundle")
@pytest.mark.parametrize(("accepted", "coding"), [("", None), ("gzip", "gzip")])
def test_client_bundle_is_served(serve, accepted, coding):
    app = WSGIApp(serve(serve_client=True))
    call = Call(app, "/socket.io/socket.io.js", "", HTTP_ACCEPT_ENCODING=accepted)
    assert (call.status, call.headers.get("content-encoding")) == (200, coding)
    assert call.headers["content-type"] == "application/javascript; charset=utf-8"
    body = gzip.decompress(call.body) if coding else call.body
    assert body == (Path(fastsio.__file__).parent / "bundle" / "socket.io.js").read_bytes()


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(the WSGI server's end, the client's)."""
    with connected_sockets() as both:
        yield both


UPGRADE = {
    "HTTP_CONNECTION": "keep-alive, Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
}


@pytest.mark.parametrize("key", ["werkzeug.socket", "gunicorn.socket"])
def test_websocket_takes_the_connection_and_the_thread_is_free(sio, app, connection, key):
    server, client = connection
    sio.on("echo", lambda sid, x: x)
    call = Call(app, query="EIO=4&transport=websocket", **UPGRADE, **{key: server})
    assert (call.status, call.body) == (101, b"")
    head = read_until(client, b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # RFC 6455 1.3
    client.sendall(frame_bytes(TEXT, b"40"))
    read_until(client, b'40{"sid":"')
    client.sendall(frame_bytes(TEXT, b'420["echo",1]'))
    read_until(client, b"430[1]")


def test_client_of_a_taken_connection_is_who_the_environ_says(sio, app, connection):
    server, client = connection
    seen = []
    sio.on("connect", lambda sid, environ: seen.append(environ))
    given = {"REMOTE_ADDR": "198.51.100.9", "wsgi.url_scheme": "https", "my.key": "mine"}
    query = "EIO=4&transport=websocket"
    Call(app, query=query, **UPGRADE, **given, **{"gunicorn.socket": server})
    read_until(client, b'0{"sid":"')
    client.sendall(frame_bytes(TEXT, b"40"))
    read_until(client, b'40{"sid":"')
    assert {key: seen[0][key] for key in given} == given
    assert "gunicorn.socket" not in seen[0]


def test_upgrade_is_offered_where_the_connection_can_be_had(app, connection):
    assert Call(app, **{"gunicorn.socket": connection[0]}).packet()["upgrades"] == ["websocket"]


def test_poll_takes_the_connection_until_it_is_answered(sio, app, connection):
    server, client = connection
    session = Session(app)
    session.post(b"40")
    session.get()
    call = Call(app, query=session.query, **{"gunicorn.socket": server})
    assert (call.status, call.body) == (200, b"")
    sio.emit("late")
    answer = read_until(client, b'42["late"]')
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert client.recv(1) == b""
    assert session.post(b"41").body == b"ok"


def test_client_that_goes_while_it_polls_ends_its_session(sio, app, connection):
    server, client = connection
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append(reason))
    session = Session(app)
    session.post(b"40")
    session.get()
    Call(app, query=session.query, **{"gunicorn.socket": server})
    server.close()
    client.close()
    eventually(lambda: gone == ["transport error"], "the end of the session")


def test_refused_websocket_is_answered_on_its_connection(app, connection):
    server, client = connection
    Call(app, query="EIO=4&transport=nonsense", **UPGRADE, **{"gunicorn.socket": server})
    assert read_until(client, b"Transport unknown").startswith(b"HTTP/1.1 400 ")
    assert client.recv(1) == b""


def test_connection_over_tls_is_not_taken(app, connection):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure = context.wrap_socket(connection[0], server_side=True, do_handshake_on_connect=False)
    call = Call(app, query="EIO=4&transport=websocket", **UPGRADE, **{"werkzeug.socket": secure})
    assert call.status == 400
    assert Call(app, **{"werkzeug.socket": secure}).packet()["upgrades"] == []
    secure.close()


def test_client_that_goes_frees_the_thread_that_waits_for_it(sio, app, connection, monkeypatch):
    monkeypatch.setattr(wsgi_exchange, "LOOK_S", 0.01)
    monkeypatch.setattr(wsgi, "can_be_taken", lambda connection: False)  # as with TLS
    server, client = connection
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append(reason))
    session = Session(app, **{"gunicorn.socket": server})
    session.post(b"40")
    session.get()
    calls: list[Call] = []
    poll = threading.Thread(target=lambda: calls.append(session.get()))
    poll.start()
    poll.join(0.1)
    assert poll.is_alive()
    client.close()
    poll.join(DEADLINE_S)
    assert calls[0].status == 503
    eventually(lambda: gone == ["transport error"], "the end of the session")


# --- the end --------------------------------------------------------------------------------------


def test_shutdown_tells_clients_and_handlers_and_leaves_no_thread(connection):
    before = set(threading.enumerate())
    sio = Server()
    app = WSGIApp(sio, page)
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append(reason))
    server, client = connection
    Call(app, query="EIO=4&transport=websocket", **UPGRADE, **{"werkzeug.socket": server})
    read_until(client, b'0{"sid":"')
    client.sendall(frame_bytes(TEXT, b"40"))
    read_until(client, b'40{"sid":"')
    session = Session(app)
    session.post(b"40")
    session.get()
    calls: list[Call] = []
    poll = threading.Thread(target=lambda: calls.append(session.get()))
    poll.start()
    poll.join(0.05)
    closer = threading.Thread(target=sio.shutdown)
    closer.start()
    read_until(client, b"\x88\x00")
    client.sendall(frame_bytes(8))
    closer.join(DEADLINE_S)
    poll.join(DEADLINE_S)
    assert gone == ["server disconnect"] * 2
    assert calls[0].body == b"1"
    assert client.recv(10) == b""
    assert_no_new_threads(before)
    assert Call(app).status == 503
    assert Call(app, "/x").body == b"page /x"
    sio.shutdown()  # may be repeated
    assert_no_new_threads(before)


def test_handlers_that_do_not_end_do_not_hold_up_a_shutdown(monkeypatch):
    monkeypatch.setattr(wsgi.Gateway.close, "__defaults__", (0.05,))
    sio = Server()
    release = threading.Event()
    sio.on("block", lambda sid: release.wait(DEADLINE_S))
    session = Session(WSGIApp(sio))
    session.post(b'40\x1e42["block"]')
    closer = threading.Thread(target=sio.shutdown)
    closer.start()
    closer.join(DEADLINE_S)
    assert not closer.is_alive()
    release.set()


def test_shutdown_of_a_server_that_was_never_served_does_nothing():
    before = threading.active_count()
    Server().shutdown()
    assert threading.active_count() == before


def test_requests_join_the_loop_that_serves_already_and_outlive_it(sio, app):
    thread = LoopThread("other-loop")
    bridge = Bridge(thread.loop)
    server = bridge.run(fastsio.start, sio, port=0)
    session = Session(app)
    assert list(server.engine.sessions) == [session.handshake["sid"]]
    assert "fastsio-loop" not in [one.name for one in threading.enumerate()]
    bridge.run(server.close)
    thread.stop()
    session = Session(app)
    assert session.post(b"40").body == b"ok"
    assert "fastsio-loop" in [one.name for one in threading.enumerate()]


def test_forked_child_has_a_loop_and_sessions_of_its_own(sio, app):
    Session(app)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            session = Session(app)
            joined = session.post(b"40").body == b"ok" and b'40{"sid":"' in session.get().body
            status = 0 if joined and len(sio.eio.sockets) == 1 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Session(app).post(b"40").body == b"ok"


# --- as ASGI --------------------------------------------------------------------------------------


def test_as_asgi_gives_an_asgi_app_with_the_same_parts(sio):
    app = WSGIApp(sio, page, {"/": "index.html"}, "chat").as_asgi()
    assert isinstance(app, ASGIApp)
    assert app.engineio_server is sio
    assert app.engineio_path == "/chat/"
    assert app.static_files == {"/": "index.html"}
    assert app.other_asgi_app is not None
    assert WSGIApp(sio).as_asgi().other_asgi_app is None
    assert sio.as_asgi().engineio_server is sio


def test_missing_a2wsgi_is_named_with_its_extra(sio, monkeypatch):
    monkeypatch.setitem(sys.modules, "a2wsgi", None)
    with pytest.raises(ImportError, match=r'pip install "fastsio\[wsgi\]"'):
        WSGIApp(sio, page).as_asgi()

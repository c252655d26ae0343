"""Serving an ASGIApp: natively, with another ASGI application beside it, from its startup to its shutdown."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastsio
from asgi_pages import Pages, answer
from fastsio.asgi import ASGIApp
from fastsio.doors.lifespan import StartupFailed
from harness import (
    CLOSE,
    DEADLINE_S,
    MS,
    TEXT,
    FakePeer,
    RawConnection,
    RawWebSocket,
    http,
    request_bytes,
    until,
)

PACKAGE_ROOT = str(Path(fastsio.__file__).resolve().parents[1])
OPEN = "/socket.io/?EIO=4&transport=polling"


def echo_server(**options):
    sio = fastsio.AsyncServer(**options)
    sio.on("echo", lambda sid, value: value)
    return sio


async def check_echo(peer: FakePeer) -> None:
    await peer.send('420["echo","x"]')
    assert await peer.receive() == '430["x"]'


# --- without another application ------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_asgi_app_is_served_natively(serve, transport):
    server = await serve(ASGIApp(echo_server()))
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    await check_echo(peer)
    await peer.close()


async def test_path_is_compared_as_python_socketio_does(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), socketio_path="/rt/"))
    for target in ("/rt/?EIO=4", "/rt?EIO=4", "/rt/x", "/%72t"):
        assert (await http(server.url, "GET", target)).json()["code"] == 0
    for target in ("/socket.io/", "/rtx", "/"):
        assert (await http(server.url, "GET", target)).status == 404


async def test_without_a_path_everything_is_socketio(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages(), socketio_path=None))
    assert (await http(server.url, "GET", "/anything")).json()["code"] == 0


async def test_static_files_of_the_asgi_app_are_served_and_may_come_later(serve, tmp_path):
    files = {"/": str(tmp_path / "index.html"), "/static": str(tmp_path)}
    server = await serve(ASGIApp(fastsio.AsyncServer(), static_files=files))
    assert (await http(server.url, "GET", "/")).status == 404
    (tmp_path / "index.html").write_text("<p>home</p>")
    (tmp_path / "a b.js").write_text("1")
    response = await http(server.url, "GET", "/")
    assert (response.status, response.body) == (200, b"<p>home</p>")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert (await http(server.url, "GET", "/static/a%20b.js")).body == b"1"
    assert (await http(server.url, "GET", "/static/../secret")).status == 404


async def test_subclass_answers_in_its_own_way(serve):
    class Own(ASGIApp):
        async def __call__(self, scope, receive, send):
            paths.append(scope.get("path"))
            await super().__call__(scope, receive, send)

        async def not_found(self, receive, send):
            await answer(send, b"nothing here")

    paths = []
    server = await serve(Own(echo_server()))
    assert (await http(server.url, "GET", "/")).body == b"nothing here"
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await check_echo(peer)
    assert paths == [None, "/", "/socket.io/"]
    await peer.close()


async def test_server_with_an_application_of_its_own_says_as_asgi(serve):
    class Sync:
        def as_asgi(self):
            return ASGIApp(echo_server(), Pages())

    server = await serve(Sync())
    assert (await http(server.url, "GET", "/hello")).body == b"hello"
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await check_echo(peer)
    await peer.close()


async def test_application_may_have_a_default_path(serve):
    class Raw(fastsio.IO):
        default_path = "engine.io"

    server = await serve(Raw())
    assert (await http(server.url, "GET", "/engine.io/")).json()["code"] == 0
    assert (await http(server.url, "GET", "/socket.io/")).status == 404
    server = await serve(Raw(), socketio_path="rt")
    assert (await http(server.url, "GET", "/rt/")).json()["code"] == 0


async def test_what_is_no_application_of_ours_is_a_typeerror(serve):
    with pytest.raises(TypeError, match=r"can't be served: give an AsyncServer, an IO"):
        await serve(Pages())


@pytest.mark.parametrize("option", [{"socketio_path": "rt"}, {"static_files": {"/": "x"}}])
async def test_option_that_is_the_asgi_apps_own_is_a_valueerror(serve, option):
    with pytest.raises(ValueError, match=r"give it to the ASGIApp that is served"):
        await serve(ASGIApp(fastsio.AsyncServer()), **option)


# --- uvicorn is an extra --------------------------------------------------------------------------

WITHOUT_UVICORN = """
import asyncio, importlib, sys
sys.modules["uvicorn"] = None
import fastsio
from fastsio.asgi import ASGIApp

async def page(scope, receive, send):
    raise RuntimeError("no lifespan")

async def main():
    server = await fastsio.start(ASGIApp(fastsio.AsyncServer()), port=0)
    await server.close()
    try:
        await fastsio.start(ASGIApp(fastsio.AsyncServer(), page), port=0)
    except ImportError as error:
        print(error)
    try:
        importlib.import_module("fastsio.uvicorn")
    except ImportError as error:
        print(error)

asyncio.run(main())
"""


def test_uvicorn_is_needed_only_for_another_application_and_named_then():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UVICORN],
        env=os.environ | {"PYTHONPATH": PACKAGE_ROOT}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    beside, protocol = done.stdout.splitlines()
    assert (
        beside
        == 'another application beside Socket.IO needs uvicorn: pip install "fastsio[uvicorn]"'
    )
    assert protocol == 'fastsio.uvicorn needs uvicorn: pip install "fastsio[uvicorn]"'


def test_serving_without_another_application_imports_no_uvicorn():
    code = "import sys, fastsio.serve, fastsio.cli; print(sorted(n for n in sys.modules if n[:7] == 'uvicorn'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": PACKAGE_ROOT}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


# --- lifespan -------------------------------------------------------------------------------------


async def test_startup_comes_before_the_first_request_and_shutdown_behind_the_last_disconnect(
    serve,
):
    events = []
    sio = echo_server()

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        events.append(reason)

    app = ASGIApp(
        sio,
        on_startup=lambda: events.append("startup"),
        on_shutdown=lambda: events.append("shutdown"),
    )
    server = await serve(app)
    assert events == ["startup"]
    peer = await FakePeer(server.url).open()
    await peer.connect()
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    await closing
    assert events == ["startup", "server disconnect", "shutdown"]


async def test_lifespan_of_the_other_application_gives_its_requests_state(serve):
    pages = Pages()
    server = await serve(ASGIApp(fastsio.AsyncServer(), pages))
    assert pages.events == ["startup"]
    assert (await http(server.url, "GET", "/state")).body == b"made at startup"
    await server.close()
    assert pages.events == ["startup", "shutdown"]


async def test_startup_that_fails_stops_the_start(serve, unused_port):
    pages = Pages(startup_error="no database")
    with pytest.raises(StartupFailed, match="no database"):
        await serve(ASGIApp(fastsio.AsyncServer(), pages), port=unused_port)
    with pytest.raises(ConnectionRefusedError):
        await RawConnection.open(f"http://127.0.0.1:{unused_port}")


async def test_application_is_shut_down_when_the_port_is_taken(serve):
    first = await serve(fastsio.IO())
    pages = Pages()
    sio = fastsio.AsyncServer()
    with pytest.raises(OSError, match=str(first.port)):
        await serve(ASGIApp(sio, pages), port=first.port)
    assert pages.events == ["startup", "shutdown"]
    assert sio.hub.engine is None


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# --- beside another application -------------------------------------------------------------------


async def test_pages_and_socketio_on_one_connection(serve):
    server = await serve(ASGIApp(echo_server(), Pages()))
    connection = await RawConnection.open(server.url)
    for _ in range(3):
        assert (await connection.request("GET", "/hello")).body == b"hello"
        assert (await connection.request("GET", OPEN)).body.startswith(b'0{"sid":"')
        assert (await connection.request("POST", "/size", b"x" * 300_000)).body == b"300000"
        assert (await connection.request("GET", "/stream")).body == b"0\n1\n2\n"
        assert (await connection.request("HEAD", "/hello")).status == 200
        assert (await connection.request("GET", "/missing")).status == 404
    assert len(server.connections) == 1
    await connection.close()
    await until(lambda: not server.connections, "the connection is forgotten")
    server.engine.close("test over")


async def test_requests_sent_ahead_are_answered_in_their_order(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    connection = await RawConnection.open(server.url)
    chunked = (
        b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    requests = [
        request_bytes("GET", "/hello"), request_bytes("GET", OPEN),
        request_bytes("POST", "/size", b"12345"), chunked, request_bytes("GET", "/stream"),
    ]  # fmt: skip
    connection.write(b"".join(requests * 20))
    for _ in range(20):
        for start in (b"hello", b'0{"sid', b"5", b"3", b"0\n1"):
            assert (await connection.read_response()).body.startswith(start)
    await connection.close()
    server.engine.close("test over")


async def test_our_answer_comes_behind_a_page_that_the_client_reads_late(serve):
    """Our direct sends must not overtake what uvicorn's protocol has written."""
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    connection = await RawConnection.open(server.url)
    pages = server._server
    for _ in range(3):
        connection.write(request_bytes("GET", "/big"))
        connection.write(request_bytes("GET", OPEN) * 3 + request_bytes("GET", "/hello"))
        await until(lambda: pages.beside.state.tasks, "the page is being written")
        response = await connection.read_response()
        assert response.body == b"".join(b"%08d" % i * 12_500 for i in range(100))
        for _ in range(3):
            assert (await connection.read_response()).body.startswith(b'0{"sid')
        assert (await connection.read_response()).body == b"hello"
    await connection.close()
    server.engine.close("test over")


async def test_request_that_comes_byte_by_byte_reaches_its_side(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    connection = await RawConnection.open(server.url)
    for byte in request_bytes("POST", "/size", b"hello") + request_bytes("GET", OPEN):
        connection.write(bytes([byte]))
        await asyncio.sleep(0)
    assert (await connection.read_response()).body == b"5"
    assert (await connection.read_response()).body.startswith(b'0{"sid')
    await connection.close()
    server.engine.close("test over")


async def test_streams_flow_both_ways(serve):
    pages = Pages()
    server = await serve(ASGIApp(fastsio.AsyncServer(), pages))
    connection = await RawConnection.open(server.url)
    connection.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    await connection.read_until(b"\r\n\r\n")
    for part in (b"one", b"two"):
        connection.write(b"3\r\n%b\r\n" % part)
        assert await connection.read_until(part + b"\r\n") == b"3\r\n" + part + b"\r\n"
    connection.write(b"0\r\n\r\n")
    await connection.read_until(b"0\r\n\r\n")
    assert (await connection.request("GET", "/hello")).body == b"hello"
    await connection.close()


async def test_websocket_of_the_application_beside_is_its_own(serve):
    server = await serve(ASGIApp(echo_server(), Pages()))
    connection = await RawConnection.open(server.url)
    await connection.request("GET", "/hello")
    await connection.close()
    ws = await RawWebSocket.open(server.url, "/ws")
    peer = await FakePeer(server.url).open()
    await peer.connect()
    for _ in range(3):
        ws.send(TEXT, b"hi")
        assert await ws.receive() == (TEXT, b"echo hi")
        await check_echo(peer)
    await peer.close()
    ws.send(CLOSE, b"\x03\xe8")
    await ws.receive_close()
    await ws.connection.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_tls_serves_both_sides(serve, certificate, transport):
    cert, key = certificate
    server = await serve(ASGIApp(echo_server(), Pages()), ssl_certfile=cert, ssl_keyfile=key)
    connection = await RawConnection.open(server.url)
    for _ in range(2):
        assert (await connection.request("GET", "/scheme")).body == b"https"
        assert (await connection.request("POST", "/size", b"x" * 500_000)).body == b"500000"
        assert (await connection.request("GET", "/socket.io/")).json()["code"] == 0
        assert len((await connection.request("GET", "/big")).body) == 10_000_000
    await connection.close()
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    await check_echo(peer)
    await peer.close()
    ws = await RawWebSocket.open(server.url, "/ws")
    ws.send(TEXT, b"hi")
    assert await ws.receive() == (TEXT, b"echo hi")
    await ws.connection.close()


@pytest.mark.parametrize(
    ("trusted", "client"),
    [(None, b"http 127.0.0.1"), ("127.0.0.1", b"https 203.0.113.9"), ("*", b"https 203.0.113.9")],
)
async def test_trusted_proxies_are_trusted_for_the_other_application_too(serve, trusted, client):
    server = await serve(ASGIApp(fastsio.AsyncServer(trusted_proxies=trusted), Pages()))
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert (await http(server.url, "GET", "/client", None, headers)).body == client


async def test_socketio_behind_middleware_goes_through_it(serve):
    class Middleware:
        def __init__(self, app):
            self.app, self.seen = app, []

        async def __call__(self, scope, receive, send):
            self.seen.append(scope.get("path"))
            await self.app(scope, receive, send)

    app = Middleware(ASGIApp(echo_server(), Pages()))
    server = await serve(app)
    assert (await http(server.url, "GET", "/hello")).body == b"hello"
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await check_echo(peer)
    assert app.seen == [None, "/hello", "/socket.io/"]
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    await closing


async def test_error_of_the_application_is_a_500_and_ends_nothing_else(serve):
    server = await serve(ASGIApp(echo_server(), Pages()))
    peer = await FakePeer(server.url).open()
    await peer.connect()
    assert (await http(server.url, "GET", "/error")).status == 500
    await check_echo(peer)
    await peer.close()


async def test_what_is_no_http_gets_uvicorns_answer(serve):
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    for wrong in (b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", b"nonsense\r\n\r\n"):
        connection = await RawConnection.open(server.url)
        connection.write(wrong)
        assert (await connection.read_response()).status == 400
        await connection.close()


async def test_http_1_0_is_served_on_both_sides(serve):
    """Such a connection is uvicorn's, and Socket.IO reaches the same engine through ASGI."""
    server = await serve(ASGIApp(fastsio.AsyncServer(), Pages()))
    for target, start in (("/hello", b"hello"), (OPEN, b'0{"sid')):
        connection = await RawConnection.open(server.url)
        connection.write(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert (await connection.read_response()).body.startswith(start)
        await connection.close()
    assert len(server.engine.sessions) == 1
    server.engine.close("test over")


async def test_client_that_goes_in_the_middle_of_a_page_is_told_to_the_application(serve):
    pages = Pages()
    server = await serve(ASGIApp(fastsio.AsyncServer(), pages))
    connection = await RawConnection.open(server.url)
    connection.write(request_bytes("GET", "/hold"))
    await until(lambda: pages.held, "the page is asked for")
    connection.abort()
    await until(lambda: "http.disconnect" in pages.events, "the application hears of it")
    await until(lambda: not server.connections, "the connection is forgotten")


# --- the stop -------------------------------------------------------------------------------------


async def test_close_ends_clients_of_both_sides(serve):
    sio, pages, reasons = echo_server(), Pages(), []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    server = await serve(ASGIApp(sio, pages))
    idle = await RawConnection.open(server.url)
    await idle.request("GET", "/hello")
    busy = await RawConnection.open(server.url)
    busy.write(request_bytes("GET", "/hold"))
    ws = await RawWebSocket.open(server.url, "/ws")
    peer = await FakePeer(server.url).open()
    await peer.connect()
    await until(lambda: pages.held, "the page is asked for")
    assert len(server.connections) == 4
    closing = asyncio.ensure_future(server.close())
    assert await idle.read_to_end() == b""
    assert (await ws.receive_close())[0] == 1012
    await peer.ws.receive_close()
    await peer.close()
    pages.release()
    response = await busy.read_response()
    assert (response.body, response.headers["connection"]) == (b"released", "close")
    await closing
    assert reasons == ["server disconnect"]
    assert pages.events == ["startup", "shutdown"]
    assert not server.connections
    for connection in (idle, busy, ws.connection):
        await connection.close()


async def test_page_that_does_not_end_is_cancelled_after_shutdown_timeout(serve):
    pages = Pages()
    server = await serve(ASGIApp(fastsio.AsyncServer(), pages), shutdown_timeout=50 * MS)
    connection = await RawConnection.open(server.url)
    connection.write(request_bytes("GET", "/hold"))
    await until(lambda: pages.held, "the page is asked for")
    await asyncio.wait_for(server.close(), DEADLINE_S)
    assert "cancelled" in pages.events
    assert not server.connections
    await connection.close()

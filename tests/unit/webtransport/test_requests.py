"""Who may open a WebTransport session: path, Origin, middleware, allow_request; and what is no WebTransport at all.

Source: RFC 9220; draft-ietf-webtrans-http3, "Establishing a Session"; engine.io-protocol v4.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

import fastsio
from harness import RawConnection, until
from webtransport_peer import WebTransportPeer

REQUEST_REJECTED = 0x10B
# asyncio's own loop has its turn in test_sessions.py.
pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])


async def outcome(app, path="/socket.io/", **fields):
    """The status of a CONNECT; after any but 200 the connection ends, and the client's part of the server with it."""
    async with app.peer() as peer:
        status = await peer.connect(path, **fields)
        if status != 200:
            await peer.http.ended_by_server()
            await app.gone()
        return status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/socket.io/", 200),
        ("/socket.io/?EIO=4&transport=webtransport", 200),
        (
            "/socket.io/?transport=polling&sid=x",
            200,
        ),  # the first packet says what is wanted, and nothing else
        ("/socket.io/more", 200),
    ],
)
async def test_query_of_the_connect_is_the_applications_own(webtransport_app, path, status):
    assert await outcome(await webtransport_app(), path) == status


@pytest.mark.parametrize("path", ["/", "/socket.io", "/engine.io/", "/socket.iox/"])
async def test_other_path_is_a_404(webtransport_app, path):
    app = await webtransport_app()
    async with app.peer() as peer:
        assert await peer.connect(path) == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({b":method": b"GET", b":protocol": None}, 404),
        ({b":method": b"POST", b":protocol": None}, 404),
        ({b":protocol": b"websocket"}, 404),
        ({b":protocol": None}, 404),
        ({b":scheme": b"http"}, 400),
        ({b":path": b"*"}, 400),
        ({b":path": b"/socket.io/ HTTP/1.1"}, 400),
    ],
)
async def test_what_is_no_webtransport_is_refused(webtransport_app, changes, status):
    app = await webtransport_app()
    async with app.peer() as peer:
        headers = [(name, changes.get(name, value)) for name, value in peer.connect_headers()]
        stream_id = peer.http.request([one for one in headers if one[1] is not None])
        assert await peer.http.status(stream_id) == status
        await peer.open()  # the connection is none the worse for it


@pytest.mark.parametrize("transport", ["webtransport"])
async def test_transport_is_unknown_over_tcp(webtransport_app, transport):
    """As in Node, whether there is a listener for it or not."""
    app = await webtransport_app()
    connection = await RawConnection.open(app.server.url)
    target = f"/socket.io/?EIO=4&transport={transport}"
    answer = await connection.request("GET", target)
    assert (answer.status, answer.json()) == (400, {"code": 0, "message": "Transport unknown"})
    answer = await connection.request("CONNECT", target)
    assert answer.status == 400
    await connection.close()


@pytest.mark.parametrize(
    ("option", "origin", "status"),
    [
        ({"check_origin": True}, None, 200),
        ({"check_origin": True}, "https://127.0.0.1:{port}", 200),
        ({"check_origin": True}, "https://evil.example", 403),
        (
            {"check_origin": True, "cors_allowed_origins": "https://app.example"},
            "https://app.example",
            200,
        ),
        (
            {"check_origin": True, "cors_allowed_origins": "https://app.example"},
            "https://evil.example",
            403,
        ),
        ({"check_origin": True, "cors_allowed_origins": []}, "https://evil.example", 200),
        ({}, "https://evil.example", 200),  # Node's default
    ],
)
async def test_origin_is_checked_as_for_other_transports(webtransport_app, option, origin, status):
    app = await webtransport_app(**option)
    fields = {} if origin is None else {"origin": origin.format(port=app.server.port)}
    assert await outcome(app, **fields) == status


async def test_python_socketio_style_checks_the_origin_by_itself(serve, certificate):
    sio = fastsio.AsyncServer(transports=["websocket", "webtransport"])
    environs = []
    sio.on("connect", lambda sid, environ: environs.append(environ))
    server = await serve(sio, ssl_certfile=certificate[0], ssl_keyfile=certificate[1])
    async with WebTransportPeer.at(server) as peer:
        assert await peer.connect(origin="https://evil.example") == 403
    async with WebTransportPeer.at(server) as peer:
        await (await peer.open(origin=server.url)).join()
        environ = environs[0]
        assert environ["REQUEST_METHOD"] == "CONNECT"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["HTTP_ORIGIN"] == server.url
        sid = sio.manager.eio_sid_from_sid
        assert sid is not None
        peer.close_session()
        await until(lambda: not server.webtransport.connections, "the end")


async def test_middleware_sees_the_connect_and_may_refuse_it(webtransport_app):
    """Node refuses every client over WebTransport where there is middleware."""
    app = await webtransport_app()
    seen = []

    @app.io.engine.use
    async def middleware(request, response):
        seen.append((request.method, request.headers.get("x-key")))
        await asyncio.sleep(0)
        if request.headers.get("x-key") != "right":
            raise PermissionError("no key")
        response.set_header("x-seen", "yes")

    assert await outcome(app) == 400
    async with app.peer() as peer:
        assert await peer.connect(x_key="right") == 200
        assert peer.http.headers[peer.session_id][b"x-seen"] == b"yes"
        peer.open_stream()
        peer.send("0")
        assert (await peer.receive())[0] == "0"
    assert seen == [("CONNECT", None), ("CONNECT", "right")]


async def test_middleware_may_answer_the_connect_itself(webtransport_app):
    app = await webtransport_app()

    @app.io.engine.use
    def middleware(request, response):
        response.status(429).end("later")

    async with app.peer() as peer:
        assert await peer.connect() == 429
        await peer.http.ended_by_server()
        assert peer.http.data[peer.session_id] == b"later"


@pytest.mark.fault(
    "a WebTransport client goes while engine middleware is at work",
    "its task ends, nothing is kept",
)
async def test_client_that_goes_during_middleware_leaves_nothing(webtransport_app):
    app = await webtransport_app()
    began, ended = asyncio.Event(), asyncio.Event()

    @app.io.engine.use
    async def middleware(request, response):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with app.peer() as peer:
        peer.http.request(peer.connect_headers())
        await began.wait()
    await asyncio.wait_for(ended.wait(), 5)
    await app.gone()


async def test_application_that_is_asked_lets_a_client_in_later(webtransport_app):
    answer = asyncio.get_running_loop().create_future()
    app = await webtransport_app(allow_request=lambda request: answer)
    async with app.peer() as peer:
        assert await peer.connect() == 200
        peer.open_stream()
        peer.send("0", "40", '42["echo",1]')  # what it sends meanwhile waits
        await until(lambda: app.door.connections, "the client")
        assert app.sessions == {}
        answer.set_result(True)
        assert (await peer.receive())[0] == "0"
        assert (await peer.receive()).startswith("40{")
        assert await peer.receive() == '42["echo",1]'


async def test_client_that_the_application_refuses_fails_at_once(webtransport_app):
    errors = []
    app = await webtransport_app(allow_request=lambda request: ("not today", False))
    app.io.engine.on("connection_error", errors.append)
    async with app.peer() as peer:
        assert await peer.connect() == 200
        peer.open_stream()
        peer.send("0")
        end = await peer.http.ended_by_server()
        assert end.error_code == REQUEST_REJECTED
        assert "not today" in end.reason_phrase
    await app.gone()
    assert len(errors) == 1


@pytest.mark.fault(
    "a WebTransport client goes while allow_request is at work", "no session, nothing is kept"
)
async def test_client_that_goes_while_the_application_is_asked_leaves_nothing(webtransport_app):
    asked, ended = asyncio.Event(), asyncio.Event()

    async def allow(request):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app = await webtransport_app(allow_request=allow)
    async with app.peer() as peer:
        await peer.connect()
        peer.open_stream()
        peer.send("0")
        await asked.wait()
    await asyncio.wait_for(ended.wait(), 5)
    await app.gone()
    assert app.sessions == {}


async def test_generated_ids_are_used(webtransport_app):
    app = await webtransport_app(generate_id=lambda request: "own-id")
    async with app.peer() as peer:
        await peer.open()
        assert peer.handshake["sid"] == "own-id"


async def test_server_over_tls_and_quic_has_one_port_and_certificate(serve, certificate):
    io = fastsio.IO(transports=["polling", "webtransport"])
    server = await serve(io, ssl_certfile=certificate[0], ssl_keyfile=certificate[1])
    assert server.url.startswith("https://")
    async with WebTransportPeer.at(server) as peer:
        await (await peer.open()).join()
    await until(lambda: not server.webtransport.connections, "the end")


async def test_port_that_is_taken_is_an_error_and_leaves_nothing(serve, certificate, watch):
    import socket

    io = fastsio.IO(transports=["webtransport"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        files = {"certfile": certificate[0], "keyfile": certificate[1]}
        with pytest.raises(OSError, match=r"[Aa]ddress"):
            await serve(io, port=0, webtransport=files | {"port": taken.getsockname()[1]})
    assert io.hub.engine is None


async def test_certificate_that_is_none_is_an_error_and_leaves_nothing(serve, tmp_path, watch):
    (tmp_path / "empty.pem").write_text("nothing")
    io = fastsio.IO(transports=["webtransport"])
    for file in ("empty.pem", "missing.pem"):
        with pytest.raises((ValueError, OSError)):
            await serve(io, webtransport={"certfile": str(tmp_path / file)})
        assert io.hub.engine is None


async def test_missing_package_is_an_error_that_names_the_extra(serve, certificate, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith(("aioquic", "fastsio.webtransport.")) and "settings" not in name:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aioquic", None)
    io = fastsio.IO(transports=["webtransport"])
    with pytest.raises(
        ImportError, match=r"webtransport needs aioquic: pip install .fastsio\[webtransport\]"
    ):
        await serve(io, ssl_certfile=certificate[0], ssl_keyfile=certificate[1])

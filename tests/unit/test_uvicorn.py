"""SioHttpProtocol under uvicorn's own server: whose a request is, counting, logging, limits, the stop."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

import fastsio
from asgi_pages import Pages
from fastsio._shared import SecureSharedConn, SharedConn
from fastsio.asgi import ASGIApp
from fastsio.uvicorn import SioHttpProtocol
from harness import (
    DEADLINE_S,
    TEXT,
    FakePeer,
    RawConnection,
    RawWebSocket,
    http,
    request_bytes,
    unchecked_tls,
    until,
)
from uvicorn_tools import UvicornInLoop

OPEN = "/socket.io/?EIO=4&transport=polling"


class H11SioHttpProtocol(SioHttpProtocol):
    beside_class = H11Protocol


@pytest_asyncio.fixture
async def under_uvicorn(watch):
    """`server = await under_uvicorn(app, **config)`; stopped at the end."""
    servers = []

    async def start(app, **config):
        servers.append(UvicornInLoop(app, **config))
        return await servers[-1].start()

    yield start
    for server in servers:
        await server.stop()


def echo_server(**options):
    sio = fastsio.AsyncServer(**options)
    sio.on("echo", lambda sid, value: value)
    return sio


def only_session(sio):
    (session,) = sio.hub.engine.sessions.values()
    return session


async def check_echo(peer):
    await peer.send('420["echo","x"]')
    assert await peer.receive() == '430["x"]'


# --- whose a request is ---------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [SioHttpProtocol, H11SioHttpProtocol])
async def test_pages_and_socketio_on_one_connection(under_uvicorn, protocol):
    server = await under_uvicorn(ASGIApp(fastsio.AsyncServer(), Pages()), http=protocol)
    connection = await RawConnection.open(server.url)
    for _ in range(3):
        response = await connection.request("GET", "/hello")
        assert response.body == b"hello"
        assert response.headers["server"] == "uvicorn"
        response = await connection.request("GET", OPEN)
        assert response.body.startswith(b'0{"sid":"')
        assert "server" not in response.headers
        assert (await connection.request("POST", "/size", b"x" * 300_000)).body == b"300000"
        assert (await connection.request("GET", "/stream")).body == b"0\n1\n2\n"
    await connection.close()


async def test_client_bundle_and_the_engines_middleware_on_the_compiled_connection(under_uvicorn):
    sio = fastsio.AsyncServer(serve_client=True)
    sio.eio.use(lambda request, response: response.set_header("X-Mine", "1"))
    server = await under_uvicorn(ASGIApp(sio, Pages()))
    connection = await RawConnection.open(server.url)
    response = await connection.request(
        "GET", "/socket.io/socket.io.js", None, {"Accept-Encoding": "br"}
    )
    assert (response.status, response.headers["content-encoding"]) == (200, "br")
    response = await connection.request("GET", OPEN)
    assert (response.status, response.headers["x-mine"]) == (200, "1")
    assert (await connection.request("GET", "/hello")).body == b"hello"
    await connection.close()


@pytest.mark.parametrize("protocol", [SioHttpProtocol, H11SioHttpProtocol])
async def test_requests_sent_ahead_are_answered_in_their_order(under_uvicorn, protocol):
    server = await under_uvicorn(ASGIApp(fastsio.AsyncServer(), Pages()), http=protocol)
    connection = await RawConnection.open(server.url)
    requests = [
        request_bytes("GET", "/hello"), request_bytes("GET", OPEN),
        request_bytes("POST", "/size", b"12345"), request_bytes("GET", "/stream"),
    ]  # fmt: skip
    connection.write(b"".join(requests * 10))
    for _ in range(10):
        for start in (b"hello", b'0{"sid', b"5", b"0\n1"):
            assert (await connection.read_response()).body.startswith(start)
    await connection.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_socketio_runs_on_the_compiled_connection(under_uvicorn, transport):
    sio = echo_server()
    server = await under_uvicorn(ASGIApp(sio, Pages()))
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    await check_echo(peer)
    if transport == "polling":
        await peer.upgrade()
        await check_echo(peer)
    assert type(only_session(sio).outlet) is SharedConn
    await peer.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_tls(under_uvicorn, certificate, transport):
    sio = echo_server()
    cert, key = certificate
    server = await under_uvicorn(ASGIApp(sio, Pages()), ssl_certfile=cert, ssl_keyfile=key)
    assert (await http(server.url, "GET", "/scheme")).body == b"https"
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    await check_echo(peer)
    session = only_session(sio)
    assert session.is_secure
    if transport == "websocket":
        assert type(session.outlet) is SecureSharedConn
    await peer.close()


async def test_websocket_of_the_application_is_uvicorns(under_uvicorn):
    server = await under_uvicorn(ASGIApp(fastsio.AsyncServer(), Pages()))
    ws = await RawWebSocket.open(server.url, "/ws")
    ws.send(TEXT, b"hi")
    assert await ws.receive() == (TEXT, b"echo hi")
    assert not any(isinstance(c, SharedConn) for c in server.connections)
    await ws.connection.close()


async def test_unix_socket(under_uvicorn, tmp_path):
    path = str(tmp_path / "sock")
    await under_uvicorn(ASGIApp(fastsio.AsyncServer(), Pages()), uds=path)
    connection = RawConnection(*await asyncio.open_unix_connection(path))
    for _ in range(2):
        assert (await connection.request("GET", "/hello")).body == b"hello"
        assert (await connection.request("GET", OPEN)).body.startswith(b'0{"sid":"')
    await connection.close()


async def test_root_path_is_for_the_application_and_socketio_is_found_with_it_and_without(
    under_uvicorn,
):
    server = await under_uvicorn(ASGIApp(fastsio.AsyncServer(), Pages()), root_path="/api")
    assert (await http(server.url, "GET", "/socket.io/")).json()["code"] == 0
    server = await under_uvicorn(
        ASGIApp(fastsio.AsyncServer(), Pages(), socketio_path="/api/rt"), root_path="/api"
    )
    assert (await http(server.url, "GET", "/rt/")).json()["code"] == 0


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("config", "client"),
    [
        ({}, "https 203.0.113.9"),
        ({"forwarded_allow_ips": "10.0.0.1, 127.0.0.0/8,"}, "https 203.0.113.9"),
        ({"forwarded_allow_ips": "*"}, "https 203.0.113.9"),
        ({"forwarded_allow_ips": "10.0.0.1,example"}, "http 127.0.0.1"),
        ({"proxy_headers": False}, "http 127.0.0.1"),
    ],
)
async def test_proxies_that_uvicorn_trusts_are_trusted_for_socketio(under_uvicorn, config, client):
    sio, clients = echo_server(), []

    @sio.event
    def connect(sid, environ):
        clients.append(f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}")

    server = await under_uvicorn(ASGIApp(sio, Pages()), **config)
    assert (await http(server.url, "GET", "/client", None, FORWARDED)).body.decode() == client
    peer = await FakePeer(server.url, headers=FORWARDED).open()
    await peer.connect()
    assert clients == [client]
    await peer.close()


async def test_trusted_proxies_of_the_application_go_before_uvicorns(under_uvicorn):
    sio, clients = echo_server(trusted_proxies="10.0.0.1"), []
    sio.on("connect", lambda sid, environ: clients.append(environ["REMOTE_ADDR"]))
    server = await under_uvicorn(ASGIApp(sio, Pages()))
    peer = await FakePeer(server.url, headers=FORWARDED).open()
    await peer.connect()
    assert clients == ["127.0.0.1"]
    await peer.close()


# --- where the ASGIApp is -------------------------------------------------------------------------


def fastapi_with_mounted(sio, path="/rt"):
    api = FastAPI()

    @api.get("/hello")
    async def hello():
        return "hello"

    api.mount(path, ASGIApp(sio))
    return api


@pytest.mark.parametrize("path", ["/rt", "/"])
async def test_asgi_app_that_fastapi_has_mounted_is_found(under_uvicorn, path):
    sio = echo_server()
    server = await under_uvicorn(fastapi_with_mounted(sio, path))
    assert (await http(server.url, "GET", "/hello")).json() == "hello"
    peer = await FakePeer(server.url, path=f"{path.rstrip('/')}/socket.io/").open()
    await peer.connect()
    await check_echo(peer)
    assert type(only_session(sio).outlet) is SharedConn
    await peer.close()


async def test_mounted_behind_middleware_it_is_served_through_asgi(under_uvicorn, caplog):
    sio = echo_server()
    api = fastapi_with_mounted(sio)
    api.add_middleware(CORSMiddleware, allow_origins=["*"])
    server = await under_uvicorn(api)
    peer = await FakePeer(server.url, path="/rt/socket.io/").open()
    await peer.connect()
    await check_echo(peer)
    assert type(only_session(sio).outlet) is not SharedConn
    warnings = [record for record in caplog.records if "has middleware before" in record.message]
    assert len(warnings) == 1
    await peer.close()


async def test_application_may_name_its_asgi_app(under_uvicorn):
    sio = echo_server()
    api = fastapi_with_mounted(sio)
    api.add_middleware(CORSMiddleware, allow_origins=["*"])
    api.fastsio_app = ASGIApp(sio, socketio_path="/rt/socket.io")
    server = await under_uvicorn(api)
    peer = await FakePeer(server.url, path="/rt/socket.io/").open()
    await peer.connect()
    assert type(only_session(sio).outlet) is SharedConn
    await peer.close()


async def test_application_without_socketio_is_served_as_by_uvicorn(under_uvicorn, caplog):
    server = await under_uvicorn(Pages())
    assert (await http(server.url, "GET", "/hello")).body == b"hello"
    assert "carries no ASGIApp" in caplog.text


# --- counting, limits, logs -----------------------------------------------------------------------


async def test_every_connection_is_counted_once(under_uvicorn):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()))
    connection = await RawConnection.open(server.url)
    for target in ("/hello", OPEN, "/hello", OPEN):
        await connection.request("GET", target)
        assert len(server.connections) == 1
    page_ws = await RawWebSocket.open(server.url, "/ws")
    peer = await FakePeer(server.url).open()
    assert len(server.connections) == 3
    await page_ws.connection.close()
    await peer.close()
    await connection.close()
    await until(lambda: not server.connections, "all are forgotten")


async def test_every_request_is_counted(under_uvicorn):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()))
    connection = await RawConnection.open(server.url)
    for count, target in enumerate(("/hello", OPEN, "/hello", OPEN), 1):
        await connection.request("GET", target)
        assert server.state.total_requests == count
    await connection.close()


async def test_limit_max_requests_ends_the_server(under_uvicorn):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()), limit_max_requests=4)
    for target in (OPEN, "/hello", OPEN, "/hello"):
        await http(server.url, "GET", target)
    await server.ended()


async def test_limit_concurrency_is_a_503_for_both(under_uvicorn):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()), limit_concurrency=2)
    assert (await http(server.url, "GET", OPEN)).status == 200
    peer = await FakePeer(server.url).open()
    for target in (OPEN, "/hello"):
        assert (await http(server.url, "GET", target)).status == 503
    await peer.close()


async def test_requests_of_both_are_in_the_access_log(under_uvicorn, caplog, monkeypatch):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()))
    # Not with caplog's handler: set-ups of uvicorn's own in tests before decide what that gets to see.
    kept = logging.Handler()
    records: list[logging.LogRecord] = []
    kept.emit = records.append
    for name in ("uvicorn.access", "uvicorn.error"):
        caplog.set_level(logging.INFO, name)
        monkeypatch.setattr(logging.getLogger(name), "handlers", [kept])
        monkeypatch.setattr(logging.getLogger(name), "propagate", False)
    connection = await RawConnection.open(server.url)
    _, port = connection.writer.get_extra_info("sockname")
    for target in ("/hello?x=1", OPEN, "/socket.io/?EIO=3"):
        await connection.request("GET", target)
    peer = await FakePeer(server.url).open()
    await peer.close()
    await connection.close()
    access = [record for record in records if record.name == "uvicorn.access"]
    assert [record.getMessage() for record in access] == [
        f'127.0.0.1:{port} - "GET /hello?x=1 HTTP/1.1" 200',
        f'127.0.0.1:{port} - "GET {OPEN} HTTP/1.1" 200',
        f'127.0.0.1:{port} - "GET /socket.io/?EIO=3 HTTP/1.1" 400',
    ]
    assert all(len(record.args) == 5 for record in access), "what uvicorn's formatter takes apart"
    opened = '"WebSocket /socket.io/?EIO=4&transport=websocket" [accepted]'
    assert any(opened in record.getMessage() for record in records)


# --- the stop -------------------------------------------------------------------------------------


async def test_client_over_tls_that_comes_while_uvicorn_stops_does_not_hold_it(
    under_uvicorn, certificate
):
    """No connection is there to be told of the stop, and no signal: one is accepted, and its TLS not begun.

    uvicorn looks for what it has to wait for 0.1 s later.
    """
    sio = echo_server()
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    cert, key = certificate
    server = await under_uvicorn(ASGIApp(sio, Pages()), ssl_certfile=cert, ssl_keyfile=key)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    await until(lambda: not server.connections, "no connection is open")
    url = urlsplit(server.url)
    with socket.create_connection((url.hostname, url.port)) as late:
        await asyncio.sleep(0.1)
        server.server.should_exit = True
        await until(lambda: not server.server.servers[0].is_serving(), "uvicorn stops")
        late.setblocking(False)
        joining = asyncio.open_connection(sock=late, ssl=unchecked_tls(), server_hostname="")
        connection = RawConnection(*await asyncio.wait_for(joining, DEADLINE_S))
        assert (await connection.request("GET", peer.target())).status == 503
        await connection.close()
    await server.ended()
    assert reasons == ["server disconnect"]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_stop_ends_clients_at_once_and_handlers_run_before_the_lifespan_ends(
    under_uvicorn, transport
):
    sio, pages = echo_server(), Pages()

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        pages.events.append(reason)

    server = await under_uvicorn(ASGIApp(sio, pages))
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    began_at = time.monotonic()
    if transport == "polling":
        held = asyncio.ensure_future(peer.get())
        await until(lambda: only_session(sio).outlet.is_writable, "the GET is held")
        stopping = asyncio.ensure_future(server.stop())
        assert (await held).body == b"1"
    else:
        stopping = asyncio.ensure_future(server.stop())
        await peer.ws.receive_close()
        await peer.close()
    await stopping
    assert time.monotonic() - began_at < 1.5
    assert pages.events == ["startup", "server disconnect", "shutdown"]


async def test_client_that_polls_and_has_no_connection_at_the_stop_is_told_of(under_uvicorn):
    sio, reasons = echo_server(), []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    server = await under_uvicorn(ASGIApp(sio, Pages()))
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    await until(lambda: not server.connections, "no connection is open")
    await server.stop()
    assert reasons == ["server disconnect"]


async def test_client_that_does_not_answer_the_close_is_dropped(under_uvicorn):
    server = await under_uvicorn(ASGIApp(echo_server(), Pages()))
    peer = await FakePeer(server.url).open()
    await peer.connect()
    began_at = time.monotonic()
    await server.stop()
    assert 0.5 < time.monotonic() - began_at < 4
    await peer.close()


async def test_handlers_get_the_time_of_timeout_graceful_shutdown(under_uvicorn):
    sio, cancelled = echo_server(), []

    @sio.event
    async def disconnect(sid):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(sid)
            raise

    server = await under_uvicorn(ASGIApp(sio, Pages()), timeout_graceful_shutdown=1)
    peer = await FakePeer(server.url).open()
    sid = (await peer.connect())["sid"]
    stopping = asyncio.ensure_future(server.stop())
    await peer.ws.receive_close()
    await peer.close()
    await asyncio.wait_for(stopping, DEADLINE_S)
    assert cancelled == [sid]


async def test_page_may_finish_and_a_request_behind_it_is_not_admitted(under_uvicorn):
    sio, pages = echo_server(), Pages()
    server = await under_uvicorn(ASGIApp(sio, pages))
    connection = await RawConnection.open(server.url)
    connection.write(request_bytes("GET", "/hold") + request_bytes("GET", OPEN))
    await until(lambda: pages.held, "the page is asked for")
    stopping = asyncio.ensure_future(server.stop())
    await until(lambda: sio.hub.engine is None, "the engine is closed")
    pages.release()
    response = await connection.read_response()
    assert (response.body, response.headers["connection"]) == (b"released", "close")
    assert await connection.read_to_end() == b""
    await connection.close()
    await stopping
    assert sio.hub.engine is None


async def test_application_may_be_served_again_after_a_stop(under_uvicorn):
    app = ASGIApp(echo_server(), Pages())
    for _ in range(2):
        server = await under_uvicorn(app)
        peer = await FakePeer(server.url).open()
        await peer.connect()
        await check_echo(peer)
        await peer.close()
        await server.stop()

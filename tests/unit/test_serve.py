"""Serving: where it listens, how it stops, and what run() does with signals.

The stop is python-socketio's and Node's together: every `disconnect` handler once, "server shutting down"
(python-socketio's word for it: "server disconnect").
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fastsio
from harness import CLOSE, DEADLINE_S, MS, FakePeer, RawConnection, http, until

PACKAGE_ROOT = str(Path(fastsio.__file__).resolve().parents[1])


def now() -> float:
    return asyncio.get_running_loop().time()


# --- where ----------------------------------------------------------------------------------------


@pytest.mark.feature("1.1 create on a port")
async def test_port_0_takes_a_free_one_and_says_which(serve):
    first, second = await serve(fastsio.IO()), await serve(fastsio.IO())
    assert first.port != second.port
    assert (first.host, first.url) == ("127.0.0.1", f"http://127.0.0.1:{first.port}")
    for server in (first, second):
        assert (await http(server.url, "GET", "/socket.io/")).status == 400


async def test_address_of_version_6_is_in_brackets(serve):
    try:
        server = await serve(fastsio.IO(), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert server.url == f"http://[::1]:{server.port}"
    assert (await http(server.url, "GET", "/socket.io/")).status == 400


async def test_port_in_use_is_an_oserror(serve):
    server = await serve(fastsio.IO())
    with pytest.raises(OSError, match=str(server.port)):
        await serve(fastsio.IO(), port=server.port)


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
async def test_port_that_is_none_is_refused(serve, port):
    with pytest.raises((OSError, ValueError)):
        await serve(fastsio.IO(), port=port)


@pytest.mark.feature("1.1 path")
@pytest.mark.parametrize("path", ["chat/rt", "/chat/rt", "chat/rt/", "/chat/rt/"])
async def test_socketio_path_may_be_chosen(serve, path):
    server = await serve(fastsio.IO(), socketio_path=path)
    for target in ("/chat/rt/?EIO=4", "/chat/rt/x"):
        assert (await http(server.url, "GET", target)).json()["code"] == 0
    # engineio.md 1: without its last slash the path is nobody's.
    for target in ("/chat/rt?EIO=4", "/socket.io/", "/chat/rtx", "/chat/", "/"):
        assert (await http(server.url, "GET", target)).status == 404


async def test_socketio_path_may_be_the_root(serve):
    server = await serve(fastsio.IO(), socketio_path="/")
    assert (await http(server.url, "GET", "/?EIO=4")).json()["code"] == 0
    assert (await http(server.url, "GET", "/anything")).json()["code"] == 0


async def test_static_files_that_do_not_exist_are_a_valueerror(serve):
    with pytest.raises(ValueError, match="does not exist"):
        await serve(fastsio.IO(), static_files={"/": "no/such/file"})


async def test_open_connections_can_be_counted(serve):
    server = await serve(fastsio.IO())
    assert server.connections == set()
    connection = await RawConnection.open(server.url)
    await until(lambda: len(server.connections) == 1, "the connection is known")
    await connection.close()
    await until(lambda: not server.connections, "the connection is forgotten")


async def test_head_that_does_not_come_in_time_is_a_408(serve):
    server = await serve(fastsio.IO(), head_timeout=50 * MS)
    connection = await RawConnection.open(server.url)
    assert (await connection.read_response()).status == 408
    assert await connection.read_to_end() == b""
    await connection.close()


# --- TLS ------------------------------------------------------------------------------------------


@pytest.mark.feature("1.4 TLS / HTTP2")
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_tls_serves_both_transports_and_the_socket_knows(serve, certificate, transport):
    io = fastsio.IO()
    secure = []

    @io.on("connection")
    def connection(socket):
        secure.append((socket.handshake.secure, socket.handshake.address))
        socket.on("echo", lambda value: socket.emit("echo", value))

    cert, key = certificate
    server = await serve(io, ssl_certfile=cert, ssl_keyfile=key)
    assert server.url == f"https://127.0.0.1:{server.port}"
    peer = await FakePeer(server.url, transport).open()
    await peer.connect()
    # Many TLS records, no two alike, and more than one read brings.
    big = "".join(map(str, range(60_000)))
    await peer.send(f'42["echo","{big}"]')
    assert await peer.receive() == f'42["echo","{big}"]'
    assert secure == [(True, "127.0.0.1")]
    await peer.close()


async def test_tls_clients_that_send_at_once_get_their_own(serve, certificate):
    io = fastsio.IO()
    io.on("connection", lambda socket: socket.on("echo", lambda value: socket.emit("echo", value)))
    cert, key = certificate
    server = await serve(io, ssl_certfile=cert, ssl_keyfile=key)
    peers = [await FakePeer(server.url).open() for _ in range(4)]
    texts = ["".join(map(str, range(i, 120_000, 4))) for i in range(4)]
    for peer in peers:
        await peer.connect()
    await asyncio.gather(
        *(peer.send(f'42["echo","{text}"]') for peer, text in zip(peers, texts, strict=True))
    )
    for peer, text in zip(peers, texts, strict=True):
        assert await peer.receive() == f'42["echo","{text}"]'
        await peer.close()


async def test_context_for_tls_may_be_given(serve, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = await serve(fastsio.IO(), ssl_context=context)
    assert server.url.startswith("https://")
    assert (await http(server.url, "GET", "/socket.io/")).status == 400


async def test_client_that_speaks_plain_http_to_tls_harms_nobody(serve, certificate):
    cert, key = certificate
    server = await serve(fastsio.IO(), ssl_certfile=cert, ssl_keyfile=key)
    connection = await RawConnection.open(server.url.replace("https", "http"))
    connection.write(b"GET / HTTP/1.1\r\n\r\n")
    await connection.read_to_end()
    await connection.close()
    assert (await http(server.url, "GET", "/socket.io/")).status == 400


async def test_certificate_that_does_not_exist_is_an_oserror(serve):
    with pytest.raises(FileNotFoundError):
        await serve(fastsio.IO(), ssl_certfile="no/such.pem", ssl_keyfile="no/such.pem")


# --- the stop -------------------------------------------------------------------------------------


@pytest.mark.feature("1.1 graceful close")
@pytest.mark.feature("1.13 io.close()")
async def test_close_tells_every_client_and_runs_every_disconnect_handler_once(serve):
    sio = fastsio.AsyncServer(namespaces=["/n"])
    ended = []

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        ended.append((sid, reason))

    server = await serve(sio)
    websocket = await FakePeer(server.url).open()
    polling = await FakePeer(server.url, "polling").open()
    sids = [(await peer.connect())["sid"] for peer in (websocket, polling)]
    held = asyncio.ensure_future(polling.get())
    session = server.engine.sessions[polling.handshake["sid"]]
    await until(lambda: session.outlet.is_writable, "the GET is held")
    closing = asyncio.ensure_future(server.close())
    assert (await held).body == b"1"
    assert await websocket.ws.receive() == (CLOSE, b"")
    await websocket.close()
    await closing
    assert sorted(ended) == sorted((sid, "server disconnect") for sid in sids)
    assert not server.connections
    assert not server.engine.sessions


async def test_close_takes_no_new_connection(serve):
    server = await serve(fastsio.IO())
    await server.close()
    with pytest.raises(ConnectionRefusedError):
        await RawConnection.open(server.url)


async def test_close_with_nobody_connected_is_immediate(serve):
    server = await serve(fastsio.IO())
    began_at = now()
    await server.close()
    await server.close()
    assert now() - began_at < 500 * MS


async def test_idle_connections_are_closed_at_once(serve):
    server = await serve(fastsio.IO())
    fresh, kept_alive = await RawConnection.open(server.url), await RawConnection.open(server.url)
    await kept_alive.request("GET", "/socket.io/")
    await until(lambda: len(server.connections) == 2, "both are known")
    began_at = now()
    await server.close()
    assert now() - began_at < 500 * MS
    for connection in (fresh, kept_alive):
        assert await connection.read_to_end() == b""
        await connection.close()


async def test_client_that_does_not_answer_the_close_is_dropped_in_bounded_time(serve):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url).open()
    await peer.connect()
    began_at = now()
    await server.close()
    assert now() - began_at < 3
    assert not server.connections
    assert await peer.ws.receive() == (CLOSE, b"")
    await peer.close()


async def test_handler_that_does_not_end_is_cancelled_after_shutdown_timeout(serve):
    sio = fastsio.AsyncServer()
    cancelled = []

    @sio.event
    async def disconnect(sid):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(sid)
            raise

    server = await serve(sio, shutdown_timeout=50 * MS)
    peer = await FakePeer(server.url).open()
    sid = (await peer.connect())["sid"]
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    await asyncio.wait_for(closing, DEADLINE_S)
    assert cancelled == [sid]


async def test_handler_that_is_at_work_may_finish(serve):
    sio = fastsio.AsyncServer()
    release, finished = asyncio.Event(), []

    @sio.event
    async def slow(sid):
        await release.wait()
        finished.append(sid)

    server = await serve(sio)
    peer = await FakePeer(server.url).open()
    sid = (await peer.connect())["sid"]
    await peer.send('42["slow"]')
    await until(lambda: sio.hub.tasks, "the handler runs")
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    release.set()
    await closing
    assert finished == [sid]


async def test_background_tasks_are_cancelled_once_handlers_are_done(serve):
    sio = fastsio.AsyncServer()
    events = []

    async def forever():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            events.append("cancelled")

    @sio.event
    async def disconnect(sid):
        await asyncio.sleep(0)
        events.append("disconnect")

    server = await serve(sio)
    task = sio.start_background_task(forever)
    peer = await FakePeer(server.url).open()
    await peer.connect()
    closing = asyncio.ensure_future(server.close())
    await peer.ws.receive_close()
    await peer.close()
    await closing
    assert events == ["disconnect", "cancelled"]
    assert task.cancelled()


async def test_client_that_asks_during_the_stop_is_not_admitted(serve):
    """A session may not begin that nobody would end."""
    sio = fastsio.AsyncServer()
    release, joined = asyncio.Event(), []

    @sio.event
    def connect(sid, environ):
        joined.append(sid)

    @sio.event
    async def disconnect(sid):
        await release.wait()

    server = await serve(sio)
    first = await FakePeer(server.url).open()
    await first.connect()
    busy = await RawConnection.open(server.url)
    busy.write(
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n"
    )  # not complete yet
    await until(lambda: len(server.connections) == 2, "the second connection is known")
    closing = asyncio.ensure_future(server.close())
    await first.ws.receive_close()
    busy.write(b"\r\n")
    await busy.read_to_end()
    await busy.close()
    await first.close()
    release.set()
    await closing
    assert not server.engine.sessions
    assert len(joined) == 1


async def test_application_may_be_served_again_after_a_stop(serve):
    sio = fastsio.AsyncServer()
    sio.on("echo", lambda sid, value: value)
    for _ in range(2):
        server = await serve(sio)
        peer = await FakePeer(server.url).open()
        await peer.connect()
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[1]"
        await peer.close()
        await server.close()


# --- run() ----------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
import fastsio

sio = fastsio.AsyncServer()

@sio.event
async def disconnect(sid, reason):
    await asyncio.sleep(0)
    print("disconnect", reason, flush=True)

async def on_startup():
    print("startup", flush=True)

def on_shutdown():
    print("shutdown", type(asyncio.get_running_loop()).__module__.split(".")[0], flush=True)

fastsio.run(sio, port=0, on_startup=on_startup, on_shutdown=on_shutdown, loop=sys.argv[1])
print("after", flush=True)
"""


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("loop", "module"), [("auto", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")]
)
async def test_run_serves_until_a_signal_and_stops_clean_with_clients_connected(
    number, loop, module
):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(PROGRAM), loop,
        env={**os.environ, "PYTHONPATH": PACKAGE_ROOT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), DEADLINE_S * 2)).decode()
        assert line.startswith("fastsio serves http://127.0.0.1:"), line
        peer = await FakePeer(line.split()[2]).open()
        await peer.connect()
        process.send_signal(number)
        await peer.ws.receive_close()
        await peer.close()
        out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert process.returncode == 0
        assert out.decode().split("\n") == [
            "startup", "disconnect server disconnect", f"shutdown {module}", "after", "",
        ]  # fmt: skip
        assert err == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


STUCK_PROGRAM = """
import asyncio, sys
import fastsio

sio = fastsio.AsyncServer()

@sio.event
async def disconnect(sid, reason):
    print("stuck", flush=True)
    await asyncio.get_running_loop().create_future()

fastsio.run(sio, port=0, shutdown_timeout=600, loop=sys.argv[1])
"""


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
async def test_second_signal_ends_a_stop_that_takes_too_long(loop):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK_PROGRAM, loop,
        env={**os.environ, "PYTHONPATH": PACKAGE_ROOT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        line = (await asyncio.wait_for(process.stderr.readline(), DEADLINE_S * 2)).decode()
        peer = await FakePeer(line.split()[2]).open()
        await peer.connect()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.stdout.readline(), DEADLINE_S) == b"stuck\n"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == -signal.SIGTERM
        await peer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_loop_that_is_none_is_a_valueerror():
    with pytest.raises(ValueError, match="loop='trio': auto, uvloop or asyncio"):
        fastsio.run(fastsio.IO(), port=0, loop="trio")


def test_port_in_use_is_raised_by_run_and_nothing_is_served():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        events: list[str] = []
        with pytest.raises(OSError, match="in use"):
            fastsio.run(
                fastsio.IO(),
                port=taken.getsockname()[1],
                on_startup=lambda: events.append("startup"),
            )
    assert events == ["startup"]

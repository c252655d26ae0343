"""What the system is told about connections, as the accepted sockets have it: on both loops, with TLS, under uvicorn.

Source: RFC 5482; tcp(7).
"""

from __future__ import annotations

import socket
from typing import Any

import pytest

import fastsio
from fastsio.doors import sockets
from fastsio.options import Options
from harness import FakePeer
from uvicorn_tools import UvicornInLoop

NEEDS_LINUX = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="TCP_USER_TIMEOUT is Linux's"
)


def tcp(sock: Any, name: str) -> int:
    return int(sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)))


async def accepted(
    serve: Any, transport: str = "websocket", **options: Any
) -> tuple[Any, FakePeer]:
    """The server's socket of a client that has connected, and the client."""
    start = {name: options.pop(name) for name in ("ssl_certfile", "ssl_keyfile") if name in options}
    server = await serve(fastsio.IO(**options), **start)
    peer = await FakePeer(server.url).open()
    (conn,) = server.connections
    return conn.transport.get_extra_info("socket"), peer


@NEEDS_LINUX
@pytest.mark.parametrize(
    ("options", "ms"),
    [
        ({}, 45_000),
        ({"ping_interval": 10, "ping_timeout": 5}, 15_000),
        ({"ping_interval": (10, 5), "ping_timeout": 5}, 20_000),
        ({"ping_interval": 0.5, "ping_timeout": 0.5}, 10_000),
        ({"tcp_user_timeout": 2.5}, 2_500),
        ({"tcp_user_timeout": 0}, 0),
    ],
    ids=str,
)
async def test_a_connection_has_the_user_timeout_from_its_start(serve, options, ms):
    sock, peer = await accepted(serve, **options)
    assert tcp(sock, "TCP_USER_TIMEOUT") == ms
    await peer.close()


async def test_a_connection_has_no_delay_and_is_probed_when_nobody_writes(serve):
    sock, peer = await accepted(serve)
    assert tcp(sock, "TCP_NODELAY")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert tcp(sock, "TCP_KEEPIDLE") == sockets.KEEPALIVE_IDLE_S
        assert tcp(sock, "TCP_KEEPINTVL") == sockets.KEEPALIVE_PROBES_S
        assert tcp(sock, "TCP_KEEPCNT") == sockets.KEEPALIVE_PROBES
    await peer.close()


@NEEDS_LINUX
async def test_what_is_accepted_from_a_socket_that_was_given_has_no_delay_either(serve):
    """asyncio sets it only for sockets that were made with IPPROTO_TCP."""
    given = socket.socket()
    given.bind(("127.0.0.1", 0))
    server = await serve(fastsio.IO(), sock=given)
    peer = await FakePeer(server.url).open()
    (conn,) = server.connections
    assert tcp(conn.transport.get_extra_info("socket"), "TCP_NODELAY")
    await peer.close()


@NEEDS_LINUX
async def test_a_tls_connection_has_them_too(serve, certificate):
    cert, key = certificate
    sock, peer = await accepted(serve, ssl_certfile=cert, ssl_keyfile=key)
    assert (tcp(sock, "TCP_USER_TIMEOUT"), bool(tcp(sock, "TCP_NODELAY"))) == (45_000, True)
    await peer.close()


@NEEDS_LINUX
async def test_both_families_that_a_host_name_has_are_told(serve):
    server = await serve(fastsio.IO(), host="localhost")
    for listening in server._listeners.sockets:
        assert tcp(listening, "TCP_USER_TIMEOUT") == 45_000


@NEEDS_LINUX
async def test_under_uvicorn_each_connection_is_told_by_itself(watch):
    io = fastsio.IO(tcp_user_timeout=7)
    server = await UvicornInLoop(fastsio.ASGIApp(io)).start()
    peer = await FakePeer(server.url).open()
    (session,) = io.hub.engine.sessions.values()
    assert tcp(session.outlet.transport.get_extra_info("socket"), "TCP_USER_TIMEOUT") == 7000
    await peer.close()
    await server.stop()


def test_unix_sockets_are_left_alone():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sockets.tune([ours], Options())
        sockets.set_user_timeout(ours, 5.0)
        assert not ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("wrong", [-1, True, "1", 2**31, float("nan")])
def test_a_user_timeout_that_the_kernel_would_not_take_is_refused(wrong):
    with pytest.raises(ValueError, match="tcp_user_timeout="):
        Options(tcp_user_timeout=wrong)


@pytest.mark.parametrize("name", ["send_timeout", "watchdog"])
@pytest.mark.parametrize("wrong", [0, -1, True, "1"])
def test_other_times_that_are_none_are_refused(name, wrong):
    with pytest.raises(ValueError, match=f"{name}={wrong!r}: a number of seconds above 0"):
        Options(**{name: wrong})
    assert getattr(Options(**{name: None}), name) is None

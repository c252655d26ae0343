"""Requests as WSGI servers hand them over, their answers, and taking connections from the server.

With the engine behind it: test_wsgi.py. Source: PEP 3333.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastsio.doors import wsgi_exchange
from fastsio.doors.wsgi_exchange import (
    POLL,
    WEBSOCKET,
    Reply,
    WSGIRequest,
    can_be_taken,
    has_hung_up,
    read_body,
    socket_of,
    take_over,
    what_takes_long,
)
from harness import DEADLINE_S
from thread_stage import connected_sockets


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """(the WSGI server's end, the client's)."""
    with connected_sockets() as both:
        yield both


def environ_of(method: str = "GET", **given: Any) -> dict[str, Any]:
    return {"REQUEST_METHOD": method, "PATH_INFO": "/socket.io/", "QUERY_STRING": "", **given}


# --- requests -------------------------------------------------------------------------------------


def test_request_has_the_environs_method_target_and_headers():
    environ = environ_of(
        SCRIPT_NAME="/app",
        PATH_INFO="/socket.io/\xc3\xa9 x",
        QUERY_STRING="a=1&b=%20",
        HTTP_X_ONE="1",
        HTTP_COOKIE="a=\xe9",
        CONTENT_TYPE="text/plain",
        CONTENT_LENGTH="",
    )
    request = WSGIRequest(environ, b"body")
    assert request.method == "GET"
    assert request.url == "/app/socket.io/%C3%A9%20x?a=1&b=%20"
    assert request.argument("a") == "1"
    assert request.headers == {"x-one": "1", "cookie": "a=\xe9", "content-type": "text/plain"}
    assert request.body == b"body"
    assert not request.is_upgrade


def test_header_with_line_breaks_makes_no_second_header():
    request = WSGIRequest(environ_of(HTTP_X="a\r\nEvil: 1", HTTP_Y="2"))
    assert request.headers == {"x": "a  Evil: 1", "y": "2"}


def test_environ_of_a_request_is_the_servers_without_the_connection():
    environ = environ_of(**{"my.key": 1, "werkzeug.socket": object(), "gunicorn.socket": object()})
    assert WSGIRequest(environ).environ == environ_of(**{"my.key": 1})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"CONTENT_LENGTH": "3"}, (b"abc", False, True)),
        ({"CONTENT_LENGTH": "9"}, (b"abcdefgh", False, False)),
        ({"CONTENT_LENGTH": "11"}, (b"", True, True)),
        ({"CONTENT_LENGTH": ""}, (b"", False, True)),
        ({"wsgi.input_terminated": True}, (b"abcdefgh", False, True)),
        ({"wsgi.input": None, "CONTENT_LENGTH": "3"}, (b"", False, True)),
    ],
)
def test_body_is_read_as_far_as_the_server_says(given, expected):
    environ = environ_of("POST", **{"wsgi.input": io.BytesIO(b"abcdefgh"), **given})
    assert read_body(environ, 10) == expected


def test_body_of_unknown_length_over_the_limit_is_too_large():
    environ = environ_of(
        "POST", **{"wsgi.input": io.BytesIO(b"x" * 99), "wsgi.input_terminated": True}
    )
    assert read_body(environ, 10) == (b"", True, True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (environ_of(HTTP_CONNECTION="keep-alive, Upgrade", HTTP_UPGRADE="WebSocket"), WEBSOCKET),
        (environ_of(HTTP_CONNECTION="keep-alive", HTTP_UPGRADE="websocket"), None),
        (environ_of(HTTP_CONNECTION="Upgrade", HTTP_UPGRADE="h2c"), None),
        (environ_of(QUERY_STRING="EIO=4&transport=polling&sid=x"), POLL),
        (environ_of(QUERY_STRING="EIO=4&transport=polling"), None),
        (environ_of("POST", QUERY_STRING="EIO=4&transport=polling&sid=x"), None),
    ],
)
def test_websockets_and_polls_take_long(environ, expected):
    assert what_takes_long(environ) is expected


def test_first_answer_counts():
    reply = Reply(environ_of(REMOTE_ADDR="192.0.2.1", **{"wsgi.url_scheme": "https"}))
    assert (reply.remote, reply.is_secure, reply.can_upgrade) == ("192.0.2.1", True, False)
    reply.respond(200, [("A", "b")], b"body", is_head=True)
    reply.respond(500, [], b"later")
    seen = []
    assert reply.give(lambda *args: seen.append(args)) == [b""]
    assert seen == [("200 OK", [("A", "b"), ("Content-Length", "4")])]


# --- connections ----------------------------------------------------------------------------------


def test_what_the_wsgi_server_still_does_with_its_connection_reaches_nobody(connection):
    server, client = connection
    taken, remains = take_over(server)
    server.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    remains.close()
    assert server.recv(10) == b""
    with pytest.raises(BrokenPipeError):
        server.sendall(b"more")
    server.close()
    taken.sendall(b"ours")
    assert client.recv(10) == b"ours"
    client.sendall(b"theirs")
    taken.settimeout(DEADLINE_S)
    assert taken.recv(10) == b"theirs"
    taken.close()


def test_shutdown_of_the_wsgi_servers_connection_does_not_end_ours(connection):
    server, client = connection
    taken, remains = take_over(server)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    remains.close()
    taken.sendall(b"x")
    assert client.recv(1) == b"x"
    taken.close()
    assert client.recv(1) == b""


def test_taking_over_leaks_no_descriptor(connection):
    server, _ = connection
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    taken, remains = take_over(server)
    remains.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before + 1
    taken.close()


def test_connection_is_not_taken_on_windows(connection, monkeypatch):
    assert can_be_taken(connection[0])
    monkeypatch.setattr(wsgi_exchange.sys, "platform", "win32")
    assert not can_be_taken(connection[0])


@pytest.mark.parametrize("key", ["werkzeug.socket", "gunicorn.socket"])
def test_connection_is_found_unless_it_is_closed(connection, key):
    server, _ = connection
    assert socket_of({key: server}) is server
    server.close()
    assert socket_of({key: server}) is None
    assert socket_of({}) is None
    assert not can_be_taken(None)


@pytest.mark.skipif(not hasattr(wsgi_exchange.select, "POLLRDHUP"), reason="Linux's")
def test_client_that_hung_up_is_seen_without_reading(connection):
    server, client = connection
    client.sendall(b"unread")
    assert not has_hung_up(server)
    client.close()
    assert has_hung_up(server)
    server.close()
    assert not has_hung_up(server)

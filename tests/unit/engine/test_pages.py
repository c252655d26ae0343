"""The Origin of a request against cors_allowed_origins: who is let in where origins are checked, and who is not."""

from __future__ import annotations

import json

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.pages import environ_of, is_foreign
from fastsio.options import Options
from harness import RawConnection, http

HERE, ELSEWHERE = "http://here.example", "http://evil.example"
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", HANDSHAKE.encode(), raw)


@pytest.mark.parametrize(
    ("allowed", "headers", "is_refused"),
    [
        (None, {}, False),
        (None, {"origin": "http://a:5000", "host": "a:5000"}, False),
        (None, {"origin": "http://a:5001", "host": "a:5000"}, True),
        (None, {"origin": "https://a", "host": "a"}, True),
        (None, {"origin": "null", "host": "a"}, True),
        (None, {"origin": "https://a", "host": "a", "x_forwarded_proto": "https"}, False),
        (None, {"origin": "https://b", "host": "a", "x_forwarded_proto": "https, http",
                "x_forwarded_host": "b, c"}, False),
        (None, {"origin": "https://c", "host": "a", "x_forwarded_host": "b"}, True),
        ([], {"origin": ELSEWHERE, "host": "a"}, False),
        ("*", {"origin": ELSEWHERE}, False),
        (["*"], {"origin": ELSEWHERE}, False),
        (HERE, {"origin": HERE}, False),
        (HERE, {"origin": ELSEWHERE}, True),
        (HERE, {"origin": HERE + ".evil.example"}, True),
        ([HERE], {"origin": HERE}, False),
        ([HERE], {"origin": ELSEWHERE}, True),
        ([HERE], {}, False),
        (lambda origin: origin == HERE, {"origin": HERE}, False),
        (lambda origin: origin == HERE, {"origin": ELSEWHERE}, True),
        (lambda origin, environ: environ["HTTP_HOST"] == "a", {"origin": HERE, "host": "a"}, False),
        (lambda origin, environ: environ["HTTP_HOST"] == "a", {"origin": HERE, "host": "b"}, True),
    ],
)  # fmt: skip
def test_a_page_is_refused_unless_its_origin_is_allowed(allowed, headers, is_refused):
    options = Options(cors_allowed_origins=allowed)
    assert is_foreign(options, request(**headers), False) == is_refused


def test_the_scheme_of_the_connection_counts():
    asked = request(origin="https://a", host="a")
    assert not is_foreign(Options(), asked, True)
    assert is_foreign(Options(), asked, False)


def test_a_function_with_two_parameters_gets_the_environ():
    environ = environ_of(request(origin=HERE, x_own="1"))
    assert environ["HTTP_X_OWN"] == "1"
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/socket.io/"


async def status_from_elsewhere(serve, app) -> int:
    """The status of a handshake from another origin; a session that it opened is closed again."""
    server = await serve(app)
    answer = await http(server.url, "GET", HANDSHAKE, headers={"Origin": ELSEWHERE})
    if answer.status == 200:
        sid = json.loads(answer.body[1:])["sid"]
        await http(server.url, "POST", f"{HANDSHAKE}&sid={sid}", b"1")
    else:
        assert answer.json() == {"code": 4, "message": "Origin not allowed"}
    return answer.status


async def test_only_python_socketios_style_checks_by_default(serve):
    assert await status_from_elsewhere(serve, fastsio.AsyncServer()) == 400
    assert await status_from_elsewhere(serve, fastsio.IO()) == 200


async def test_either_style_may_say_otherwise(serve):
    assert await status_from_elsewhere(serve, fastsio.AsyncServer(checks_origin=False)) == 200
    assert await status_from_elsewhere(serve, fastsio.IO(checks_origin=True)) == 400


@pytest.mark.parametrize("app", [fastsio.AsyncServer, fastsio.IO])
async def test_a_websocket_from_elsewhere_is_refused_where_origins_are_checked(serve, app):
    """RFC 6455 10.2: browsers send the Origin, and leave it to the server to judge it."""
    server = await serve(app())
    connection = await RawConnection.open(server.url)
    connection.write(
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nOrigin: {ELSEWHERE}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = await connection.read_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400" if app is fastsio.AsyncServer else b"HTTP/1.1 101")
    await connection.close()

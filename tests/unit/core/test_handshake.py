"""What an application sees of the request that opened its client's session."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from types import SimpleNamespace

import pytest

from fastsio._http import Request
from fastsio.core.handshake import Handshake, make_environ
from fastsio.engine.origin import origin_of
from fastsio.options import Options


def session(
    target: bytes = b"/socket.io/?EIO=4",
    *headers: tuple[bytes, bytes],
    is_secure: bool = False,
    trusted_proxies: object = None,
) -> SimpleNamespace:
    request = Request("GET", target, list(headers))
    trusted = Options(trusted_proxies=trusted_proxies).trusted_proxies
    return SimpleNamespace(
        request=request, origin=origin_of(request, "192.0.2.7", is_secure, trusted)
    )


async def test_handshake_is_nodes(io, join):
    began_ms = int(time.time() * 1000)
    headers = {"Origin": "https://a.example", "X-Token": "t"}
    _, socket = await join(io, auth={"user": "ann"}, query={"room": "a b"}, headers=headers)
    handshake = socket.handshake
    assert handshake.auth == {"user": "ann"}
    assert handshake.query["room"] == "a b"
    assert handshake.query["EIO"] == "4"
    assert handshake.headers["x-token"] == "t"
    assert handshake.address == "192.0.2.7"
    assert handshake.secure is True  # memory_conn says that it is TLS
    assert handshake.xdomain is True
    assert handshake.url.startswith("/socket.io/?EIO=4&transport=websocket&room=a%20b")
    assert began_ms <= handshake.issued <= int(time.time() * 1000)
    said = datetime.strptime(
        handshake.time, "%a %b %d %Y %H:%M:%S GMT%z (Coordinated Universal Time)"
    )
    assert abs(said.timestamp() * 1000 - handshake.issued) < 1000
    assert socket.handshake is handshake


def test_request_without_origin_is_not_from_another_domain():
    assert Handshake(session(), {}, 1.5).xdomain is False


def test_time_is_that_of_the_connect():
    handshake = Handshake(session(), {}, 86_400.25)
    assert handshake.issued == 86_400_250
    assert handshake.time.startswith("Fri Jan 02 1970 00:00:00 GMT+0000")


def test_environ_is_a_wsgi_one():
    opened_by = session(
        b"/socket.io/%C3%A9?EIO=4&x=%20",
        (b"host", b"a.example"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"0"),
        (b"cookie", b"a=1"),
        is_secure=True,
    )
    environ = make_environ(opened_by)
    assert environ["wsgi.input"].read() == b""
    assert environ["wsgi.errors"] is sys.stderr
    assert {
        key: value for key, value in environ.items() if key not in ("wsgi.input", "wsgi.errors")
    } == {
        "wsgi.version": (1, 0),
        "wsgi.async": True,
        "wsgi.run_once": False,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "SERVER_SOFTWARE": "fastsio",
        "SERVER_NAME": "a.example",
        "SERVER_PORT": "443",
        "REMOTE_PORT": "0",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/é",
        "QUERY_STRING": "EIO=4&x=%20",
        "RAW_URI": "/socket.io/%C3%A9?EIO=4&x=%20",
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "a.example",
        "HTTP_X_FORWARDED_FOR": "203.0.113.9",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "0",
        "HTTP_COOKIE": "a=1",
    }


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        (b"a.example", "a.example", "80"),
        (b"a.example:8080", "a.example", "8080"),
        (b"[::1]", "[::1]", "80"),
        (b"[::1]:8080", "[::1]", "8080"),
        (b"", "fastsio", "80"),
    ],
)
def test_server_name_and_port_are_those_of_the_host_header(host, name, port):
    environ = make_environ(session(b"/", (b"host", host)))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)


def test_what_a_door_adds_to_the_request_is_in_the_environ():
    opened_by = session()
    request = SimpleNamespace(
        **{name: getattr(opened_by.request, name) for name in ("method", "path", "query_string", "url", "headers")},
        environ={"asgi.scope": {"type": "http"}, "SERVER_SOFTWARE": "asgi"},
    )  # fmt: skip
    environ = make_environ(SimpleNamespace(request=request, origin=opened_by.origin))
    assert environ["asgi.scope"] == {"type": "http"}
    assert environ["SERVER_SOFTWARE"] == "asgi"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("ünï".encode(), "ünï"),
        ("ünï".encode("latin-1"), "ünï"),
        (b"plain", "plain"),
        (b"\xc3\xa4\xff", "Ã¤ÿ"),
    ],
)
def test_header_is_utf8_where_it_is_that_and_latin1_else(sent, text):
    assert make_environ(session(b"/", (b"x-name", sent)))["HTTP_X_NAME"] == text


def test_scheme_of_a_plain_connection_is_http():
    assert make_environ(session())["wsgi.url_scheme"] == "http"


def test_behind_a_trusted_proxy_it_is_the_clients_address_and_scheme():
    opened_by = session(
        b"/socket.io/?EIO=4",
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"chat.example"),
        (b"host", b"backend:8000"),
        trusted_proxies=["192.0.2.0/24"],
    )
    environ = make_environ(opened_by)
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == ("203.0.113.9", "https")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("chat.example", "443")
    assert (environ["HTTP_X_FORWARDED_FOR"], environ["HTTP_HOST"]) == (
        "203.0.113.9",
        "backend:8000",
    )
    handshake = Handshake(opened_by, {}, 1.5)
    assert (handshake.address, handshake.secure) == ("203.0.113.9", True)

"""What a CONNECT's headers become: a request of HTTP/1's form, into which nothing can be put that would end a line."""

from __future__ import annotations

import pytest

from fastsio.webtransport.connection import read_connect

RIGHT = {
    b":method": b"CONNECT",
    b":protocol": b"webtransport",
    b":scheme": b"https",
    b":authority": b"example.org:443",
    b":path": b"/socket.io/?a=b",
}


def headers(**changes: bytes | None) -> list[tuple[bytes, bytes]]:
    changed = RIGHT | {b":" + name.encode(): value for name, value in changes.items()}
    return [(name, value) for name, value in changed.items() if value is not None]


def test_connect_is_a_request_with_the_authority_as_its_host():
    status, request = read_connect([*headers(), (b"origin", b"https://a"), (b"host", b"other")])
    assert status == 200
    assert request is not None
    assert (request.method, request.path, request.query) == ("CONNECT", "/socket.io/", {"a": "b"})
    assert request.headers == {"host": "example.org:443", "origin": "https://a"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"method": b"GET"}, 404),
        ({"protocol": b"websocket"}, 404),
        ({"protocol": None}, 404),
        ({"scheme": b"http"}, 400),
        ({"path": b""}, 400),
        ({"path": b"*"}, 400),
        ({"path": None}, 400),
        ({"path": b"/socket.io/ HTTP/1.1"}, 400),
    ],
)
def test_other_requests_are_refused(changes, status):
    assert read_connect(headers(**changes)) == (status, None)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\0"])
@pytest.mark.parametrize("name", ["path", "authority", "method"])
def test_nothing_ends_a_line_of_the_head(name, end):
    assert read_connect(headers(**{name: RIGHT[b":" + name.encode()] + end})) == (400, None)
    assert read_connect([*headers(), (b"x", b"1" + end + b"y: 2")]) == (400, None)
    assert read_connect([*headers(), (b"x" + end + b"y", b"2")]) == (400, None)


def test_headers_are_counted():
    many = [(b"x-%d" % number, b"") for number in range(200)]
    assert read_connect(headers() + many) == (431, None)

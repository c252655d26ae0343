"""Headers of the engine's HTTP answers: the session cookie, compression.

Source: engineio.md 7.1 and 12; RFC 9110 12.5.3 (Accept-Encoding).
"""

from __future__ import annotations

import gzip
import zlib

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.headers import compress, cookie_header, payload_headers
from fastsio.options import Options
from harness import FakePeer, RawWebSocket, http

PATH = "/socket.io/?EIO=4&transport=polling"


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", b"/", raw)


# --- cookie ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ("io", "io=SID; path=/; HttpOnly; SameSite=Lax"),
        ({"name": "io"}, "io=SID"),
        (
            {"name": "s", "path": "/x", "Secure": True, "HttpOnly": True, "Max-Age": 60},
            "s=SID; path=/x; Secure; HttpOnly; Max-Age=60",
        ),
        ({"name": "s", "Secure": False, "path": None}, "s=SID"),
        ({"name": "s", "path": lambda: "/made"}, "s=SID; path=/made"),
        ({"name": "s", "Secure": lambda: True, "HttpOnly": lambda: False}, "s=SID; Secure"),
    ],
)
def test_cookie_has_the_id_and_the_attributes_of_the_option(cookie, header):
    assert cookie_header(Options(cookie=cookie), "SID") == [("Set-Cookie", header)]


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ("io", "io=SID; path=/; HttpOnly; SameSite=Lax; Secure"),
        ({"name": "io", "Secure": True}, "io=SID; Secure"),
        ({"name": "io", "Secure": False}, "io=SID"),
        ({"name": "io", "Secure": lambda: False}, "io=SID"),
    ],
)
def test_over_tls_the_cookie_is_secure_unless_the_option_says_otherwise(cookie, header):
    assert cookie_header(Options(cookie=cookie), "SID", True) == [("Set-Cookie", header)]


NODES = pytest.mark.feature("1.2 cookie")


@NODES
@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        (True, "io=SID; Path=/; HttpOnly; SameSite=Lax"),
        ({}, "io=SID; Path=/; HttpOnly; SameSite=Lax"),
        ({"name": "s"}, "s=SID; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"name": "s", "secure": True, "maxAge": 60, "domain": "a.example", "same_site": "none", "path": "/x"},
            "s=SID; Max-Age=60; Domain=a.example; Path=/x; HttpOnly; Secure; SameSite=None",
        ),
        ({"http_only": False, "sameSite": True, "priority": "High"}, "io=SID; Path=/; Priority=High; SameSite=Strict"),
        ({"same_site": False, "partitioned": True}, "io=SID; Path=/; HttpOnly; Partitioned"),
    ],
)  # fmt: skip
def test_ios_cookie_is_nodes(cookie, header):
    assert cookie_header(fastsio.IO(cookie=cookie).hub.options, "SID") == [("Set-Cookie", header)]


@NODES
def test_python_socketios_cookie_knows_nodes_words_and_adds_nothing():
    cookie = {"name": "s", "http_only": True, "sameSite": "strict", "path": "/"}
    options = fastsio.AsyncServer(cookie=cookie).hub.options
    assert cookie_header(options, "SID") == [
        ("Set-Cookie", "s=SID; HttpOnly; SameSite=Strict; path=/")
    ]


def test_same_site_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="same_site='loose'"):
        fastsio.IO(cookie={"same_site": "loose"})


@pytest.mark.parametrize("cookie", [None, False])
def test_no_cookie_is_sent_by_default(cookie):
    assert cookie_header(Options(cookie=cookie), "SID") == []


async def test_cookie_comes_with_the_polling_handshake_only(serve):
    """engineio.md 7.1: never on the 101."""
    server = await serve(fastsio.IO(cookie="io"))
    response = await http(server.url, "GET", PATH)
    peer = FakePeer(server.url, "polling")
    peer._queued.append(response.body.decode())
    await peer.open()
    sid = peer.handshake["sid"]
    assert response.headers["set-cookie"] == f"io={sid}; path=/; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in (await peer.post(b"40")).headers
    assert "set-cookie" not in (await peer.get()).headers
    ws = await RawWebSocket.open(server.url, "/socket.io/?EIO=4&transport=websocket")
    assert "set-cookie" not in ws.response.headers
    await ws.connection.close()
    await peer.close()


# --- payloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agent", "is_old"),
    [
        ("Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)", True),
        ("Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko", True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", False),
        ("", False),
    ],
)
def test_old_internet_explorer_is_told_not_to_filter(agent, is_old):
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store")]
    extra = [("X-XSS-Protection", "0")] if is_old else []
    assert payload_headers(request(user_agent=agent)) == headers + extra


BODY = b"4" + b"x" * 1023


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate, gzip", "gzip"),
        ("deflate", "deflate"),
        ("br, deflate;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0", None),
        ("gzip;q=0.0,deflate;q=0.000", None),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0.5, *;q=0.8", "deflate"),
        ("*", "gzip"),
        ("gzip;Q=0", None),
        ("br", None),
        ("identity", None),
        ("x-gzipped", None),
        ("", None),
        (None, None),
    ],
)
def test_body_is_compressed_as_the_client_accepts(accepted, encoding):
    asked = request() if accepted is None else request(accept_encoding=accepted)
    headers, body = compress(Options(), asked, BODY)
    if encoding is None:
        assert (headers, body) == ([], BODY)
        return
    assert headers == [("Content-Encoding", encoding)]
    assert (gzip.decompress if encoding == "gzip" else zlib.decompress)(body) == BODY


@pytest.mark.parametrize(
    ("options", "is_compressed"),
    [
        ({}, True),
        ({"http_compression": False}, False),
        ({"compression_threshold": 1025}, False),
        ({"compression_threshold": 1024}, True),
        ({"compression_threshold": 0}, True),
    ],
)
def test_body_is_compressed_from_the_threshold_on(options, is_compressed):
    headers, _ = compress(Options(**options), request(accept_encoding="gzip"), BODY)
    assert bool(headers) is is_compressed


def test_small_body_is_not_compressed():
    assert compress(Options(), request(accept_encoding="gzip"), b"x" * 1023) == ([], b"x" * 1023)

"""Headers of the engine's HTTP answers: the CORS table, the session cookie, compression.

Source: Fetch standard, "CORS protocol"; engineio.md 7.1 and 12; RFC 9110 12.5.3 (Accept-Encoding).
"""

from __future__ import annotations

import gzip
import zlib

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.headers import (
    compress,
    cookie_header,
    cors_headers,
    payload_headers,
    preflight_headers,
)
from fastsio.options import Options
from harness import FakePeer, RawWebSocket, http

HERE, THERE = "https://a.example", "https://b.example"
PATH = "/socket.io/?EIO=4&transport=polling"
CREDENTIALS = ("Access-Control-Allow-Credentials", "true")
VARY = ("Vary", "Origin")


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", b"/", raw)


def allow(origin: str) -> tuple[str, str]:
    return ("Access-Control-Allow-Origin", origin)


@pytest.mark.parametrize(
    ("allowed", "origin", "headers"),
    [
        (None, HERE, []),
        (None, None, []),
        ("*", HERE, [VARY, allow(HERE), CREDENTIALS]),
        ("*", "null", [VARY, allow("null"), CREDENTIALS]),
        ("*", None, [VARY]),
        (HERE, HERE, [VARY, allow(HERE), CREDENTIALS]),
        (HERE, THERE, [VARY]),
        (HERE, None, [VARY]),
        (HERE, HERE + ".evil.example", [VARY]),
        (HERE, HERE.upper(), [VARY]),
        ([HERE, THERE], THERE, [VARY, allow(THERE), CREDENTIALS]),
        ([HERE], THERE, [VARY]),
        ([], HERE, [VARY]),
        ((HERE,), HERE, [VARY, allow(HERE), CREDENTIALS]),
        (lambda origin: origin.endswith("b.example"), THERE, [VARY, allow(THERE), CREDENTIALS]),
        (lambda origin: origin.endswith("b.example"), HERE, [VARY]),
    ],
)
def test_origin_is_allowed_as_the_option_says(allowed, origin, headers):
    asked = request() if origin is None else request(origin=origin)
    assert cors_headers(Options(cors_allowed_origins=allowed), asked) == headers


@pytest.mark.parametrize(
    ("allowed", "origin", "headers"),
    [
        ("*", HERE, [allow("*")]),
        ("*", None, [allow("*")]),
        (HERE, HERE, [VARY, allow(HERE)]),
        (HERE, THERE, [VARY]),
        (None, HERE, []),
    ],
)
def test_without_credentials_the_header_for_them_is_left_out(allowed, origin, headers):
    options = Options(cors_allowed_origins=allowed, cors_credentials=False)
    asked = request() if origin is None else request(origin=origin)
    assert cors_headers(options, asked) == headers


def test_function_may_ask_for_the_requests_environ():
    seen = []

    def is_allowed(origin, environ):
        seen.append((origin, environ["HTTP_ORIGIN"], environ["REQUEST_METHOD"]))
        return origin == HERE

    options = Options(cors_allowed_origins=is_allowed)
    assert allow(HERE) in cors_headers(options, request(origin=HERE))
    assert cors_headers(options, request(origin=THERE)) == [VARY]
    assert seen == [(HERE, HERE, "GET"), (THERE, THERE, "GET")]


def test_preflight_allows_the_methods_and_what_headers_are_asked_for():
    options = Options(cors_allowed_origins=HERE)
    asked = request(origin=HERE, access_control_request_headers="X-One, X-Two")
    assert preflight_headers(options, asked) == [
        VARY,
        allow(HERE),
        CREDENTIALS,
        ("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("Vary", "Access-Control-Request-Headers"),
        ("Access-Control-Allow-Headers", "X-One, X-Two"),
    ]


def test_preflight_that_asks_for_no_headers_allows_none():
    names = [
        name
        for name, _ in preflight_headers(Options(cors_allowed_origins="*"), request(origin=HERE))
    ]
    assert "Access-Control-Allow-Headers" not in names


@pytest.mark.parametrize("query", ["EIO=4&transport=polling", "EIO=3&transport=nonsense&sid=x", ""])
async def test_preflight_is_answered_204_whatever_the_query(serve, query):
    server = await serve(fastsio.IO(cors_allowed_origins=[HERE]))
    headers = {"Origin": HERE, "Access-Control-Request-Method": "POST"}
    response = await http(server.url, "OPTIONS", f"/socket.io/?{query}", None, headers)
    assert (response.status, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == HERE


@pytest.mark.parametrize("origin", [HERE, THERE])
async def test_every_answer_says_who_may_read_it_and_no_origin_is_refused(serve, origin):
    server = await serve(fastsio.IO(cors_allowed_origins=[HERE]))
    peer = FakePeer(server.url, "polling", headers={"Origin": origin})
    answers = [await peer.get()]
    peer._queued.append(answers[0].body.decode())
    await peer.open()
    answers += [
        await peer.post(b"40"),
        await peer.get(),
        await http(server.url, "PUT", peer.target(), b"", peer.headers),
        await http(server.url, "GET", "/socket.io/", None, peer.headers),
        await peer.post(b"1"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 500, 400, 200]
    for answer in answers:
        assert answer.headers["vary"] == "Origin"
        named = answer.headers.get("access-control-allow-origin")
        assert named == (HERE if origin == HERE else None)


async def test_accepted_websocket_has_the_cors_headers_too(serve):
    """engineio.md 12: also on the 101."""
    server = await serve(fastsio.IO(cors_allowed_origins="*"))
    target = "/socket.io/?EIO=4&transport=websocket"
    ws = await RawWebSocket.open(server.url, target, {"Origin": HERE})
    assert ws.response.headers["access-control-allow-origin"] == HERE
    await ws.connection.close()


async def test_error_and_413_have_the_cors_headers_too(serve):
    server = await serve(fastsio.IO(cors_allowed_origins="*", max_http_buffer_size=10))
    peer = await FakePeer(server.url, "polling", headers={"Origin": HERE}).open()
    response = await peer.post(b"4" * 11)
    assert response.status == 413
    assert response.headers["access-control-allow-origin"] == HERE
    await peer.close()


# --- cookie ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        ("io", "io=SID; path=/; SameSite=Lax"),
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
    assert response.headers["set-cookie"] == f"io={sid}; path=/; SameSite=Lax"
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

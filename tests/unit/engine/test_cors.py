"""Which pages may speak to the server: the CORS table, and the handshakes that check_origin refuses.

Source: Fetch standard, "CORS protocol"; RFC 6455 4.2.2 and 10.2 (Origin).
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.cors import cors_headers, is_accepted, preflight_headers
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

    options = Options(cors_allowed_origins=is_allowed, check_origin=True)
    assert allow(HERE) in cors_headers(options, request(origin=HERE))
    assert cors_headers(options, request(origin=THERE)) == [VARY]
    assert not is_accepted(options, request(origin=THERE), THERE, False)
    assert seen == [(HERE, HERE, "GET"), (THERE, THERE, "GET"), (THERE, THERE, "GET")]


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


# --- the check of a handshake's Origin --------------------------------------------------------------


def accepts(allowed: Any, origin: str, is_secure: bool = False, **headers: str) -> bool:
    options = Options(cors_allowed_origins=allowed, check_origin=True)
    return is_accepted(options, request(origin=origin, **headers), origin, is_secure)


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("*", THERE, True), (HERE, HERE, True), (HERE, THERE, False), ([HERE, THERE], THERE, True),
        ([HERE], THERE, False), ([HERE], "null", False), ([], THERE, True), (HERE, HERE + ".evil.example", False),
        (lambda origin: origin == THERE, THERE, True), (lambda origin: origin == THERE, HERE, False),
    ],
)  # fmt: skip
def test_origin_has_to_be_a_named_one(allowed, origin, expected):
    assert accepts(allowed, origin, host="c.example") is expected


@pytest.mark.parametrize(
    ("is_secure", "headers", "origin", "expected"),
    [
        (False, {"host": "a.example"}, "http://a.example", True),
        (False, {"host": "a.example"}, "http://A.example", True),
        (False, {"host": "a.example"}, "https://a.example", True),  # a proxy may have taken the TLS off
        (False, {"host": "a.example:8000"}, "http://a.example:8000", True),
        (False, {"host": "a.example:8000"}, "http://a.example", False),
        (False, {"host": "a.example"}, "http://b.example", False),
        (False, {"host": "a.example"}, "null", False),
        (False, {"host": "a.example"}, "", False),
        (False, {}, "http://a.example", False),
        (True, {"host": "a.example"}, "https://a.example", True),
        (True, {"host": "a.example"}, "http://a.example", False),
        (False, {"host": "10.0.0.1", "x_forwarded_host": "a.example"}, "https://a.example", True),
        (False, {"host": "10.0.0.1", "x_forwarded_host": "a.example, p"}, "https://a.example", True),
        (False, {"host": "10.0.0.1", "x_forwarded_host": "a.example"}, "https://b.example", False),
        (False, {"host": "a.example", "x_forwarded_proto": "https"}, "http://a.example", False),
        (False, {"host": "a.example", "x_forwarded_proto": "https"}, "https://a.example", True),
    ],
)  # fmt: skip
def test_without_names_it_has_to_be_the_host_that_was_asked_for(
    is_secure, headers, origin, expected
):
    assert accepts(None, origin, is_secure, **headers) is expected


async def test_nothing_is_checked_where_the_option_is_off(serve):
    server = await serve(fastsio.IO(cors_allowed_origins=HERE))
    peer = await FakePeer(server.url, "polling", headers={"Origin": THERE}).open()
    await peer.close()


@pytest.mark.parametrize("style", [fastsio.AsyncServer, fastsio.Server])
def test_python_socketios_servers_check_unless_told_not_to(style):
    assert style().hub.options.check_origin
    assert not style(check_origin=False).hub.options.check_origin
    assert not fastsio.IO().hub.options.check_origin


async def test_refused_page_gets_403_and_the_log_says_which_option(serve, caplog):
    server = await serve(fastsio.AsyncServer())
    with caplog.at_level(logging.WARNING):
        response = await http(server.url, "GET", PATH, None, {"Origin": THERE})
    assert response.status == 403
    assert json.loads(response.body) == {
        "code": 4,
        "message": "https://b.example is not an accepted origin.",
    }
    assert "cors_allowed_origins" in caplog.text
    assert not server.engine.sessions


async def test_page_of_another_site_gets_no_websocket(serve):
    server = await serve(fastsio.AsyncServer())
    target = "/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(AssertionError, match=r"no upgrade.*403"):
        await RawWebSocket.open(server.url, target, {"Origin": THERE})
    assert not server.engine.sessions


async def test_page_of_the_servers_own_gets_its_session(serve):
    server = await serve(fastsio.AsyncServer())
    peer = await FakePeer(server.url, "polling", headers={"Origin": "http://127.0.0.1"}).open()
    assert peer.handshake["sid"] in server.engine.sessions
    await peer.close()

"""Which pages may speak to the server: the CORS table, and the handshakes that check_origin refuses.

Source: Fetch standard, "CORS protocol"; RFC 6455 4.2.2 and 10.2 (Origin).
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import warnings
from typing import Any

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.cors import checks_origins, cors_headers, is_accepted, preflight_headers
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


CORS = pytest.mark.feature("1.3 CORS")


@CORS
@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (re.compile(r"\.example$"), True),
        (re.compile(r"^https://b\."), False),
        ([re.compile(r"^https://a\."), THERE], True),
        ([THERE, re.compile("nobody")], False),
        (lambda origin: [THERE, re.compile("^https://a")], True),
        (lambda origin: "*", True),
        (lambda origin: THERE, False),
        (lambda origin: None, False),
    ],
)
def test_patterns_and_what_functions_return_name_origins_too(allowed, expected):
    options = Options(cors_allowed_origins=allowed, check_origin=True)
    assert (allow(HERE) in cors_headers(options, request(origin=HERE))) is expected
    assert is_accepted(options, request(origin=HERE), HERE, False) is expected


def failing(origin: str) -> bool:
    raise LookupError("on purpose")


async def slowly(origin: str) -> bool:
    return True


def test_function_that_fails_or_waits_in_a_plain_one_allows_nobody_and_is_logged(caplog):
    for allowed, words in (
        (failing, "cors_allowed_origins failed"),
        (lambda origin: slowly(origin), "async def"),
    ):
        options = Options(cors_allowed_origins=allowed, check_origin=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the coroutine that nobody awaits
            assert cors_headers(options, request(origin=HERE)) == [VARY]
            gc.collect()
        assert words in caplog.text


@CORS
async def test_coroutine_function_is_awaited_once_for_each_request(serve):
    asked = []

    async def is_allowed(origin, environ):
        await asyncio.sleep(0)
        asked.append((origin, environ["REQUEST_METHOD"]))
        return origin == HERE

    server = await serve(fastsio.IO(cors_allowed_origins=is_allowed, check_origin=True))
    response = await http(server.url, "OPTIONS", PATH, None, {"Origin": HERE})
    assert (response.status, response.headers["access-control-allow-origin"]) == (204, HERE)
    response = await http(server.url, "GET", PATH, None, {"Origin": THERE})
    assert (response.status, "access-control-allow-origin" in response.headers) == (403, False)
    peer = await FakePeer(server.url, "websocket", headers={"Origin": HERE}).open()
    await peer.close()
    response = await http(server.url, "GET", "/socket.io/socket.io.js", None, {"Origin": HERE})
    assert (response.status, response.headers["access-control-allow-origin"]) == (200, HERE)
    assert asked == [(HERE, "OPTIONS"), (THERE, "GET"), (HERE, "GET"), (HERE, "GET")]


async def test_function_is_asked_once_about_a_websocket_that_it_refuses(serve):
    asked = []

    def is_allowed(origin):
        asked.append(origin)
        return origin == HERE

    server = await serve(fastsio.IO(cors_allowed_origins=is_allowed, check_origin=True))
    target = "/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(AssertionError, match="no upgrade"):
        await RawWebSocket.open(server.url, target, {"Origin": THERE})
    assert asked == [THERE]


@pytest.mark.parametrize("origin", [HERE, None])
async def test_websocket_of_an_allowed_page_and_of_none_is_told_its_session(serve, origin):
    server = await serve(fastsio.IO(cors_allowed_origins=[HERE], check_origin=True))
    headers = {} if origin is None else {"Origin": origin}
    peer = await FakePeer(server.url, "websocket", headers=headers).open()
    allowed = peer.ws.response.headers.get("access-control-allow-origin")
    assert (allowed, set(server.engine.sessions)) == (origin, {peer.handshake["sid"]})
    await peer.close()


async def test_coroutine_function_that_fails_refuses_the_request_as_node(serve):
    async def is_allowed(origin):
        raise LookupError("on purpose")

    server = await serve(fastsio.IO(cors_allowed_origins=is_allowed))
    response = await http(server.url, "GET", PATH, None, {"Origin": HERE})
    assert (response.status, response.json()) == (400, {"code": 3, "message": "Bad request"})


@CORS
def test_nodes_option_has_all_in_one():
    options = Options(
        cors={
            "origin": [HERE], "methods": ["GET", "POST"], "allowedHeaders": ["X-A", "X-B"],
            "exposed_headers": "X-C", "credentials": True, "maxAge": 600, "optionsSuccessStatus": 200,
        }
    )  # fmt: skip
    assert options.cors.options_success_status == 200
    exposed = ("Access-Control-Expose-Headers", "X-C")
    assert cors_headers(options, request(origin=HERE)) == [VARY, allow(HERE), CREDENTIALS, exposed]
    asked = request(origin=HERE, access_control_request_headers="X-Z")
    assert preflight_headers(options, asked) == [
        VARY, allow(HERE), CREDENTIALS, exposed, ("Access-Control-Allow-Methods", "GET,POST"),
        ("Access-Control-Allow-Headers", "X-A,X-B"), ("Access-Control-Max-Age", "600"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cors", "headers"),
    [
        (True, [allow("*")]),
        ({}, [allow("*")]),
        ({"origin": True}, [VARY, allow(HERE)]),
        ({"origin": True, "credentials": True}, [VARY, allow(HERE), CREDENTIALS]),
        ({"origin": False}, []),
        (False, []),
        (None, []),
    ],
)
def test_nodes_option_has_nodes_defaults(cors, headers):
    assert cors_headers(Options(cors=cors), request(origin=HERE)) == headers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cors": "https://a.example"}, "cors='https://a.example'"),
        ({"cors": {"origins": "*"}}, "unknown key 'origins'"),
        ({"cors": {"method": "GET"}}, "unknown key 'method'; did you mean 'methods'"),
        ({"cors": {"max_age": "1"}}, "max_age='1': a whole number of seconds"),
        ({"cors": {"options_success_status": 500}}, "options_success_status=500: 200 or 204"),
        ({"cors": {"exposed_headers": "X\r\nY: 1"}}, "exposed_headers="),
        ({"cors": {}, "cors_allowed_origins": "*"}, "give one of them"),
        ({"cors_allowed_origins": [7]}, "7 is no text and no pattern"),
        ({"cors_allowed_origins": 7}, "7 is no text and no pattern"),
    ],
)
def test_wrong_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Options(**options)


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


@pytest.mark.parametrize(("check_origin", "transport"), [(None, "polling"), (False, "websocket")])
async def test_node_style_leaves_polling_to_cors_and_nothing_is_checked_where_it_is_off(
    serve, check_origin, transport
):
    server = await serve(fastsio.IO(cors_allowed_origins=HERE, check_origin=check_origin))
    peer = await FakePeer(server.url, transport, headers={"Origin": THERE}).open()
    await peer.close()


@pytest.mark.parametrize(
    ("check_origin", "allowed", "expected"),
    [
        (None, None, False), (None, "*", False), (None, [], False), (None, HERE, True), (None, [HERE], True),
        (None, re.compile("a"), True), (None, print, True), (True, None, True), (True, "*", True), (False, HERE, False),
    ],
)  # fmt: skip
def test_by_default_there_is_something_to_check_where_somebody_is_named(
    check_origin, allowed, expected
):
    options = Options(check_origin=check_origin, cors_allowed_origins=allowed)
    assert checks_origins(options) is expected


def test_check_origin_that_is_no_bool_is_refused_by_name():
    with pytest.raises(ValueError, match="check_origin='yes': True, False or None"):
        Options(check_origin="yes")


@pytest.mark.parametrize("style", [fastsio.AsyncServer, fastsio.Server])
def test_python_socketios_servers_check_unless_told_not_to(style):
    assert style().hub.options.check_origin
    assert not style(check_origin=False).hub.options.check_origin
    assert fastsio.IO().hub.options.check_origin is None


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

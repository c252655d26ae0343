"""The session cookie: what of it browsers keep from scripts, other sites and plain HTTP.

It has the session's id, and whoever has that can speak as the client.
Source: RFC 6265 4.1.2 and 5.3, RFC 6265bis 4.1.3 (name prefixes), 5.7 (SameSite).
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

import fastsio
from harness import http

PATH = "/socket.io/?EIO=4&transport=polling"


async def flags_of(server: Any, headers: dict[str, str] | None = None) -> set[str]:
    """The attributes of the cookie that a handshake gets, without the id."""
    answer = await http(server.url, "GET", PATH, None, headers)
    name_and_id, *flags = answer.headers["set-cookie"].split("; ")
    assert name_and_id.partition("=")[2] in server.engine.sessions
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")
    return {flag.replace("path=", "Path=") for flag in flags}


@pytest.mark.parametrize("cookie", [True, "io", {}])
async def test_by_default_no_script_and_no_other_site_gets_it(serve: Any, cookie: Any) -> None:
    server = await serve(fastsio.IO(cookie=cookie))
    assert await flags_of(server) == {"Path=/", "HttpOnly", "SameSite=Lax"}


@pytest.mark.parametrize("cookie", [True, "io", {"name": "io"}])
async def test_what_came_over_tls_never_goes_without(
    serve: Any, certificate: tuple[str, str], cookie: Any
) -> None:
    cert, key = certificate
    server = await serve(fastsio.IO(cookie=cookie), ssl_certfile=cert, ssl_keyfile=key)
    assert await flags_of(server) == {"Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


@pytest.mark.parametrize(
    ("trusted", "headers", "is_secure"),
    [
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, True),
        ("127.0.0.1", {"X-Forwarded-Proto": "http"}, False),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.7;proto=https"}, True),
        ("192.0.2.1", {"X-Forwarded-Proto": "https"}, False),
        (None, {"X-Forwarded-Proto": "https"}, False),
    ],
)
async def test_a_trusted_proxy_says_whether_it_was_tls(
    serve: Any, trusted: str | None, headers: dict[str, str], is_secure: bool
) -> None:
    server = await serve(fastsio.IO(cookie=True, trusted_proxies=trusted))
    assert ("Secure" in await flags_of(server, headers)) is is_secure


async def test_what_the_application_says_of_secure_counts(
    serve: Any, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    options: dict[str, Any] = {"ssl_certfile": cert, "ssl_keyfile": key}
    server = await serve(fastsio.IO(cookie={"secure": False}), **options)
    assert "Secure" not in await flags_of(server)
    server = await serve(fastsio.IO(cookie={"secure": True}))
    assert "Secure" in await flags_of(server)


@pytest.mark.parametrize(
    "cookie",
    [
        "io; Domain=evil.example",
        "io\r\nX: y",
        {"name": "io", "path": "/\r\nX: y"},
        {"name": "io", "Domain": "a;b"},
        {"name": "io", "X\0": "y"},
        {"name": "io", "domain": "ä.example"},
        "",
        "a b",
        "a=b",
        "a,b",
    ],
)
def test_what_would_be_another_attribute_or_header_is_refused(cookie: Any) -> None:
    with pytest.raises(ValueError, match=r"can't be (part of a cookie|a cookie's name)"):
        fastsio.IO(cookie=cookie)


async def test_what_a_function_makes_of_an_attribute_is_checked_when_it_is_sent(
    serve: Any, watch: Any
) -> None:
    server = await serve(fastsio.IO(cookie={"path": lambda: "/\r\nX-Injected: 1"}))
    answer = await http(server.url, "GET", PATH)
    assert answer.status == 200
    assert not {"set-cookie", "x-injected"} & set(answer.headers)
    watch.expect_error("not sent: a cookie")
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")


@pytest.mark.parametrize(
    ("cookie", "is_said"),
    [
        ({"name": "io", "same_site": "none"}, True),
        ({"name": "io", "same_site": "none", "secure": True}, False),
        ({"name": "io", "partitioned": True}, True),
        ({"name": "__Secure-io"}, True),
        ({"name": "__Host-io", "secure": True, "domain": "a.example"}, True),
        ({"name": "__Host-io", "secure": True, "path": "/x"}, True),
        ({"name": "__Host-io", "secure": True}, False),
        (True, False),
    ],
)
def test_cookie_that_browsers_would_drop_is_said_in_the_log(
    caplog: pytest.LogCaptureFixture, cookie: Any, is_said: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        fastsio.IO(cookie=cookie)
    assert ("browsers keep it only" in caplog.text) is is_said

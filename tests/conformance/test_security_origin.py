"""Pages of other sites: which handshakes are refused, on every transport, by what the application has said.

CORS decides who may read an answer. A browser lets every page open a WebSocket, with the cookies of whoever looks at
it, and every page run a script: these two the server itself has to judge (cross-site WebSocket hijacking).
Source: RFC 6455 10.2; Fetch standard, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fastsio
from asgi_tools import Call, scope_of
from harness import RawConnection, request_bytes
from wire import WEBSOCKET_KEY

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
NAMED, OTHER = "https://good.example", "https://evil.example"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": WEBSOCKET_KEY,
}
Ask = Callable[..., Awaitable[int]]


async def status_of(url: str, transport: str, headers: dict[str, str]) -> int:
    """What a handshake gets; `transport` "jsonp" is polling by a script."""
    query = f"EIO=4&transport={'polling&j=0' if transport == 'jsonp' else transport}"
    fields = (UPGRADE if transport == "websocket" else {}) | headers
    connection = await RawConnection.open(url)
    connection.write(request_bytes("GET", f"/socket.io/?{query}", None, fields))
    status = (await connection.read_response()).status
    connection.abort()
    return status


async def refuses(serve: Any, app: Any, transport: str, headers: dict[str, str]) -> bool:
    """Whether a server with that application refuses a handshake with these headers, and then makes no session."""
    server = await serve(app)
    status = await status_of(server.url, transport, headers)
    assert status in (200, 101, 403)
    assert bool(server.engine.sessions) == (status != 403)
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")
    return status == 403


# What the application says: how it is made, with which options.
NODES_DEFAULT: dict[str, Any] = {"app": fastsio.IO}
NODES_LIST: dict[str, Any] = {"app": fastsio.IO, "cors": {"origin": [NAMED]}}
THEIR_DEFAULT: dict[str, Any] = {"app": fastsio.AsyncServer, "async_mode": "asgi"}
THEIR_LIST: dict[str, Any] = {**THEIR_DEFAULT, "cors_allowed_origins": [NAMED]}


@pytest.mark.fault(
    "a page of another site opens a WebSocket, with its reader's cookies",
    "HTTP 403 and no session, where cors_allowed_origins names somebody else; one log line names the option",
)
@pytest.mark.parametrize(
    ("options", "transport", "origin", "is_refused"),
    [
        # Node's style: what CORS protects is Node's, what it doesn't is checked as soon as somebody is named.
        (NODES_LIST, "websocket", OTHER, True),
        (NODES_LIST, "websocket", NAMED, False),
        (NODES_LIST, "websocket", "null", True),
        (NODES_LIST, "websocket", NAMED + ".evil.example", True),
        (NODES_LIST, "websocket", "https://evil.example/https://good.example", True),
        (NODES_LIST, "websocket", "HTTPS://GOOD.EXAMPLE", True),  # browsers write it in lower case
        (NODES_LIST, "websocket", "{own}", False),
        (NODES_LIST, "websocket", None, False),  # no browser
        (NODES_LIST, "jsonp", OTHER, True),
        (NODES_LIST, "jsonp", NAMED, False),
        (NODES_LIST, "polling", OTHER, False),  # its answer has no header that lets the page read it
        (NODES_LIST | {"check_origin": True}, "polling", OTHER, True),
        (NODES_LIST | {"check_origin": False}, "websocket", OTHER, False),
        (NODES_DEFAULT, "websocket", OTHER, False),  # nobody is named, as with Node
        (NODES_DEFAULT | {"check_origin": True}, "websocket", OTHER, True),
        (NODES_DEFAULT | {"check_origin": True}, "websocket", "{own}", False),
        (NODES_DEFAULT | {"cors": {"origin": "*"}}, "websocket", OTHER, False),
        (NODES_DEFAULT | {"cors": {"origin": True}}, "websocket", OTHER, False),
        (NODES_DEFAULT | {"cors_allowed_origins": lambda origin: origin == NAMED}, "websocket", OTHER, True),
        (NODES_DEFAULT | {"cors_allowed_origins": lambda origin: origin == NAMED}, "websocket", NAMED, False),
        (NODES_DEFAULT | {"cors_allowed_origins": lambda origin: origin == NAMED}, "websocket", "{own}", False),
        # python-socketio's style: every transport is checked, and without names the host decides.
        *[
            row
            for transport in ("websocket", "polling", "jsonp")
            for row in (
                (THEIR_DEFAULT, transport, OTHER, True),
                (THEIR_DEFAULT, transport, "{own}", False),
                (THEIR_DEFAULT, transport, "null", True),
                (THEIR_LIST, transport, OTHER, True),
                (THEIR_LIST, transport, NAMED, False),
                (THEIR_DEFAULT | {"cors_allowed_origins": "*"}, transport, OTHER, False),
                (THEIR_DEFAULT | {"cors_allowed_origins": []}, transport, OTHER, False),
            )
        ],
    ],
)  # fmt: skip
async def test_handshake_of_a_page(
    serve: Any, options: dict[str, Any], transport: str, origin: str | None, is_refused: bool
) -> None:
    given = dict(options)
    make = given.pop("app")
    if origin == "{own}":
        headers = {"Origin": "http://chat.example", "Host": "chat.example"}
    else:
        headers = {} if origin is None else {"Origin": origin}
    assert await refuses(serve, make(**given), transport, headers) is is_refused


async def test_script_without_an_origin_is_judged_by_the_page_that_loads_it(serve: Any) -> None:
    """Browsers name no Origin with a plain script, and its contents are everybody's."""
    assert await refuses(
        serve, fastsio.IO(cors={"origin": [NAMED]}), "jsonp", {"Referer": OTHER + "/x"}
    )
    assert await refuses(
        serve, fastsio.IO(cors={"origin": [NAMED]}), "jsonp", {"Sec-Fetch-Site": "cross-site"}
    )
    assert not await refuses(
        serve, fastsio.IO(cors={"origin": [NAMED]}), "jsonp", {"Referer": NAMED + "/x"}
    )


async def test_page_that_polls_without_being_named_can_not_read_what_it_gets(serve: Any) -> None:
    server = await serve(fastsio.IO(cors={"origin": [NAMED], "credentials": True}))
    connection = await RawConnection.open(server.url)
    target = "/socket.io/?EIO=4&transport=polling"
    answer = await connection.request("GET", target, None, {"Origin": OTHER})
    assert answer.status == 200
    assert [name for name in answer.headers if name.startswith("access-control-allow-")] == []
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")
    await connection.close()


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Original-Host"])
async def test_no_header_makes_a_page_of_another_site_one_of_ours_over_a_websocket(
    serve: Any, header: str
) -> None:
    """A page can set no header of a WebSocket; and who can, needs none: it leaves Origin out."""
    value = {"Forwarded": "host=good.example"}.get(header, "good.example")
    app = fastsio.AsyncServer(cors_allowed_origins=[NAMED])
    assert await refuses(serve, app, "websocket", {"Origin": OTHER, header: value})


@pytest.mark.parametrize("app_of", [fastsio.IO, fastsio.AsyncServer])
async def test_handshakes_behind_an_asgi_server_are_judged_alike(app_of: Any) -> None:
    sio = app_of(cors_allowed_origins=[NAMED])
    app = fastsio.ASGIApp(sio)
    for origin, is_refused in ((OTHER, True), (NAMED, False)):
        headers = [(b"host", b"test"), (b"origin", origin.encode())]
        call = Call(app, scope_of("websocket", "EIO=4&transport=websocket", headers=headers))
        call.give({"type": "websocket.connect"})
        if is_refused:
            start = await call.next("websocket.http.response.start")
            assert start["status"] == 403
        else:
            await call.next("websocket.accept")
        call.hang_up(1006)
        await call.done()


async def test_refusals_are_one_log_line_in_a_while_however_many_come(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(fastsio.AsyncServer())
    for _ in range(20):
        assert await status_of(server.url, "websocket", {"Origin": OTHER}) == 403
    lines = [one.getMessage() for one in caplog.records if "accepted origin" in one.getMessage()]
    assert len(lines) == 1
    assert "check_origin" in lines[0]
    assert OTHER in lines[0]

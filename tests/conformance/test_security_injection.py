"""What a client says in an answer's head or in a log line: it stays in its header, and in its line.

Source: RFC 9110 5.5 (field values), CWE-113 (response splitting), CWE-117 (log injection).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import fastsio
from asgi_tools import Call, scope_of
from harness import BINARY, TEXT, FakePeer, RawConnection, http
from log_lines import Lines, log
from rows import at_once, bytewise
from wire import WEBSOCKET_KEY, Wire

__all__ = ["log"]

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
# What a client may try to end its header with.
HOSTILE = [
    b"a\r\nX-Injected: 1",
    b"a\r\n\r\nX-Injected: 1",
    b"a\r\n X-Injected: 1",
    b"a\r\n\tX-Injected: 1",
    b"a\nX-Injected: 1",
    b"a\rX-Injected: 1",
    b"a\0X-Injected: 1",
    b"a\x0b\x0cX-Injected: 1",
    b"a\x85X-Injected: 1",
    b"a\xc2\x85X-Injected: 1",
    b"a\xe2\x80\xa8X-Injected: 1",
    b"a%0d%0aX-Injected: 1",
    b"a\\r\\nX-Injected: 1",
    b"a\x1b[2J\x7f",
]
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
    % WEBSOCKET_KEY.encode()
)
# Where it comes back: the request line's target, and the headers, with a place for it.
ECHOES = {
    "Origin": (POLLING, b"Origin: {}\r\nConnection: close\r\n"),
    "subprotocol": (WEBSOCKET, UPGRADE + b"Sec-WebSocket-Protocol: {}\r\n"),
    "extension": (WEBSOCKET, UPGRADE + b"Sec-WebSocket-Extensions: {}\r\n"),
    "preflight": (
        POLLING,
        b"Origin: https://a.example\r\nAccess-Control-Request-Headers: {}\r\nConnection: close\r\n",
    ),
    "JSONP": (POLLING + "&j={}", b"Connection: close\r\n"),
    "sid": (POLLING + "&sid={}", b"Connection: close\r\n"),
}
ANSWERED = {
    "content-type", "content-length", "connection", "cache-control", "vary", "upgrade", "set-cookie",
    "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
    "access-control-allow-headers", "sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions",
}  # fmt: skip


@pytest.mark.fault(
    "a header that comes back in the answer has a line's end in it",
    "HTTP 400, or one header with what can be sent; never a second one",
)
@pytest.mark.parametrize("pace", [at_once, bytewise])
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("where", ECHOES)
async def test_no_client_adds_a_header_to_an_answer(
    serve: Any, where: str, value: bytes, pace: Callable[..., Any]
) -> None:
    io = fastsio.IO(
        cors={"origin": True, "credentials": True}, cookie=True, per_message_deflate=True
    )
    server = await serve(io)
    wire = await Wire.open(server.url)
    target, headers = ECHOES[where]
    method = b"OPTIONS" if where == "preflight" else b"GET"
    request = b"%b %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, target.encode(), headers)
    await pace(wire, request.replace(b"{}", value))
    head = (await wire.read_until(b"\r\n\r\n"))[:-4]
    lines = head.split(b"\r\n")
    names = [line.partition(b":")[0].decode().lower() for line in lines[1:]]
    assert set(names) <= ANSWERED
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", head.replace(b"\r\n", b""))
    wire.close()
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")


@pytest.mark.parametrize(
    "id_", ["a\r\nX-Injected: 1", 'a"b', "a;b", "a b", "ä", "", "a\0", None, 7, b"abc"]
)
async def test_an_id_that_would_end_its_header_opens_no_session(
    serve: Any, watch: Any, id_: Any
) -> None:
    server = await serve(fastsio.IO(cookie=True, generate_id=lambda request: id_))
    answer = await http(server.url, "GET", POLLING)
    assert answer.status == 400
    assert "set-cookie" not in answer.headers
    assert "x-injected" not in answer.headers
    watch.expect_error("generate_id failed")


@pytest.mark.parametrize(
    "value", ["a\r\nX-Injected: 1", "a\nb", "a\rb", "a\0b", "a\u2028b", "a\x7f"]
)
async def test_headers_of_the_application_are_checked_too(
    serve: Any, watch: Any, value: str
) -> None:
    """What an application puts into a header may be a client's word."""
    io = fastsio.IO()

    @io.engine.on("headers")
    def headers(headers: dict[str, Any], request: Any) -> None:
        headers["X-Name"] = value

    server = await serve(io)
    answer = await http(server.url, "GET", POLLING)
    assert answer.status == 200
    assert not {"x-name", "x-injected"} & set(answer.headers)
    watch.expect_error("not sent", "X-Name")
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")


async def test_text_of_a_refusal_is_json_whatever_the_origin_is(serve: Any) -> None:
    origin = 'https://a"},{"code":0,"x":"</script><script>'
    server = await serve(fastsio.AsyncServer())
    answer = await http(server.url, "GET", POLLING, None, {"Origin": origin})
    assert (answer.status, answer.headers["content-type"]) == (403, "application/json")
    assert answer.json() == {"code": 4, "message": f"{origin} is not an accepted origin."}


async def test_jsonp_calls_the_function_that_it_names_and_nothing_else(serve: Any) -> None:
    server = await serve(fastsio.IO())
    for index, called in (
        ("0", b"___eio[0]("),
        ("0](alert(1))//", b"___eio[01]("),
        ("x", b"___eio[]("),
    ):
        target = f"{POLLING}&j={urllib.parse.quote(index)}"
        answer = await http(server.url, "GET", target)
        assert answer.body.startswith(called + b'"')
        assert b"alert" not in answer.body
    for session in list(server.engine.sessions.values()):
        session.abort("forced close")


# --- the log --------------------------------------------------------------------------------------

# The end of a line for a terminal, a file, str.splitlines() or a web page; and what moves a cursor.
ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x1b[2J\x1b]0;x\x07\x7f\x9b2J\u202e"
FORGED = f"x{ENDS}CRITICAL:fastsio.core:all is lost"


def check_lines(log: Lines, at_least: int) -> None:
    """Each record's message is one line that can be printed."""
    wrong = [one.getMessage() for one in log.records if not one.getMessage().isprintable()]
    assert wrong == []
    assert not any(one.getMessage().startswith("CRITICAL") for one in log.records)
    ours = [one for one in log.records if one.name.startswith("fastsio")]
    assert len(ours) >= at_least, log.texts


def packets_of(event: str) -> list[str]:
    """Packets that are noted, complained about or refused, with a text of the client's in each place for one."""
    quoted = msgspec.json.encode(event).decode()
    in_path = event.replace(",", "")
    return [
        f"42[{quoted},1]",
        f'42["fail",{quoted}]',
        f"421[{quoted}]",
        f'42["typed",{{"name":{quoted}}}]',
        f'42["typed",{{{quoted}:1}}]',
        f'42["typed",{{"kind":{quoted}}}]',
        f'42["typed",{{"by_name":{{{quoted}:"x"}}}}]',
        f"40/{in_path},",
        f"40/typed,{quoted}",
        f'40/typed,{{{quoted}:1,"token":2}}',
        f'42/{in_path},["x"]',
        f"41/{in_path},",
    ]


class Kind(msgspec.Struct, forbid_unknown_fields=True):
    """Has an error for each way to be wrong."""

    name: int = 0
    kind: str = ""
    by_name: dict[str, int] = {}


class Login(msgspec.Struct, forbid_unknown_fields=True):
    token: str


def typed_server() -> Any:
    sio = fastsio.AsyncServer(async_mode="asgi", logger=True, engineio_logger=True, typed=True)

    @sio.event
    def fail(sid: str, text: str) -> None:
        raise RuntimeError("on purpose")

    @sio.event
    def typed(sid: str, kind: Kind) -> None:
        """Never called with what is tried here."""

    @sio.on("connect", namespace="/typed")
    def connect(sid: str, environ: Any, auth: Login) -> None:
        """Nor is this."""

    return sio


@pytest.mark.fault(
    "a client puts line ends and terminal codes where they are logged",
    "they are escaped: every log line is one line that can be printed",
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_packets_forge_no_log_line(log: Lines, transport: str) -> None:
    server = await fastsio.start(typed_server(), port=0)
    try:
        for packet in packets_of(FORGED):
            peer = await FakePeer(server.url, transport).open()
            await peer.connect()
            body = packet.encode().replace(b"\x1e", b"")
            if transport == "polling":
                await peer.post(body)
            else:
                assert peer.ws is not None
                peer.ws.send(TEXT, body)
                peer.ws.send(BINARY, FORGED.encode())
            await peer.close()
    finally:
        await server.close()
    check_lines(log, at_least=12)


def hostile_heads() -> list[bytes]:
    """Requests with bytes in the path, the query and the headers that HTTP lets through, and others."""
    raw = FORGED.encode("latin-1", "ignore").replace(b"\r", b"").replace(b"\n", b"")
    visible = bytes(byte for byte in raw if byte >= 0xA0 or 0x21 <= byte < 0x7F or byte >= 0x80)
    quoted = urllib.parse.quote(FORGED).encode()
    targets = [
        b"/socket.io/" + visible,
        b"/socket.io/?EIO=" + quoted + b"&transport=polling",
        b"/socket.io/?EIO=4&transport=" + quoted,
        b"/socket.io/?EIO=4&transport=polling&sid=" + quoted,
        b"/page/" + visible,
        b"/page/" + quoted,
        b"/socket.io/" + quoted + b"?EIO=4&transport=polling",
    ]
    heads = [
        b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target for target in targets
    ]
    for name in (
        b"Origin",
        b"Host",
        b"Upgrade",
        b"Sec-WebSocket-Extensions",
        b"X-Forwarded-For",
        b"Content-Type",
    ):
        host = b"" if name == b"Host" else b"Host: a\r\n"
        heads.append(
            b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n%b%b: %b\r\nConnection: close\r\n\r\n"
            % (host, name, visible)
        )
    return heads  # fmt: skip


async def test_requests_forge_no_log_line(log: Lines) -> None:
    def page(request: Any) -> str:
        raise RuntimeError("on purpose")

    sio = fastsio.AsyncServer(logger=True, engineio_logger=True, trusted_proxies="127.0.0.1")
    server = await fastsio.start(sio, port=0, pages={"/page/" + FORGED: page})
    try:
        for head in hostile_heads():
            connection = await RawConnection.open(server.url)
            connection.write(head)
            await connection.read_to_end()
            await connection.close()
    finally:
        await server.close()
    check_lines(log, at_least=5)
    assert any("page /page/x%0A" in text for text in log.texts)


async def test_middleware_that_hangs_names_a_path_in_one_line(log: Lines) -> None:
    io = fastsio.IO(middleware_timeout=0.01)
    io.engine.use(lambda request, response, next: None)
    server = await fastsio.start(io, port=0)
    try:
        connection = await RawConnection.open(server.url)
        connection.write(
            b"GET /socket.io/\x85\x9bx HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        await connection.read_to_end()
        await connection.close()
    finally:
        await server.close()
    check_lines(log, at_least=1)


@pytest.mark.parametrize("has_raw_path", [True, False])
async def test_paths_behind_an_asgi_server_are_decoded_and_forge_no_line(
    log: Lines, has_raw_path: bool
) -> None:
    io = fastsio.IO(middleware_timeout=0.01)
    io.engine.use(lambda request, response, next: None)
    app = fastsio.ASGIApp(io)
    path = f"/socket.io/{FORGED}"
    raw_path = path.encode() if has_raw_path else None
    scope = scope_of("http", "EIO=4&transport=polling", path=path, raw_path=raw_path)
    scope["client"] = ("192.0.2.7", 1)
    call = Call(app, scope, {"type": "http.request", "body": b"", "more_body": False})
    await call.answer()
    await call.done()
    app._stop()
    check_lines(log, at_least=1)


async def test_names_reach_the_application_as_they_were_sent(serve: Any) -> None:
    """Only the log escapes them."""
    io = fastsio.IO()
    io.on("connection", lambda socket: socket.on(FORGED, lambda value: value))
    peer = await FakePeer((await serve(io)).url).open()
    await peer.connect()
    await peer.send(f"427[{msgspec.json.encode(FORGED).decode()},1]")
    assert await peer.receive() == "437[1]"
    await peer.close()

"""Target: HTTP requests, as a connection reads them."""

from __future__ import annotations

import functools
from typing import Any

from fastsio._http import Request
from fastsio.engine.deflate import Deflation
from fastsio.engine.origin import origin_of
from fastsio.options import Options
from fuzz.tools import few_pieces, pieces
from memory_conn import Receiver, Router, answer

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 "
# A request like most: what one client has sent must not change how the next one's is read.
USUAL = b"GET /usual?x=1 HTTP/1.1\r\nHost: x\r\n\r\n"
USUAL_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n</usual?x=1>"
)
HEAD_LIMITS = (65_536, 200)
BODY_LIMITS = (1_000_000, 64)
DEFLATION = Deflation(Options(per_message_deflate=True).per_message_deflate)  # type: ignore[arg-type]
EVERYBODY = Options(trusted_proxies="*").trusted_proxies
ADDRESS = "192.0.2.7"


def http(data: bytes) -> None:
    """Any bytes on a new connection: the same requests and answers however they are cut."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    whole, cut = play([stream], flags), play(pieces(stream, how), flags)
    if TOO_LARGE in whole[1] or TOO_LARGE in cut[1]:
        # The limit counts what httptools has told so far, which is exact only at a line's end.
        assert whole[0][: len(cut[0])] == cut[0][: len(whole[0])]
    else:
        assert whole == cut
    assert play([USUAL], 0)[1] == USUAL_ANSWER


def play(stream: list[bytes], flags: int) -> tuple[list[Any], bytes, list[Any]]:
    """The requests that a connection gets, what it answers, and what its WebSocket hears."""
    return play_on(router_of(flags), stream, flags)


def router_of(flags: int) -> Router:
    return Router(
        max_head_bytes=HEAD_LIMITS[flags & 1],
        max_message_bytes=BODY_LIMITS[flags >> 1 & 1],
        deflate=DEFLATION if flags & 8 else None,
    )


def play_on(router: Router, stream: list[bytes], flags: int) -> tuple[list[Any], bytes, list[Any]]:
    receiver = Receiver()
    upgrades = flags & 4

    def serve(conn: Any, request: Any) -> None:
        if upgrades and request.is_upgrade:
            conn.accept_websocket(request, [], receiver)
        else:
            answer(conn, request)

    router.serve = serve
    transport = router.connect()
    for piece in stream:
        transport.feed(piece)
        router.end_turn()
    transport.lose()
    assert not router.open, "the router was not told"
    assert not router.watched, "the wheel still has it"
    requests = [parts_of(request) for request in router.requests]
    router.requests.clear()
    return requests, transport.sent.replace(CONTINUE, b""), receiver.got


@functools.cache
def lasting_router(flags: int) -> Router:
    """One for all quick runs: what one input leaves in it would be seen in another."""
    return router_of(flags)


def quick_http(data: bytes) -> None:
    """The same with fewer cuts, and without the next client's request."""
    if len(data) < 2:
        return
    flags, how, stream = data[0], data[1], data[2:]
    router = lasting_router(flags & 11)
    whole = play_on(router, [stream], flags)
    if how:
        cut = play_on(router, few_pieces(stream, how), flags)
        assert whole == cut or TOO_LARGE in whole[1] or TOO_LARGE in cut[1], (whole, cut)
    router.announced.clear()
    router.cut.clear()


def parts_of(request: Request) -> tuple[Any, ...]:
    check_lookups(request)
    return (
        request.method, request.target, request.raw_headers, request.body, request.is_upgrade,
        request.keep_alive, request.is_too_large,
    )  # fmt: skip


def check_lookups(request: Request) -> None:
    """What is looked up in the head is what a list of all of it has."""
    for name, value in request.headers.items():
        if name.isascii() and name.replace("-", "").isalpha():
            assert request.header(name) == value, name
    assert request.header("x-absent-from-all") is None
    for name, value in request.query.items():
        if name.isascii() and name:
            assert request.argument(name) == value, name
    assert request.path == request.url.partition("?")[0]
    origin_of(request, ADDRESS, False, EVERYBODY)

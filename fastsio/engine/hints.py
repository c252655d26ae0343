"""What the log says of clients that can't be served, and what would help. On the wire they get Node's answer alone."""

from fastsio.engine.errors import (
    BAD_REQUEST,
    UNKNOWN_SID,
    UNKNOWN_TRANSPORT,
    UNSUPPORTED_PROTOCOL_VERSION,
    Refusal,
)
from fastsio.engine.ports import Request
from fastsio.options import TRANSPORTS, WEBTRANSPORT, Options

# Where clients of Socket.IO 0.9 begin.
FIRST_GENERATION = "/1/"
# Characters of an id that fastsio makes.
ID_SIZE = 20


def hint(refusal: Refusal, request: Request, options: Options) -> str:
    """Whom a refused request is likely to come from, and what would help; "" if there is nothing to say of it."""
    transport = request.argument("transport")
    if refusal is UNKNOWN_TRANSPORT:
        return _of_transport(transport, request.path, options)
    if refusal is UNSUPPORTED_PROTOCOL_VERSION:
        return _of_version(request.argument("EIO"))
    if refusal is UNKNOWN_SID:
        return _of_sid(request.argument("sid") or "", options)
    if refusal is BAD_REQUEST and transport == "websocket" and not request.argument("sid"):
        return (
            "its request for a WebSocket came without an Upgrade header: a proxy in front of this server does not pass "
            "it on (nginx: proxy_http_version 1.1, proxy_set_header for Upgrade and Connection)"
        )
    return ""


def _of_transport(transport: str | None, path: str, options: Options) -> str:
    if transport is None and FIRST_GENERATION in path:
        return "it speaks Socket.IO 0.9, which can't be served: use a client of version 2 or later"
    if transport == WEBTRANSPORT:
        return "it asks for webtransport over HTTP/1.1; that transport has a CONNECT of HTTP/3 (docs/webtransport.md)"
    if transport in TRANSPORTS:
        served = ", ".join(options.transports)
        return (
            f"it begins with {transport}, and the option `transports` names {served} alone: "
            "the client's own `transports` must begin with one of these"
        )
    return ""


def _of_sid(sid: str, options: Options) -> str:
    """An id that was never ours; one of ours has expired, which is nothing to say."""
    if len(sid.partition(".")[0]) == ID_SIZE or options.generate_id is not None:
        return ""
    return "it sends a `sid` of its own in the query, where that is Engine.IO's name: call the parameter otherwise"


def _of_version(version: str | None) -> str:
    speaks = "no EIO in its query" if version is None else f"EIO={version[:20]!r}"
    return (
        f"it is of Socket.IO 1.x or 2.x (Engine.IO 3, {speaks}): let it in with allow_eio3=True, or use a client of "
        "version 3 or later"
    )

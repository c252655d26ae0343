"""Headers of Engine.IO's HTTP responses: CORS, the session cookie, compression, what Node sends.

Source: the `cors` package as engine.io uses it, engine.io 6.6 on the wire; Fetch standard, "CORS protocol".
"""

import functools
import inspect
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fastsio.engine.ports import Headers, Request
from fastsio.options import Options

PREFLIGHT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"


def cors_headers(options: Options, request: Request) -> Headers:
    """What lets the page at the request's Origin read the answer; nothing if it may not."""
    allowed = options.cors_allowed_origins
    if allowed is None:
        return []
    if allowed == "*" and not options.cors_credentials:
        return [("Access-Control-Allow-Origin", "*")]
    headers = [("Vary", "Origin")]
    origin = request.header("origin")
    if origin is not None and _is_allowed(allowed, origin, request):
        # A browser refuses "*" together with credentials, so the origin is named.
        headers.append(("Access-Control-Allow-Origin", origin))
        if options.cors_credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
    return headers


def _is_allowed(allowed: object, origin: str, request: Request) -> bool:
    if callable(allowed):
        takes_two = _takes_environ(allowed)
        return bool(allowed(origin, _environ(request)) if takes_two else allowed(origin))
    return (
        allowed == "*"
        or allowed == origin
        or (isinstance(allowed, frozenset) and origin in allowed)
    )


@functools.lru_cache(maxsize=64)
def _takes_environ(allowed: Callable[..., Any]) -> bool:
    """python-socketio's functions may take (origin, environ)."""
    try:
        inspect.signature(allowed).bind("origin", {})
    except (TypeError, ValueError):  # ValueError: a builtin that tells nothing
        return False
    return True


def _environ(request: Request) -> dict[str, Any]:
    """The request's own part of a WSGI environ."""
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(request.path),
        "QUERY_STRING": request.query_string,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


def preflight_headers(options: Options, request: Request) -> Headers:
    """The answer's headers to a browser's OPTIONS before a cross-origin request."""
    headers = cors_headers(options, request)
    headers.append(("Access-Control-Allow-Methods", PREFLIGHT_METHODS))
    asked = request.header("access-control-request-headers")
    if asked is not None:
        headers.append(("Vary", "Access-Control-Request-Headers"))
        headers.append(("Access-Control-Allow-Headers", asked))
    return headers


def cookie_header(options: Options, sid: str) -> Headers:
    """Set-Cookie with the session's id, if the `cookie` option asks for it."""
    cookie = options.cookie
    if cookie is None:
        return []
    assert isinstance(cookie, dict)
    parts = [f"{cookie['name']}={sid}"]
    for name, value in cookie.items():
        if callable(value):
            value = value()
        if name != "name" and value is not False and value is not None:
            parts.append(name if value is True else f"{name}={value}")
    return [("Set-Cookie", "; ".join(parts))]


def payload_headers(request: Request) -> Headers:
    """What goes with every polling payload."""
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store")]
    agent = request.header("user-agent") or ""
    if ";MSIE" in agent or "Trident/" in agent:
        headers.append(("X-XSS-Protection", "0"))
    return headers


def compress(options: Options, request: Request, body: bytes) -> tuple[Headers, bytes]:
    """The body gzipped or deflated where that is wanted and worth it, with the header that says so."""
    if not options.http_compression or len(body) < options.compression_threshold:
        return [], body
    accepted = _accepted_encodings(request.header("accept-encoding") or "")
    if "gzip" in accepted:
        return [("Content-Encoding", "gzip")], _deflate(body, 31)
    if "deflate" in accepted:
        return [("Content-Encoding", "deflate")], _deflate(body, 15)
    return [], body


def _accepted_encodings(header: str) -> set[str]:
    """The codings that an Accept-Encoding names, without those it refuses with q=0."""
    accepted = set()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return accepted


def _deflate(body: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(body) + compressor.flush()

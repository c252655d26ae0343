"""Which pages may speak to the server: CORS headers, and the check of a handshake's Origin.

CORS only says who may read answers; a WebSocket is open to every page unless its Origin is checked.
Source: Fetch standard, "CORS protocol", by the `cors` package as engine.io uses it; RFC 6455 4.2.2 and 10.2 (Origin).
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fastsio.engine.ports import Headers, Request
from fastsio.options import Options

PREFLIGHT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
NONE_NAMED: frozenset[str] = frozenset()


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


def is_accepted(options: Options, request: Request, origin: str, is_secure: bool) -> bool:
    """Whether check_origin lets a handshake in that names this Origin. Programs that are no browsers name none."""
    allowed = options.cors_allowed_origins
    if allowed is None:
        return _is_same_origin(request, origin, is_secure)
    return allowed == NONE_NAMED or _is_allowed(allowed, origin, request)


def _is_same_origin(request: Request, origin: str, is_secure: bool) -> bool:
    """True for a page of the server's own, as its clients name it.

    X-Forwarded-Host and -Proto are believed whoever sent them: a page can't set them. Without the latter, what comes
    in plain may have been https at a proxy.
    """
    scheme, _, host = origin.lower().partition("://")
    names = (request.header("host"), request.header("x-forwarded-host"))
    if host not in [_first(name) for name in names if name]:
        return False
    return scheme == "https" or not (
        is_secure or _first(request.header("x-forwarded-proto") or "") in ("https", "wss")
    )


def _first(value: str) -> str:
    return value.partition(",")[0].strip().lower()

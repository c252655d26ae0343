"""Which pages may speak to the server: CORS headers, and the check of a handshake's Origin.

CORS only says who may read answers; a WebSocket is open to every page unless its Origin is checked.
Source: Fetch standard, "CORS protocol", by the `cors` package as engine.io uses it; RFC 6455 4.2.2 and 10.2 (Origin).
"""

import functools
import inspect
import logging
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from fastsio.engine.payloads import origin_of_script
from fastsio.engine.ports import Headers, Request
from fastsio.options import Options

logger = logging.getLogger("fastsio.engine")

NONE_NAMED: frozenset[str] = frozenset()


def cors_headers(options: Options, request: Request) -> Headers:
    """What lets the page at the request's Origin read the answer; nothing if it may not."""
    allowed = options.cors_allowed_origins
    if allowed is None:
        return []
    headers = []
    if allowed == "*" and not options.cors_credentials:
        headers.append(("Access-Control-Allow-Origin", "*"))
    else:
        headers.append(("Vary", "Origin"))
        origin = request.header("origin")
        if origin is not None and _is_allowed(allowed, origin, request):
            # A browser refuses "*" together with credentials, so the origin is named.
            headers.append(("Access-Control-Allow-Origin", origin))
            if options.cors_credentials:
                headers.append(("Access-Control-Allow-Credentials", "true"))
    exposed = options.cors.exposed_headers
    if exposed:
        headers.append(("Access-Control-Expose-Headers", exposed))
    return headers


def _is_allowed(allowed: object, origin: str, request: Request) -> bool:
    """Whether the option's value names that origin, or what its function says."""
    if not callable(allowed):
        return _is_named(allowed, origin)
    if request.answer is not None and request.answer.allows_origin is not None:
        return bool(request.answer.allows_origin)
    try:
        said = _ask(allowed, origin, request)
    except Exception:  # an application's function may raise anything
        logger.exception("cors_allowed_origins failed for %r", origin)
        return False
    if hasattr(said, "__await__"):
        logger.error("cors_allowed_origins: %r returned %r; make it an `async def`", allowed, said)
        return False
    return _is_named(said, origin)


def _is_named(allowed: Any, origin: str) -> bool:
    if isinstance(allowed, re.Pattern):
        return allowed.search(origin) is not None
    if isinstance(allowed, frozenset):
        return origin in allowed
    if isinstance(allowed, (tuple, list, set)):
        return any(_is_named(one, origin) for one in allowed)
    return allowed in (True, "*", origin)


def needs_time(options: Options) -> bool:
    """Whether the option is a coroutine function: then ask_origin() has to be awaited before a request is served."""
    allowed = options.cors_allowed_origins
    return inspect.iscoroutinefunction(allowed) or inspect.iscoroutinefunction(
        getattr(allowed, "__call__", None)  # noqa: B004
    )


async def ask_origin(options: Options, request: Request) -> bool:
    """What the coroutine function says of the request's Origin; whatever it raises."""
    origin = request.header("origin")
    return origin is not None and _is_named(
        await _ask(options.cors_allowed_origins, origin, request), origin
    )


def _ask(allowed: Any, origin: str, request: Request) -> Any:
    takes_two = _takes_environ(allowed)
    return allowed(origin, _environ(request)) if takes_two else allowed(origin)


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
    cors = options.cors
    headers = cors_headers(options, request)
    headers.append(("Access-Control-Allow-Methods", cors.methods))
    allowed = cors.allowed_headers
    if allowed is None:
        allowed = request.header("access-control-request-headers")
        headers.append(("Vary", "Access-Control-Request-Headers"))
    if allowed:
        headers.append(("Access-Control-Allow-Headers", allowed))
    if cors.max_age is not None:
        headers.append(("Access-Control-Max-Age", cors.max_age))
    return headers


# --- the check of a handshake's Origin -------------------------------------------------------------


def checks_origins(options: Options) -> bool:
    """Whether there is anything to check: check_origin, or by default where cors_allowed_origins names somebody."""
    if options.check_origin is not None:
        return options.check_origin
    allowed = options.cors_allowed_origins
    return allowed is not None and allowed != "*" and allowed != NONE_NAMED


def origin_to_check(options: Options, request: Request, transport: str) -> str | None:
    """The Origin that a handshake is judged by; None for a program that is no browser, which names none.

    By default (check_origin=None) a polling handshake is not judged either, as Node's is not: CORS keeps its answer
    from the page, and so the session's id. What CORS does not protect are WebSockets, and scripts (JSONP).
    """
    origin = request.header("origin")
    if transport == "polling":
        if options.check_origin is None and request.argument("j") is None:
            return None
        if origin is None:
            return origin_of_script(request)
    return origin


def is_accepted(options: Options, request: Request, origin: str, is_secure: bool) -> bool:
    """Whether a handshake that names this Origin is let in.

    By default a page of the server's own always is, as with CORS; with check_origin=True, which is python-socketio's
    way, the names in cors_allowed_origins replace it.
    """
    allowed = options.cors_allowed_origins
    if allowed is None or options.check_origin is None:
        is_own = _is_same_origin(request, origin, is_secure)
        if is_own or allowed is None:
            return is_own
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

"""Which pages may use the server: the Origin of a request against `cors_allowed_origins`.

CORS headers (headers.py) tell browsers who may read an answer. Nothing of CORS keeps a page from opening a
WebSocket with the visitor's cookies, so a server that checks origins refuses what it does not allow.
Source: Fetch standard, "CORS protocol"; RFC 6455 10.2 (Origin considerations).
"""

from typing import Any

from fastsio.engine.ports import Request
from fastsio.options import Options


def is_allowed(options: Options, request: Request, origin: str) -> bool:
    """Whether `cors_allowed_origins`, which is not None, names the origin."""
    allowed = options.cors_allowed_origins
    if callable(allowed):
        fn: Any = allowed
        return bool(fn(origin, environ_of(request)) if options.origin_needs_environ else fn(origin))
    if isinstance(allowed, str):
        return allowed in ("*", origin)
    return isinstance(allowed, frozenset) and origin in allowed


def is_foreign(options: Options, request: Request, is_secure: bool) -> bool:
    """Whether a request comes from a page that may not use this server. Programs send no Origin, and are not pages.

    Without `cors_allowed_origins` it is the host that was asked that is allowed, under the name that a proxy says too:
    no page can make its visitor's browser send X-Forwarded-Host.
    """
    origin = request.header("origin")
    if origin is None or options.cors_allowed_origins == frozenset():
        return False
    if options.cors_allowed_origins is not None:
        return not is_allowed(options, request, origin)
    host = request.header("host")
    scheme = _first(request, "x-forwarded-proto") or ("https" if is_secure else "http")
    asked = {f"{scheme}://{host}", f"{scheme}://{_first(request, 'x-forwarded-host') or host}"}
    return origin not in asked


def environ_of(request: Request) -> dict[str, Any]:
    """What a function (origin, environ) is given: the request line and the headers of the request."""
    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
    }
    for name, value in request.headers.items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def _first(request: Request, name: str) -> str | None:
    value = request.header(name)
    return None if value is None else value.partition(",")[0].strip()

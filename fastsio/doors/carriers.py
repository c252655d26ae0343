"""Which Socket.IO application an ASGI application carries, and which paths are its.

Goes by what an object has, so that neither Starlette nor fastsio.asgi is imported here. What is not found
is served through ASGI like any other part of the application: slower, and right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

MAX_MIDDLEWARE = 32


@dataclass(frozen=True, slots=True)
class Carried:
    """`asgi_app` is the ASGIApp in an application; `mount` the path below which it is, "" for none.

    `is_direct` is False if something of the application's own is before it, which must see every request: then
    no path is taken from it, and Socket.IO goes through ASGI.
    """

    asgi_app: Any
    mount: str = ""
    is_direct: bool = True

    @property
    def socketio_server(self) -> Any:
        """The AsyncServer, IO or engineio.AsyncServer that it serves."""
        return self.asgi_app.engineio_server

    def is_engine_path(self, path: str) -> bool:
        """python-socketio's rule: decoded, and a slash is added before the paths are compared.

        Below a mount both forms are taken: with the mount's path, as python-socketio wants it, and without.
        """
        if not self.is_direct:
            return False
        wanted = self.asgi_app.engineio_path
        if "%" in path:
            path = unquote(path)
        if not path.endswith("/"):
            path += "/"
        if self.mount and not path.startswith(f"{self.mount}/"):
            return False
        if wanted is None or path.startswith(wanted):
            return True
        return bool(self.mount) and path[len(self.mount) :].startswith(wanted)


def is_asgi_app(app: Any) -> bool:
    """True for an ASGIApp over an application of ours."""
    return (
        callable(app)
        and hasattr(app, "other_asgi_app")
        and hasattr(app, "engineio_path")
        and hasattr(getattr(app, "engineio_server", None), "hub")
    )


def find_carried(app: Any) -> Carried | None:
    """The ASGIApp that `app` is, names as its `fastsio_app`, has mounted or wraps; None if there is none."""
    found = _find_here(app)
    for _ in range(MAX_MIDDLEWARE):
        if found is not None or app is None:
            return found
        # Middleware has what it is before as its `app`.
        app = getattr(app, "app", None)
        found = _find_here(app)
        if found is not None:
            found = replace(found, is_direct=False)
    return found


def _find_here(app: Any) -> Carried | None:
    if is_asgi_app(app):
        return Carried(app, is_direct=_is_called_as_made(app))
    named = getattr(app, "fastsio_app", None)
    if named is None:
        return _find_mounted(app)
    if not is_asgi_app(named):
        raise TypeError(f"{app!r}.fastsio_app is no ASGIApp of fastsio, but {named!r}")
    return Carried(named)


def _is_called_as_made(app: Any) -> bool:
    """False for a subclass with a __call__ of its own."""
    return str(getattr(type(app).__call__, "__module__", "")).startswith("fastsio.")


def _find_mounted(app: Any) -> Carried | None:
    """An ASGIApp that a Starlette or FastAPI application has mounted, directly if there is no middleware."""
    routes = getattr(app, "routes", None)
    for route in routes if isinstance(routes, Iterable) else ():
        mounted = getattr(route, "app", None)
        if is_asgi_app(mounted):
            is_direct = not getattr(app, "user_middleware", None) and _is_called_as_made(mounted)
            return Carried(mounted, str(getattr(route, "path", "")).rstrip("/"), is_direct)
    return None

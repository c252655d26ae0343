"""Which Socket.IO application an ASGI application carries, and which paths are its.

Goes by what an object has, so that neither Starlette nor fastsio.asgi is imported here. What is not found
is served through ASGI like any other part of the application: slower, and right.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Carried:
    """`asgi_app` is the ASGIApp in an application; `mount` the path below which it is, "" for none."""

    asgi_app: Any
    mount: str = ""

    @property
    def socketio_server(self) -> Any:
        """The AsyncServer, IO or engineio.AsyncServer that it serves."""
        return self.asgi_app.engineio_server

    def is_engine_path(self, path: str) -> bool:
        """python-socketio's rule: decoded, and a slash is added before the paths are compared.

        Below a mount both forms are taken: with the mount's path, as python-socketio wants it, and without.
        """
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
    """The ASGIApp that `app` is, or names as its `fastsio_app`, or has mounted; None if there is none."""
    if is_asgi_app(app):
        return Carried(app)
    named = getattr(app, "fastsio_app", None)
    if named is not None:
        if not is_asgi_app(named):
            raise TypeError(f"{app!r}.fastsio_app is no ASGIApp of fastsio, but {named!r}")
        return Carried(named)
    return _find_mounted(app)


def _find_mounted(app: Any) -> Carried | None:
    """An ASGIApp that a Starlette or FastAPI application has mounted.

    Not behind middleware: what the application has put before all its routes must see every request.
    """
    routes = getattr(app, "routes", None)
    if getattr(app, "user_middleware", None) or not isinstance(routes, Iterable):
        return None
    for route in routes:
        if is_asgi_app(getattr(route, "app", None)) and not getattr(route, "_middleware", None):
            return Carried(route.app, str(getattr(route, "path", "")).rstrip("/"))
    return None

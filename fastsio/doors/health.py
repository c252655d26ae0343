"""The health page: what a load balancer or an orchestrator asks to know whether to send clients here.

Source: Kubernetes' readiness and liveness probes, for which one status is not enough: a server that drains takes no new
clients and must not be killed.
"""

from pathlib import Path
from typing import Any

from fastsio._http import Request
from fastsio.doors.shared import SharedServer
from fastsio.server import Server
from fastsio.static import StaticFiles

LIVE = b"live"
DRAINING = b"draining"
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class Health(StaticFiles):
    """Answers `path` with 200 "live", or 503 "draining" once the server is told to stop; `path`/live always with 200.

    Stands before the files and pages of a server: everything else is theirs.
    """

    def __init__(self, path: str, behind: StaticFiles) -> None:
        """Raises ValueError for a path that is none."""
        super().__init__(None)
        if not path.startswith("/") or path.endswith("/") or "?" in path:
            raise ValueError(f"health={path!r}: a path such as /healthz")
        self.is_draining = False
        self._path = path
        self._live_path = f"{path}/live"
        self._behind = behind

    def owns(self, path: str) -> bool:
        """Whether a path is one of this page's two."""
        return path in (self._path, self._live_path)

    def handle(self, request: Request, exchange: Any) -> bool:
        path = request.path
        if not self.owns(path):
            return self._behind.handle(request, exchange)
        if request.method not in ("GET", "HEAD"):
            exchange.respond(405, [("Allow", "GET, HEAD")], b"")
            return True
        status = 503 if self.is_draining and path == self._path else 200
        body = DRAINING if self.is_draining else LIVE
        exchange.respond(status, HEADERS, body, is_head=request.method == "HEAD")
        return True

    def find(self, url_path: str) -> tuple[Path, str | None] | None:
        return self._behind.find(url_path)


def add_health(server: Server, path: str) -> Health:
    """Let `server` have the page, also before an application beside it. Raises ValueError for the engine's own path."""
    if server.is_engine_path(path):
        raise ValueError(f"health={path!r}: that is a path of Socket.IO")
    server.static = health = Health(path, server.static)
    if isinstance(server, SharedServer):
        owns = server.owns
        server.owns = lambda asked: health.owns(asked) or owns(asked)
    return health

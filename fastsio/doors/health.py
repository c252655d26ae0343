"""The health page: what a load balancer or an orchestrator asks to know whether to send clients here.

Source: Kubernetes' readiness and liveness probes, for which one status is not enough: a server that drains takes no new
clients and must not be killed. What joins servers has a page of its own: a server whose bus is down still serves its
clients, and with a bus that is down for all of them none would be ready.
"""

from pathlib import Path
from typing import Any

from fastsio._http import Request
from fastsio.core.bus_state import BusState
from fastsio.doors.shared import SharedServer
from fastsio.server import Server
from fastsio.static import StaticFiles

LIVE = b"live"
DRAINING = b"draining"
BUS_DOWN = b"bus down"
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class Health(StaticFiles):
    """Answers `path` with 200 "live", or 503 "draining" once the server is told to stop; `path`/live always with 200.

    `path`/bus says how the adapter is: 200 "up" or "none", or 503 and for how long it is down. With `bus_s`, a number
    of seconds, `path` itself is 503 "bus down" once that is longer. Stands before the files and pages of a server:
    everything else is theirs.
    """

    def __init__(
        self, path: str, behind: StaticFiles, bus: BusState | None = None, bus_s: float | None = None
    ) -> None:  # fmt: skip
        """Raises ValueError for a path that is none, and seconds that can't be."""
        super().__init__(None)
        if bus_s is not None and not 0 <= bus_s < float("inf"):
            raise ValueError(f"health_bus={bus_s!r}: seconds, 0 or more")
        if not path.startswith("/") or path.endswith("/") or "?" in path:
            raise ValueError(f"health={path!r}: a path such as /healthz")
        self.is_draining = False
        self._path = path
        self._live_path = f"{path}/live"
        self._bus_path = f"{path}/bus"
        self._behind = behind
        self._bus = bus
        self._bus_s = bus_s

    def owns(self, path: str) -> bool:
        """Whether a path is one of this page's three."""
        return path in (self._path, self._live_path, self._bus_path)

    def handle(self, request: Request, exchange: Any) -> bool:
        path = request.path
        if not self.owns(path):
            return self._behind.handle(request, exchange)
        if request.method not in ("GET", "HEAD"):
            exchange.respond(405, [("Allow", "GET, HEAD")], b"")
            return True
        status, body = self._says(path)
        exchange.respond(status, HEADERS, body, is_head=request.method == "HEAD")
        return True

    def _says(self, path: str) -> tuple[int, bytes]:
        bus = self._bus
        if path == self._bus_path:
            if bus is None:
                return 200, b"none"
            counts = f"{bus.lost} lost, {bus.waiting} waiting, {bus.replayed} replayed"
            if bus.is_up:
                return 200, f"up: {counts}".encode()
            return 503, f"down for {bus.down_s:.1f} s: {counts}".encode()
        is_ready = path == self._path
        if self.is_draining:
            return (503 if is_ready else 200), DRAINING
        if is_ready and bus is not None and self._bus_s is not None and bus.down_s > self._bus_s:
            return 503, BUS_DOWN
        return 200, LIVE

    def find(self, url_path: str) -> tuple[Path, str | None] | None:
        return self._behind.find(url_path)


def add_health(server: Server, path: str, bus_s: float | None = None) -> Health:
    """Let `server` have the page, also before an application beside it. Raises ValueError for the engine's own path."""
    if server.is_engine_path(path):
        raise ValueError(f"health={path!r}: that is a path of Socket.IO")
    bus = getattr(server.hub, "bus_state", None)  # engineio's servers have none
    server.static = health = Health(path, server.static, bus, bus_s)
    if isinstance(server, SharedServer):
        owns = server.owns
        server.owns = lambda asked: health.owns(asked) or owns(asked)
    return health

"""ASGIApp under python-engineio's signature."""

from typing import Any

from fastsio import asgi
from fastsio.server import Application


class ASGIApp(asgi.ASGIApp):
    """An ASGI application that serves an engineio.AsyncServer, and hands on what is not Engine.IO's.

    As fastsio.ASGIApp, but for the name and the default of `engineio_path`; None: all requests are the server's.
    """

    def __init__(
        self, engineio_server: Application, other_asgi_app: Any = None, static_files: dict[str, Any] | None = None,
        engineio_path: str | None = "engine.io", on_startup: Any = None, on_shutdown: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            engineio_server, other_asgi_app, static_files, engineio_path, on_startup, on_shutdown
        )

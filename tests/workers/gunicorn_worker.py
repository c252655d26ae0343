"""gunicorn's worker class as docs/workers.md has it: `gunicorn -k gunicorn_worker.Worker`."""

from __future__ import annotations

from typing import Any, ClassVar

from uvicorn.workers import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "http": "fastsio.uvicorn:CrewHttpProtocol",
        "access_log": False,
    }

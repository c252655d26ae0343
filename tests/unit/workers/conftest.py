"""Workers for these tests. Their helpers are imported by their bare names, as all are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest_asyncio

from harness import until

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

from crew_tools import Worker  # noqa: E402


@pytest_asyncio.fixture
async def crew(serve: Any, tmp_path: Path) -> Any:
    """`workers = await crew(count, **options)`; at the end each client has had one disconnect."""
    workers: list[Worker] = []

    async def make(
        count: int = 3, start: dict[str, Any] | None = None, app: Any = None, **options: Any
    ) -> list[Worker]:
        for number in range(count):
            worker = Worker(number, str(tmp_path), **options)
            shown = worker.io if app is None else app(worker.io)
            worker.server = await serve(shown, crew=worker.crew, **(start or {}))
            workers.append(worker)
        await until(
            lambda: all(len(one.crew.others) == count - 1 for one in workers), "all have met"
        )
        return workers

    yield make
    for worker in workers:
        await until(lambda worker=worker: sorted(worker.came) == sorted(worker.gone), "the ledger")

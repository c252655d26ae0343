"""Everything that is logged while a test runs, at every level, as a file would have it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

# Loggers that other tests may have set to something.
NAMES = (
    "fastsio", "fastsio.core", "fastsio.engine", "fastsio.conn", "fastsio.engineio", "fastsio.client",
    "asyncio", "uvicorn", "uvicorn.access", "uvicorn.error", "uvicorn.asgi",
)  # fmt: skip


class Lines(logging.Handler):
    """`records` as they came; `texts` with their tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.records: list[logging.LogRecord] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [self.format(record) for record in self.records]


@pytest.fixture
def log() -> Iterator[Lines]:
    """Hears all; afterwards the loggers are as they were."""
    lines = Lines()
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, NAMES)]
    before = [(one, one.level, one.propagate, one.disabled, list(one.handlers)) for one in loggers]
    for one in loggers:
        one.setLevel(logging.DEBUG)
        one.propagate, one.disabled = True, False
    root.addHandler(lines)
    yield lines
    for one, level, propagate, is_disabled, handlers in before:
        one.setLevel(level)
        one.propagate, one.disabled, one.handlers = propagate, is_disabled, handlers

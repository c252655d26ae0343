"""Conformance tests: the server they talk to is ours, or the official one to check the tests themselves."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

# The helper modules here are imported by their bare names, whatever import mode pytest is in.
sys.path.insert(0, str(Path(__file__).parent))

from targets import Target, open_target


@pytest.fixture(scope="session", autouse=True)
def _small_heap() -> Iterator[None]:
    """Every test looks through the heap for left-overs: keep what pytest collected out of it."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Target]:
    """A server with the application of targets.py on it, closed at the end."""
    async with open_target() as opened:
        yield opened

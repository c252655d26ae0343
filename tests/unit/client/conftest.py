"""Fixtures of the clients' unit tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from fake_server import FakeServer
from fastsio.client import AsyncClient
from harness import LoopWatch


@pytest_asyncio.fixture
async def fake(watch: LoopWatch) -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


@pytest_asyncio.fixture
async def client(fake: FakeServer) -> AsyncIterator[AsyncClient]:
    """A client that does not reconnect; what is left of its connection is cut at the end."""
    client = AsyncClient(handle_sigint=False, reconnection=False)
    yield client
    fake.cut_all()
    await client.shutdown()

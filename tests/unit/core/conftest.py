"""Fixtures of the core's tests: clients in memory, beside the sockets that the server has for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from clock_loop import pytest_asyncio_loop_factories
from memory_conn import Clients

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture
def io() -> fastsio.IO:
    return fastsio.IO()


@pytest_asyncio.fixture
async def join(serve: Any) -> AsyncIterator[Clients]:
    """`peer, socket = await join(app)`: see memory_conn.Clients. All are closed at the end."""
    clients = Clients(serve)
    yield clients
    await clients.close()

"""Fixtures of the tests of instrument(): a server, its clients, its admins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from admin_page import LOGIN, AdminPage
from clock_loop import pytest_asyncio_loop_factories
from memory_conn import Clients

__all__ = ["pytest_asyncio_loop_factories"]


@pytest_asyncio.fixture
async def join(serve: Any) -> AsyncIterator[Clients]:
    clients = Clients(serve)
    yield clients
    await clients.close()


@pytest.fixture
def enter(join: Clients) -> Callable[..., Any]:
    """`page = await enter(sio, auth)`: an admin, who has been told all that one is told at first."""

    async def enter(
        sio: Any, auth: Any = LOGIN, namespace: str = "/admin", is_told: bool = True
    ) -> AdminPage:
        # The first one gets figures at once, others when they are due.
        last = "all_sockets" if sio.hub.observer._admins else "server_stats"
        peer, _ = await join(sio, namespace, auth)
        page = AdminPage(peer, namespace)
        while is_told and (await page.event())[0] != last:
            pass
        return page

    return enter


@pytest.fixture
def sio() -> fastsio.AsyncServer:
    return fastsio.AsyncServer()

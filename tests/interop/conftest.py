"""Fixtures of the interop tests: the Node driver, both API styles, every transport mode."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from apps import Log, reason_in
from harness import assert_clean
from node_driver import NodeDriver
from peer_servers import KINDS, TRANSPORTS, PeerServer
from server_process import ServerProcess, app_of_style

STYLES = ("aio", "io")
MODES = ("polling", "websocket", "upgrade", "upgrading")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep half of the matrix of style, mode and loop, in which every pair of values still occurs.

    FASTSIO_TEST_MATRIX=full runs all of it.
    """
    if os.environ.get("FASTSIO_TEST_MATRIX") == "full":
        return
    here = Path(__file__).parent
    kept, left_out = [], []
    for item in items:
        callspec = getattr(item, "callspec", None)
        is_odd = (
            callspec is not None
            and here in item.path.parents
            and "style" in callspec.params
            and sum(callspec.indices.values()) % 2 == 1
        )
        (left_out if is_odd else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> str:
    """Which of the two API styles the application is written in."""
    return request.param


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """How the client connects; "upgrade" has switched before the scenario starts."""
    return request.param


@pytest.fixture(scope="session")
def node() -> Iterator[NodeDriver]:
    driver = NodeDriver()
    yield driver
    driver.stop()


@pytest.fixture
def own_node() -> Iterator[NodeDriver]:
    """A Node process of this test alone, which it may kill."""
    driver = NodeDriver()
    yield driver
    driver.stop()


@pytest.fixture(scope="session", params=KINDS)
def peer_server(request: pytest.FixtureRequest) -> Iterator[PeerServer]:
    """A server for Python clients, which tests share and do not stop."""
    server = PeerServer(request.param).start()
    yield server
    server.kill()


@pytest.fixture(params=KINDS)
def own_peer_server(request: pytest.FixtureRequest) -> Iterator[PeerServer]:
    """A server of one test alone, which it may start with options, kill and start again."""
    server = PeerServer(request.param)
    yield server
    server.kill()


@pytest.fixture(params=TRANSPORTS)
def how(request: pytest.FixtureRequest) -> str:
    """How a Python client connects: see peer_servers.TRANSPORTS."""
    return request.param


class Stage:
    """The interop application on a server in this process, and the scenarios played to it."""

    def __init__(self, node: NodeDriver, serve: Any, style: str) -> None:
        self.node = node
        self.style = style
        self.log = Log()
        self.server: Any = None
        self._serve = serve

    def words(self, reason: str) -> str:
        """Node's reason as this style's `disconnect` handlers get it."""
        return reason_in(self.style, reason)

    async def open(
        self, *, port: int = 0, tls: tuple[str, str] | None = None, **options: Any
    ) -> Any:
        """Start the server with these options of AsyncServer or IO; `tls` is a certificate and its key."""
        self.app = app_of_style(self.style).build(self.log, **options)
        cert, key = tls or (None, None)
        self.server = await self._serve(self.app, port=port, ssl_certfile=cert, ssl_keyfile=key)
        return self.server

    async def play(self, scenario: str, mode: str, **args: Any) -> Any:
        """Play a scenario to its end; the result is the scenario's."""
        if self.server is None:
            await self.open()
        return await self.node.play(scenario, self.server.url, mode, **args)

    async def start(self, scenario: str, mode: str, **args: Any) -> Any:
        """Start a scenario that says notes on the way."""
        if self.server is None:
            await self.open()
        return self.node.start(scenario, self.server.url, mode, **args)

    async def all_gone(self) -> None:
        """Wait until the server has seen every client of the scenario leave."""
        await assert_clean(self.server)


@pytest_asyncio.fixture
async def stage(node: NodeDriver, serve: Any, style: str) -> Stage:
    return Stage(node, serve, style)


@pytest_asyncio.fixture
async def server_process(style: str) -> AsyncIterator[ServerProcess]:
    """The interop application in a process of its own: it can be killed, stopped and restarted."""
    process = ServerProcess(style)
    yield process
    process.kill()

"""Fixtures for every test: both event loops, servers that must end clean, a watch for leaks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from harness import LoopWatch, assert_clean
from quick_gc import pytest_runtest_logfinish

__all__ = ["pytest_runtest_logfinish"]

Serve = Callable[..., Awaitable[Any]]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Every async test runs on both loops; `mark.asyncio(loop_factories=[...])` picks one."""
    factories: dict[str, Any] = {"asyncio": asyncio.SelectorEventLoop}
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest_asyncio.fixture
async def watch() -> AsyncIterator[LoopWatch]:
    """Fails the test if it leaves a task, an unhandled loop exception or a logged error."""
    async with LoopWatch() as loop_watch:
        yield loop_watch


@pytest_asyncio.fixture
async def serve(watch: LoopWatch) -> AsyncIterator[Serve]:
    """`server = await serve(app, **start_options)`; at the end it must be clean, and is closed."""
    import fastsio

    servers: list[Any] = []

    async def start(app: Any, **options: Any) -> Any:
        options.setdefault("host", "127.0.0.1")
        options.setdefault("port", 0)
        server = await fastsio.start(app, **options)
        servers.append(server)
        return server

    yield start
    try:
        for server in servers:
            await assert_clean(server)
    finally:
        for server in servers:
            await server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate and its key, as files."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return cert, key

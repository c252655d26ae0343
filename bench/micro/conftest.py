"""Every benchmark shows that what it timed gave the right result: extra_info["correct"]."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
import uvloop


@pytest.fixture(autouse=True)
def checked(benchmark) -> Iterator[None]:
    gc.freeze()
    yield
    gc.unfreeze()
    assert benchmark.extra_info["correct"] is True


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """A loop that is said to run. Nothing here waits for it, so it never turns."""
    loop = uvloop.new_event_loop()
    asyncio._set_running_loop(loop)
    yield
    asyncio._set_running_loop(None)
    loop.close()

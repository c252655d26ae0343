"""Every benchmark shows that what it timed gave the right result: extra_info["correct"]."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def checked(benchmark) -> Iterator[None]:
    gc.freeze()
    yield
    gc.unfreeze()
    assert benchmark.extra_info["correct"] is True

"""A hook for tests/conftest.py: keeps the gc.collect() at the end of every async test short.

LoopWatch collects so that what a test lost is said in that test. Thousands of collected tests and their
reports make that 70 ms; with what pytest itself keeps frozen, out of the collector's sight, it is 5 ms.
"""

from __future__ import annotations

import gc
import itertools

import pytest

EVERY = 25  # tests; a full collection first, so that nothing is frozen that is garbage

_finished = itertools.count()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """Between two tests there is nothing alive but pytest and the modules."""
    if next(_finished) % EVERY == 0:
        gc.collect()
        gc.freeze()

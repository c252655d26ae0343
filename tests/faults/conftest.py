"""Fixtures of the tests of faults: the loop whose clock the tests turn."""

from clock_loop import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]

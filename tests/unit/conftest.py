"""Fixtures of the unit tests: each compiled module with its reference, each stream whole and cut."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest

from frame_tools import byte_by_byte, in_one_piece


@pytest.fixture(params=["fastsio._frames", "reference"])
def frames(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(params=["fastsio._codec", "reference"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(params=[in_one_piece, byte_by_byte])
def cut(request: pytest.FixtureRequest) -> Callable[[bytes], list[bytes]]:
    return request.param

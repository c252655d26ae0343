"""The logger option, and the exceptions' names."""

from __future__ import annotations

import logging

import engineio.exceptions
import pytest

from fastsio.engineio import AsyncServer, exceptions
from fastsio.engineio.server import LOGGERS


@pytest.fixture(autouse=True)
def _as_before():
    """Loggers as they were."""
    known = [logging.getLogger(name) for name in LOGGERS]
    before = [(one, one.level, list(one.handlers), one.propagate) for one in known]
    yield
    for one, level, handlers, propagate in before:
        one.setLevel(level)
        one.handlers[:] = handlers
        one.propagate = propagate


def test_logger_of_the_application_gets_what_its_level_lets_through():
    records = []
    mine = logging.getLogger("application of the test")
    mine.setLevel(logging.WARNING)
    mine.addHandler(logging.Handler())
    mine.handlers[0].emit = records.append
    eio = AsyncServer(logger=mine)
    assert eio.logger is mine
    for name in LOGGERS:
        logging.getLogger(name).info("a note")
        logging.getLogger(name).warning("a warning")
    assert [record.getMessage() for record in records] == ["a warning"] * 3


def test_without_it_the_servers_own_is_used():
    assert AsyncServer().logger is logging.getLogger("fastsio.engineio")


def test_logger_that_is_none_is_refused():
    with pytest.raises(TypeError, match="logger='stderr'"):
        AsyncServer(logger="stderr")


def test_exceptions_have_their_names_and_their_order():
    for name in exceptions.__all__:
        mine, theirs = getattr(exceptions, name), getattr(engineio.exceptions, name)
        assert [base.__name__ for base in mine.__mro__] == [
            base.__name__ for base in theirs.__mro__
        ]
    theirs = {n for n in vars(engineio.exceptions) if n[0].isupper()}
    assert set(exceptions.__all__) == theirs

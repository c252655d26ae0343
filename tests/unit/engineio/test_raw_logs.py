"""The logger option, and the exceptions' names."""

from __future__ import annotations

import logging

import engineio.exceptions
import pytest

from fastsio.engineio import AsyncServer, exceptions, logs


@pytest.fixture(autouse=True)
def _as_before():
    """Loggers as they were."""
    known = [logging.getLogger(name) for name in logs.NAMES]
    before = [(one, one.level, list(one.handlers)) for one in known]
    yield
    for one, level, handlers in before:
        one.setLevel(level)
        one.handlers[:] = handlers


def test_without_it_the_loggers_stay_as_they_are():
    before = {
        name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers))
        for name in logs.NAMES
    }
    assert AsyncServer().logger is logs.logger
    for name, found in before.items():
        assert (logging.getLogger(name).level, logging.getLogger(name).handlers) == found


def test_true_prints_to_stderr_once_however_many_servers_there_are(capsys):
    AsyncServer(logger=True)
    AsyncServer(logger=True)
    logging.getLogger("fastsio.engine").info("a note")
    assert capsys.readouterr().err.count("a note") == 1


def test_logger_of_the_application_gets_what_its_level_lets_through():
    records = []
    mine = logging.getLogger("application of the test")
    mine.setLevel(logging.WARNING)
    mine.addHandler(logging.Handler())
    mine.handlers[0].emit = records.append
    eio = AsyncServer(logger=mine)
    assert eio.logger is mine
    logging.getLogger("fastsio.engine").info("a note")
    logging.getLogger("fastsio.engine").warning("a warning")
    assert [record.getMessage() for record in records] == ["a warning"]


def test_two_loggers_of_the_application_both_get_it():
    found = {}
    for name in ("first", "second"):
        target = logging.getLogger(f"{name} of the test")
        target.addHandler(logging.Handler())
        target.handlers[0].emit = lambda record, name=name: found.setdefault(name, record)
        AsyncServer(logger=target)
    logging.getLogger("fastsio.conn").warning("x")
    assert set(found) == {"first", "second"}


def test_exceptions_have_their_names_and_their_order():
    for name in exceptions.__all__:
        mine, theirs = getattr(exceptions, name), getattr(engineio.exceptions, name)
        assert [base.__name__ for base in mine.__mro__] == [
            base.__name__ for base in theirs.__mro__
        ]
    theirs = {n for n in vars(engineio.exceptions) if n[0].isupper()}
    assert set(exceptions.__all__) == theirs

"""Loggers of every kind that applications give."""

from __future__ import annotations

import logging

import pytest

from fastsio.api import logs

NAMES = ("fastsio.test.one", "fastsio.test.two")


@pytest.fixture(autouse=True)
def fresh():
    yield
    for name in NAMES:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


class Structured:
    """Like structlog's: methods, and no logging.Logger."""

    def __init__(self):
        self.said = []

    def info(self, message, **more):
        self.said.append(("info", message))

    def error(self, message, exc_info=None):
        self.said.append(("error", message, exc_info and exc_info[1]))


@pytest.mark.parametrize("given", [False, None])
def test_without_a_logger_nothing_is_changed(given):
    logger = logs.set_logger(given, NAMES, "logger")
    assert logger is logging.getLogger(NAMES[0])
    assert (logger.handlers, logger.level) == ([], logging.NOTSET)


@pytest.mark.feature("1.1 logging")
def test_logger_gets_what_it_is_enabled_for_and_nobody_else():
    class Records(logging.Handler):
        def emit(self, record):
            said.append((record.name, record.getMessage()))

    said = []
    given = logging.getLogger("an application of test_logs")
    given.setLevel(logging.WARNING)
    given.addHandler(Records())
    assert logs.set_logger(given, NAMES, "logger") is given
    logging.getLogger(NAMES[0]).info("too little")
    logging.getLogger(NAMES[1]).warning("enough %d", 1)
    assert said == [(NAMES[1], "enough 1")]
    assert not logging.getLogger(NAMES[0]).propagate


def test_any_object_with_a_loggers_methods_will_do():
    given = Structured()
    logs.set_logger(given, NAMES, "logger")
    error = RuntimeError("on purpose")
    logging.getLogger(NAMES[0]).info("note %d", 1)
    logging.getLogger(NAMES[0]).warning("no method of that name")
    logging.getLogger(NAMES[0]).error("failed", exc_info=error)
    assert given.said == [
        ("info", "note 1"), ("info", "no method of that name"), ("error", "failed", error),
    ]  # fmt: skip


def test_second_logger_takes_the_first_ones_place():
    first, second = Structured(), Structured()
    logs.set_logger(first, NAMES, "logger")
    logs.set_logger(second, NAMES, "logger")
    logging.getLogger(NAMES[0]).info("note")
    assert (first.said, second.said) == ([], [("info", "note")])


def test_fastsios_own_logger_is_no_circle(capsys):
    logger = logging.getLogger("fastsio.core")
    assert logs.set_logger(logger, logs.CORE_LOGGERS, "logger") is logger
    assert not any(isinstance(one, logs.Forwarder) for one in logger.handlers)


def test_only_who_wants_to_know_is_told_of_every_event():
    quiet = logging.getLogger("a quiet application")
    quiet.setLevel(logging.WARNING)
    talkative = logging.getLogger("a talkative application")
    talkative.setLevel(logging.INFO)
    given = (False, None, True, Structured(), quiet, talkative)
    assert [logs.is_talkative(one) for one in given] == [False, False, True, True, False, True]


def test_level_and_handlers_of_the_application_are_left_alone():
    logger = logging.getLogger(NAMES[0])
    own = logging.NullHandler()
    logger.addHandler(own)
    logger.setLevel(logging.ERROR)
    logs.set_logger(True, NAMES[:1], "logger")
    assert (logger.handlers, logger.level) == ([own], logging.ERROR)

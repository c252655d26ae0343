"""Failures: which exception handler is asked, and what it is called with. See also api/test_aio_failures.py."""

from __future__ import annotations

import pytest

import fastsio
from fastsio.core.failures import Failures


class OwnError(ValueError):
    pass


def handler(exc, event, sid, *args):
    return "answer"


def other(exc, event, sid):
    return "other"


@pytest.fixture
def failures():
    return Failures(set())


def test_most_special_class_is_asked(failures):
    failures.add(handler, Exception, None)
    failures.add(other, ValueError, None)
    assert failures.find(OwnError(), "/") == (other, 3)
    assert failures.find(KeyError(), "/") == (handler, -1)


def test_handler_of_the_namespace_is_asked_before_those_of_all(failures):
    failures.add(handler, Exception, "/n")
    failures.add(other, OwnError, None)
    assert failures.find(OwnError(), "/n") == (handler, -1)
    assert failures.find(OwnError(), "/") == (other, 3)


def test_none_is_found_for_what_no_class_covers(failures):
    failures.add(handler, OwnError, None)
    assert failures.find(ValueError(), "/") is None


def test_last_handler_of_a_class_wins(failures):
    failures.add(handler, Exception, None)
    failures.add(other, Exception, None)
    assert failures.find(KeyError(), "/") == (other, 3)


@pytest.mark.parametrize(
    ("fn", "error", "message"),
    [
        (lambda exc, event: None, Exception, "takes 2 arguments, it is called with 3"),
        ("no function", Exception, "is not callable"),
        (handler, 5, "5: a subclass of Exception"),
        (handler, KeyboardInterrupt, "a subclass of Exception"),
    ],
)
def test_what_cant_be_called_so_is_refused_where_it_is_given(failures, fn, error, message):
    with pytest.raises(TypeError, match=message):
        failures.add(fn, error, None)
    assert failures.find(ValueError(), "/") is None


def test_every_namespace_asks_the_same_failures():
    sio = fastsio.AsyncServer(namespaces=["/a"])
    sio.exception_handler(handler)
    sio.on("x", print, namespace="/later")
    assert {one.on_failure for one in sio.hub.namespaces.values()} == {sio.hub.failures.handle}

"""Descriptors that are kept for the application: who is refused, and how; the limit is the test's."""

from __future__ import annotations

import logging

import pytest

from fastsio import descriptors
from fastsio._stream import keep_descriptors
from fastsio.descriptors import NO_LIMIT, Descriptors
from fastsio.rarely import RareLog

resource = pytest.importorskip("resource", reason="Windows has no such limit")


class FakeConn:
    remote = "192.0.2.7"

    def __init__(self) -> None:
        self.done: list[object] = []

    def respond(self, status, headers, body, *, keep_alive):
        self.done.append((status, headers, keep_alive))

    def abort(self):
        self.done.append("aborted")


@pytest.fixture
def limit(monkeypatch):
    """`limit(1024)` sets what the process may have; nothing is kept any more after the test."""

    def set_to(soft: int) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, soft))

    yield set_to
    keep_descriptors(NO_LIMIT)


def refused(few: Descriptors, fd: int) -> list[object]:
    conn = FakeConn()
    few.refuse(conn, fd)
    return conn.done


@pytest.mark.parametrize(
    ("soft", "reserve"), [(1024, 64), (256, 32), (80, 10), (8, 1), (1_048_576, 64)]
)
def test_so_many_are_kept(limit, soft, reserve):
    limit(soft)
    few = Descriptors(RareLog(logging.getLogger("test")))
    assert (few.limit, few.reserve) == (soft, reserve)
    assert refused(few, soft - reserve - 1) == []
    assert refused(few, soft - reserve) != []


def test_the_first_half_of_them_is_spent_on_answers_the_rest_on_nothing(limit, caplog):
    limit(1024)
    few = Descriptors(RareLog(logging.getLogger("test")))
    assert refused(few, 1024 - 64) == [(503, [("Retry-After", "5")], False)]
    assert refused(few, 1024 - 33) == [(503, [("Retry-After", "5")], False)]
    assert refused(few, 1024 - 32) == ["aborted"]
    assert refused(few, 1023) == ["aborted"]
    (line,) = caplog.messages
    assert "192.0.2.7 refused: 63 of 1024 file descriptors are left" in line
    assert "RLIMIT_NOFILE" in line


def test_a_limit_that_was_raised_is_seen(limit):
    limit(1024)
    few = Descriptors(RareLog(logging.getLogger("test")))
    limit(4096)
    assert refused(few, 1000) == []
    assert few.limit == 4096


@pytest.mark.parametrize("soft", [resource.RLIM_INFINITY, 2**40])
def test_without_a_limit_nobody_is_refused(limit, soft):
    limit(soft)
    few = Descriptors(RareLog(logging.getLogger("test")))
    assert refused(few, 10**6) == []


def test_where_there_is_no_such_limit_nobody_is_refused(monkeypatch):
    monkeypatch.setattr(descriptors, "resource", None)
    assert refused(Descriptors(RareLog(logging.getLogger("test"))), 10**6) == []

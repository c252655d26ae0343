"""Log lines about what happens often: the first at once, then one in a while with how many more."""

from __future__ import annotations

import logging

from fastsio.rarely import RareLog


def test_first_line_comes_at_once_and_the_next_when_the_interval_is_over(caplog):
    clock = [100.0]
    log = RareLog(logging.getLogger("fastsio.test"), lambda: clock[0], 10)
    for _ in range(50):
        log.note("flood", "flood of %s", "events")
    assert [record.getMessage() for record in caplog.records] == ["flood of events"]
    clock[0] = 110.0
    log.note("flood", "flood of %s", "events", count=3)
    assert caplog.records[1].getMessage() == "flood of events (52 since the last such line)"
    assert log.counts == {"flood": 53}


def test_subjects_have_lines_of_their_own(caplog):
    log = RareLog(logging.getLogger("fastsio.test"), lambda: 1.0)
    log.note("a", "about a")
    log.note("b", "about b")
    log.note("a", "about a")
    assert [record.getMessage() for record in caplog.records] == ["about a", "about b"]
    assert log.counts == {"a": 2, "b": 1}

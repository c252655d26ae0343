"""The long runs in short, 100,000 connects, and what the runs judge by.

The long forms are `make soak` and `make misbehave`.
"""

from __future__ import annotations

import shutil
import sys
from typing import Any

import pytest

from tests.soak import misbehave, soak
from tests.soak.figures import fit
from tests.soak.ledger import Ledger, judge
from tests.soak.processes import left_over, load_program, load_result, running_server

needs_load = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="the load generator needs epoll and a C compiler",
)
# Who has gone without a word is missed soon.
SOON = {"ping_interval": 1, "ping_timeout": 1, "upgrade_timeout": 2, "connect_timeout": 10}
LIMIT_S = 60.0


def storms(server: Any, connects: int) -> None:
    """So many connects by the load generator, a tenth of them over polling."""
    for polling, count in ((False, connects * 9 // 10), (True, connects // 10)):
        load_result(soak.begin_storm(server, count, polling), soak.STORM_LIMIT_S)


@needs_load
@pytest.mark.timeout(600)
@pytest.mark.fault(
    "100,000 clients come and go",
    "each has its disconnect; no task, timer, descriptor or memory block is left",
)
def test_100_000_connects_leave_nothing() -> None:
    load_program()
    with running_server(SOON) as server:
        untouched = server.count()["left"]
        storms(server, 5_000)
        before = server.wait_empty(untouched, LIMIT_S)
        storms(server, 100_000)
        after = server.wait_empty(untouched, LIMIT_S)
    assert after["accepted"] - before["accepted"] >= 100_000
    assert judge(after) == []
    assert left_over(after["left"], untouched) == {}
    assert after["blocks"] - before["blocks"] < soak.SPARE_BLOCKS


@needs_load
@pytest.mark.timeout(600)
@pytest.mark.fault(
    "processes full of clients are killed (SIGKILL), others vanish half way",
    "each client has its disconnect, nothing is left, memory does not grow",
)
def test_clients_that_come_and_go_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "KILL_EVERY_S", 1.5)
    monkeypatch.setattr(soak, "OPTIONS", SOON)
    result = soak.soak(seconds=5, seed=7)
    assert result["problems"] == []
    assert result["killed"] >= 2
    assert result["visits"]["visits"] > 50
    assert result["accepted"] == result["disconnects"] > soak.STORM


@needs_load
@pytest.mark.timeout(600)
@pytest.mark.fault(
    "connections misbehave in every way at once: slow, silent, flooding, breaking every rule, cut, stopped, killed",
    "the good clients beside them lose nothing; the server ends those, and forgets them",
)
def test_good_clients_lose_nothing_beside_those_who_misbehave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(misbehave, "WARMUP_S", 0.2)
    plan = misbehave.Plan(
        connections=400, misbehaving=120, polling=40, rate=100, seconds=7, quiet_seconds=1, seed=3
    )
    result = misbehave.run(plan, hangs_s=1, **SOON)
    # How long things take is not looked at here: tests run on machines that have other work.
    assert [
        problem for problem in result["problems"] if "times that of the quiet run" not in problem
    ] == []
    assert result["good"]["delivered"] == result["good"]["due"] > 10_000
    assert len([way for way, ends in result["ways"].items() if ends]) > 35
    assert result["cut_off"] > 100


# --- what they judge by ------------------------------------------------------------------------


def test_ledger_of_clients_that_came_and_went_has_no_complaint() -> None:
    ledger = Ledger()
    for key in "ab":
        ledger.accept(key)
        ledger.end(key, "transport close")
    assert judge(ledger.report()) == []
    assert ledger.report()["reasons"] == {"transport close": 2}


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ([("accept", "a")], "1 clients have gone and had no disconnect"),
        ([("accept", "a"), ("end", "a"), ("end", "a")], "a disconnect of 'a', which is not in"),
        ([("end", "a")], "a disconnect of 'a', which is not in"),
        ([("accept", "a"), ("accept", "a"), ("end", "a")], "'a' was accepted twice"),
    ],
)
def test_ledger_tells_what_is_missing_twice_or_uncalled(
    steps: list[tuple[str, str]], complaint: str
) -> None:
    ledger = Ledger()
    for step, key in steps:
        ledger.accept(key) if step == "accept" else ledger.end(key, "gone")
    assert complaint in judge(ledger.report())[0]


@pytest.mark.parametrize("reason", [None, "", 1])
def test_ledger_tells_of_a_disconnect_without_a_reason(reason: Any) -> None:
    ledger = Ledger()
    ledger.accept("a")
    ledger.end("a", reason)
    assert "has gone for the reason" in judge(ledger.report())[0]


def test_line_through_points_has_their_slope_and_how_sure_it_is() -> None:
    line = fit([(x, 3 + 2 * x) for x in range(10)])
    assert (round(line.slope, 9), round(line.start, 9), round(line.error, 9)) == (2, 3, 0)
    noisy = fit([(x, 3 + (5 if x % 2 else -5)) for x in range(10)])
    assert noisy.least < 0 < noisy.error


def test_line_wants_three_points() -> None:
    with pytest.raises(ValueError, match="2 points make no line"):
        fit([(1, 1), (2, 2)])


def test_leak_of_an_object_a_connect_is_a_problem() -> None:
    counts = {
        "accepted": 30_000, "disconnects": 30_000, "open": 0, "wrong": 0, "complaints": [], "reasons": {},
        "left": {"tasks": 3}, "blocks": 40_000, "rss": 0, "handler_errors": 0,
    }  # fmt: skip
    before = {**counts, "accepted": 0, "blocks": 10_000}
    samples = [{"at": i, "accepted": 300 * i, "rss": 48 * 300 * i} for i in range(100)]
    crowd: Any = type("Crowd", (), {"killed": 1, "counts": soak.Counter()})()
    result = soak.result_of(before, counts, {"tasks": 2}, samples, crowd, lasted=100.0)
    assert result["problems"] == [
        "left at the end: {'tasks': 1}",
        "30000 connects left 30000 memory blocks behind",
        "memory grows by 48 (± 0) bytes a connect",
    ]

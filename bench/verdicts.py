"""What fastsio has to show, and whether the numbers of a run show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bench.cases import BY_NAME, CPU, FLOOR, PYTHON, SUBJECT, Case, Metric, is_ours
from bench.report import cells

MEAN_GOAL = 1.8
SAME = 1.15  # where a cost must not grow
# Latencies are counted in steps of 1.6 %: two that are one step apart are the same.
STEP = 1.016


@dataclass(frozen=True)
class Verdict:
    goal: str
    measured: str
    is_met: bool | None  # None: not measured

    @property
    def word(self) -> str:
        return {True: "met", False: "NOT MET", None: "not measured"}[self.is_met]


@dataclass(frozen=True)
class Comparison:
    """fastsio beside the best peer of one case, the one with the smallest number."""

    case: Case
    ours: float
    best: float
    peer: str


def value(cell: dict) -> float:
    return cell["value"]


def p99_ms(cell: dict) -> float | None:
    us = cell["latency_us"]["p99"]
    return None if us is None else us / 1000


def peers_of(numbers: dict[str, float | None]) -> dict[str, float]:
    """Without fastsio, the floor, and those that have no number."""
    return {s: n for s, n in numbers.items() if n and s != FLOOR and not is_ours(s)}


def compare(
    result: dict,
    number: Callable[[dict], float | None] = value,
    metric: Metric = CPU,
    subject: str = SUBJECT,
) -> list[Comparison]:
    """Of each case that every peer runs too. Where fastsio failed, its number is infinite."""
    found = []
    for about in result["cases"]:
        case = BY_NAME[about["name"]]
        numbers = {server: number(cell) for server, cell in cells(result, case.name).items()}
        peers = peers_of(numbers)
        has_failed = "error" in about["servers"].get(subject, {})
        ours = math.inf if has_failed else numbers.get(subject)
        if ours and peers and not case.only and case.metric is metric:
            best = min(peers, key=peers.__getitem__)
            found.append(Comparison(case, ours, peers[best], best))
    return found


def behind(compared: list[Comparison], tolerance: float = 1.0) -> list[Comparison]:
    return [c for c in compared if c.ours > c.best * tolerance]


def verdicts(result: dict, subject: str = SUBJECT) -> list[Verdict]:
    """`subject`: fastsio, or fastsio on another Python."""
    cost = compare(result, subject=subject)
    found = [
        _all_ahead("less server CPU than every peer", cost, behind(cost)),
        _mean(cost),
    ]
    for about in result["cases"]:
        found += _of_case(result, BY_NAME[about["name"]], subject)
    latency = compare(result, p99_ms, subject=subject)
    found.append(_all_ahead("p99 no worse than any peer's", latency, behind(latency, STEP)))
    return found


def _all_ahead(goal: str, compared: list[Comparison], not_in: list[Comparison]) -> Verdict:
    if not compared:
        return Verdict(goal, "-", None)
    measured = f"in {len(compared) - len(not_in)} of {len(compared)} cases"
    if not_in:
        measured += f", not in {', '.join(c.case.name for c in not_in)}"
    return Verdict(goal, measured, not not_in)


def _mean(compared: list[Comparison]) -> Verdict:
    goal = f"geometric mean at least {MEAN_GOAL} times below the best peer of each case"
    if not compared:
        return Verdict(goal, "-", None)
    mean = math.prod(c.best / c.ours for c in compared) ** (1 / len(compared))
    return Verdict(goal, f"{mean:.2f}", mean >= MEAN_GOAL)


def _of_case(result: dict, case: Case, subject: str) -> Iterator[Verdict]:
    measured = cells(result, case.name)
    ours = measured.get(subject)
    if case.at_most is not None:
        goal = f"{case.title}: at most {case.at_most:g} {case.metric.unit}"
        yield _at_most(goal, case.at_most, ours and value(ours), 1)
    if case.times_floor is not None:
        goal = f"{case.title}: at most {case.times_floor:g} times the floor"
        yield _times(goal, case.times_floor, ours, measured.get(FLOOR))
    if case.times_below_python is not None:
        goal = f"{case.title}: at least {case.times_below_python:g} times below {PYTHON}"
        yield _times_below(goal, case.times_below_python, ours, measured.get(PYTHON))
    if case.like is not None:
        bases = cells(result, case.like)
        base = bases.get(subject)
        goal = f"{case.title}: at most {SAME:g} times {BY_NAME[case.like].title}"
        verdict = _times(goal, SAME, ours, base)
        # What the kernel and the caches add is in the floor's as well.
        floor = _times(goal, SAME, measured.get(FLOOR), bases.get(FLOOR)).measured
        yield replace(verdict, measured=f"{verdict.measured} (the floor: {floor})")
        if case.is_p99_like:
            yield _times(f"p99 of {goal}", SAME, ours, base, p99_ms)


def _times(
    goal: str,
    limit: float,
    ours: dict | None,
    base: dict | None,
    number: Callable[[dict], float | None] = value,
) -> Verdict:
    return _at_most(goal, limit, ours and number(ours), base and number(base))


def _at_most(goal: str, limit: float, ours: float | None, base: float | None) -> Verdict:
    if not ours or not base:
        return Verdict(goal, "-", None)
    return Verdict(goal, f"{ours / base:.2f}", ours / base <= limit)


def _times_below(goal: str, limit: float, ours: dict | None, peer: dict | None) -> Verdict:
    if not ours or not peer:
        return Verdict(goal, "-", None)
    ratio = value(peer) / value(ours)
    return Verdict(goal, f"{ratio:.1f}", ratio >= limit)

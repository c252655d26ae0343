"""The benchmark's report and verdicts: from what the load generator said to what is shown and judged."""

from __future__ import annotations

import json

import pytest

from bench import output, tables
from bench.cases import BY_NAME, CASES, CPU, Case
from bench.plot import plot
from bench.prepare import LACKS, SERVERS
from bench.report import pretty, summary
from bench.rounds import Plan
from bench.verdicts import compare, verdicts


def run(cost_us: float, *, p99_us: float = 1000.0, limit: str = "server") -> dict:
    """As the load generator reports one."""
    return {
        "ok": True,
        "server_cpu_us": cost_us,
        "server_rss_bytes_per_connection": cost_us * 1024,
        "rate": 1e6 / cost_us,
        "limit": limit,
        "server_busy": 0.99,
        "server_waited": 0.0,
        "load_busy": 0.5,
        "load_waited": 0.0,
        "latency_us": {"p50": p99_us / 2, "p99": p99_us, "p99.9": p99_us},
        "checked": 10,
    }


def cell(cost_us: float, p99_us: float = 1000.0) -> dict:
    return summary([run(cost_us, p99_us=p99_us)], CPU)


def result(**cases: dict[str, dict]) -> dict:
    """A document; keyword: a case's name with _ for -, its cells by server."""
    named = {name.replace("_", "-"): cells for name, cells in cases.items()}
    return {
        "made_by": "python -m bench.run",
        "date": "2026-01-01",
        "host": {"cpu": "a CPU", "cpus": 2, "kernel": "6.1"},
        "versions": {"python": "3.11"},
        "rounds": 1,
        "servers": list(dict.fromkeys(server for cells in named.values() for server in cells)),
        "missing": {},
        "cases": [
            {"name": name, "title": BY_NAME[name].title, "unit": "us", "servers": cells}
            for name, cells in named.items()
        ],
    }


def judged(document: dict, goal: str) -> bool | None:
    (verdict,) = (v for v in verdicts(document) if goal in v.goal)
    return verdict.is_met


def test_a_summary_is_the_median_and_the_range_of_the_runs():
    s = summary([run(3.0), run(1.0), run(2.5, limit="load")], CPU)
    assert (s["value"], s["least"], s["most"]) == (2.5, 1.0, 3.0)
    assert s["limits"] == ["load", "server"]
    assert s["checked"] == 30


def test_a_summary_needs_neither_latency_nor_limit():
    idle = {"server_cpu_us": 1.0, "checked": 0}
    s = summary([idle], CPU)
    assert s["limits"] == []
    assert s["latency_us"]["p99"] is None


def test_the_json_reads_back_and_has_each_run_on_one_line():
    document = result(echo={"fastsio": summary([run(1.0), run(2.0)], CPU)})
    text = pretty(document)
    assert json.loads(text) == document
    assert sum(line.strip().startswith('{"ok"') for line in text.splitlines()) == 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_case_refers_to_exists(case: Case):
    assert case.like is None or case.like in BY_NAME
    assert set(case.only) <= set(SERVERS)


def test_names_and_groups_of_cases_are_not_mixed_up():
    assert len(BY_NAME) == len(CASES)
    groups = [case.group for case in CASES]
    runs = [group for i, group in enumerate(groups) if i == 0 or groups[i - 1] != group]
    assert len(runs) == len(set(runs))  # a group is together, and so has one process
    for group in set(groups):
        assert len({case.needs == "tls" for case in CASES if case.group == group}) == 1


def test_a_server_does_not_run_what_it_cannot_do_or_is_not_meant_for():
    plan = Plan(CASES, SERVERS, 1, 0.1, 1.0, 1.0)
    for case in CASES:
        servers = plan.servers_of(case)
        assert "fastsio" in servers
        assert ("fastsio-3.12" in servers) == ("fastsio" in servers)  # on every Python
        is_meant = not case.only or "floor" in case.only
        assert ("floor" in servers) == (is_meant and case.needs not in LACKS["floor"])


def test_a_new_server_is_warmed_up_longer_except_for_memory():
    plan = Plan(CASES, SERVERS, 1, warmup_s=1.0, seconds=1.0, first_warmup_s=3.0)
    assert plan.window(BY_NAME["echo"], is_first=True)[1] == "3.0"
    assert plan.window(BY_NAME["echo"], is_first=False)[1] == "1.0"
    assert plan.window(BY_NAME["idle"], is_first=True)[1] == "1.0"


def test_the_best_peer_is_neither_the_floor_nor_fastsio_on_another_python():
    numbers = {"fastsio": cell(2), "fastsio-3.12": cell(1), "bun": cell(5), "node-ws": cell(9)}
    (compared,) = compare(result(echo={**numbers, "floor": cell(1)}))
    assert (compared.ours, compared.best, compared.peer) == (2, 5, "bun")


def test_a_case_that_not_every_server_runs_is_not_compared():
    assert compare(result(echo_plain={"fastsio": cell(2), "python-socketio": cell(90)})) == []


def test_less_cpu_than_every_peer_and_the_mean():
    ahead = {"fastsio": cell(2), "bun": cell(4)}
    level = {"fastsio": cell(2), "bun": cell(3.3)}
    document = result(echo=ahead, event=level)
    assert judged(document, "than every peer") is True
    assert judged(document, "geometric mean") is True  # sqrt(2 * 1.65) = 1.817
    document = result(echo=ahead, event={"fastsio": cell(2), "bun": cell(1.9)})
    assert judged(document, "than every peer") is False
    assert judged(document, "geometric mean") is False


def test_a_case_that_fastsio_failed_is_not_ahead():
    document = result(echo={"fastsio": {"error": "wrong ack"}, "bun": cell(4)})
    assert judged(document, "than every peer") is False
    assert judged(document, "geometric mean") is False
    assert judged(document, "at most 2 times the floor") is None


def test_what_was_not_measured_is_neither_met_nor_not_met():
    document = result(echo={"fastsio": cell(2)})
    assert {v.is_met for v in verdicts(document)} == {None}


@pytest.mark.parametrize(("ours", "is_met"), [(4.0, True), (4.1, False)])
def test_limits_against_the_floor_and_python(ours: float, is_met: bool):
    document = result(
        echo={"fastsio": cell(ours), "floor": cell(2), "python-socketio": cell(100), "bun": cell(9)}
    )
    assert judged(document, "times the floor") is is_met
    assert judged(document, "times below python-socketio") is is_met


@pytest.mark.parametrize(("cost_us", "is_met"), [(70, True), (71, False)])
def test_limits_by_themselves(cost_us: float, is_met: bool):
    assert judged(result(connect={"fastsio": cell(cost_us)}), "at most 70 us") is is_met


def test_a_slow_reader_may_cost_the_others_neither_cpu_nor_latency():
    alone, with_slow = {"fastsio": cell(2, 1000)}, {"fastsio": cell(2.2, 1200)}
    document = result(slow_none=alone, slow_one=with_slow)
    cpu, latency = (v for v in verdicts(document) if "that does not read" in v.goal)
    assert (cpu.is_met, latency.is_met) == (True, False)


def test_latencies_a_step_of_the_histogram_apart_are_the_same():
    goal = "p99 no worse"
    assert judged(result(echo={"fastsio": cell(2, 1015), "bun": cell(4, 1000)}), goal) is True
    assert judged(result(echo={"fastsio": cell(2, 1020), "bun": cell(4, 1000)}), goal) is False


def test_a_failed_run_is_shown_as_such_and_never_as_a_number():
    document = result(echo={"fastsio": cell(2), "bun": {"error": "bun: a wrong ack"}})
    text = output.terminal(document)
    assert "| failed" in text
    assert "FAILED: echo: bun: a wrong ack" in text
    assert "bun: a wrong ack" in output.page(document, "full")
    assert compare(document) == []


def test_marks_are_explained_where_they_stand():
    free = summary([run(2.0, limit="neither")], CPU)
    assert tables.cost(free) == "2.00*"
    disturbed = summary([run(2.0) | {"load_waited": 0.2}], CPU)
    assert tables.cost(disturbed) == "2.00!"
    assert tables.legend("2.00*").startswith("`*`")
    assert tables.legend("2.00") == ""


def test_a_table_has_no_columns_with_nothing_in_them():
    document = result(
        echo={"fastsio": cell(2), "floor": {"error": "died"}}, tls={"fastsio": cell(9)}
    )
    text = tables.table(document, "us", tables.cost, has_ratios=True)
    assert text.splitlines()[0].split("|")[1:-1] == [
        f" {'us':43} ",
        " fastsio ",
        "  floor ",
    ]


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.4, "0.40"), (9.994, "9.99"), (9.996, "10.0"), (99.96, "100"), (1234.5, "1,234")],
)
def test_numbers_have_three_digits(x: float, text: str):
    assert tables.number(x) == text


def test_the_readme_keeps_all_but_what_is_between_the_markers():
    before = f"a\n{output.BEGIN}old\n{output.END}b\n"
    assert output.with_table(before, "new") == f"a\n{output.BEGIN}\nnew\n\n{output.END}b\n"


def test_what_fastsio_is_not_ahead_in_is_listed():
    document = result(echo={"fastsio": cell(2, 1500), "bun": cell(4, 1000)})
    text = output.page(document, "full").partition("not ahead")[2]
    assert "1.50 ms p99, bun 1.00" in text
    assert " us," not in text


def test_the_plot_has_a_dot_for_each_server_of_a_case():
    svg = plot(result(echo={"fastsio": cell(2), "bun": cell(4), "floor": cell(1)}))
    row = next(line for line in svg.splitlines() if line.startswith("<g>"))
    assert row.count("<circle") == 2

"""The benchmark of clusters: from what the load generator said to costs, tables, and a page of arithmetic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bench.cluster import scaling, tables
from bench.cluster.kinds import BURST, ELSEWHERE, FAN, FAN_ONE, KINDS, LOADS, ONE
from bench.cluster.measure import Plan, Runs, per_message
from bench.cluster.plot import plot
from bench.cluster.report import bound, document

PLAN = Plan(KINDS[:4], (1, 2, 4), 2, 0.1, 1.0, 1.0, 60)


class Tools:  # as much of it as is needed
    def __init__(self) -> None:
        self.versions = {"python": "3.11"}


def run(
    nodes: int, load: Any, sender: float, receiver: float, redis: float, other: float = 0.0
) -> dict:
    """As the load generator reports one: 100 messages, us of CPU each."""
    messages = 100
    receivers = (2 if load.elsewhere else nodes) - 1
    others = nodes - 1 - receivers
    return per_message(
        {
            "count": messages * load.deliveries(nodes),
            "rate": 10.0 * load.deliveries(nodes),
            "seconds": 1.0,
            "checked": 1,
            "load_busy": 0.5,
            "latency_us": {"p50": 100.0, "p99": 200.0},
            "node_cpu_us": [
                one * messages for one in (sender, *[receiver] * receivers, *[other] * others)
            ],
            "redis_cpu_us": redis * messages,
        },
        load,
        nodes,
    )


def runs() -> Runs:
    """Redis takes 2 us and 1 for each server, a delivery 5 us and 0.5 where they are joined."""
    found = Runs(loads=[1.0, 2.0], rounds=2)
    for kind in PLAN.kinds:
        for nodes in PLAN.nodes:
            for load in PLAN.loads(kind, nodes):
                joins = kind.adapter != "none"
                each_us = {ONE: 50.0, FAN_ONE: 50.0 + 199 * 5, BURST: 8.0, FAN: 8.0 + 199 * 0.5}
                one = run(
                    nodes, load, 30.0 if joins else 10.0, each_us.get(load, 8.0), 2.0 + nodes, 1.5
                )
                found.results[kind.name, nodes, load.name] = [one, one]
    return found


@pytest.fixture
def result() -> dict:
    return document("python -m bench.cluster", Tools(), PLAN, runs(), {"redis": "7"})


def costs(result: dict, kind: str, nodes: int) -> dict:
    [found] = [one for one in result["costs"] if (one["kind"], one["nodes"]) == (kind, nodes)]
    return found


def test_costs_are_those_of_a_message_at_each_place(result: dict):
    found = costs(result, "fastsio sharded", 4)
    assert found["one"]["publish_us"]["median"] == pytest.approx(20)
    assert found["burst"]["receiver_us"]["median"] == pytest.approx(8)
    assert found["burst"]["redis_us"]["median"] == pytest.approx(6)
    assert found["delivery_one_us"]["median"] == pytest.approx(5)
    assert found["delivery_us"]["median"] == pytest.approx(0.5)
    assert found["elsewhere_us"]["median"] == pytest.approx(1.5)
    assert found["bound"] == {"per_second": pytest.approx(1e6 / 30), "at": "sender"}


def test_what_has_failed_is_named_and_has_no_number():
    found = runs()
    del found.results["fastsio sharded", 2, "burst"]
    found.errors["fastsio sharded", 2, "burst"] = "the next message was due\nand more"
    result = document("python -m bench.cluster", Tools(), PLAN, found, {"redis": "7"})
    assert costs(result, "fastsio sharded", 2)["burst"]["receiver_us"] is None
    page = tables.page(result)
    assert "FAILED: fastsio sharded, 2, burst: the next message was due\n" in page
    [line] = [one for one in page.splitlines() if one.startswith("| fastsio sharded | 2 |  |")]
    assert not re.search(r"\d", line.removeprefix("| fastsio sharded | 2 |"))


def test_the_busiest_place_bounds():
    burst = {
        name: {"median": us}
        for name, us in (("sender_us", 5.0), ("receiver_us", 10.0), ("redis_us", 4.0))
    }
    assert bound(burst) == {"per_second": 100_000, "at": "receiver"}


def test_only_the_first_two_servers_have_clients_where_messages_go_elsewhere():
    arguments = ELSEWHERE.arguments([1, 2, 3, 4])
    assert arguments[arguments.index("--port") + 1] == "1,2"
    assert per_message_of_elsewhere()["other_us"] == pytest.approx(1.5)


def per_message_of_elsewhere() -> dict:
    return run(4, ELSEWHERE, 1.0, 2.0, 3.0, 1.5)


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_a_load_says_how_many_clients_get_a_message(load: Any):
    arguments = load.arguments([1, 2, 3])
    count = int(arguments[arguments.index("--connections") + 1])
    assert load.deliveries(3) == (1 if load.elsewhere else count)


def test_page_and_plot_have_all_kinds(result: dict):
    page, svg = tables.page(result), plot(result)
    for kind in ("fastsio classic", "fastsio sharded", "fastsio streams"):
        assert kind in page and kind in svg
    assert svg.startswith("<svg") and svg.endswith("</svg>\n")


# --- docs/scaling.md -------------------------------------------------------------------------


@pytest.fixture
def measured(result: dict, monkeypatch: pytest.MonkeyPatch) -> scaling.Measured:
    files = {
        "cluster": result,
        "memory": {"process_kb": 3.0, "kernel_kb": 4.0, "ping_us": 10.0},
        "full": {
            "cases": [
                {"name": name, "servers": {"fastsio": {"value": value}}}
                for name, value in (("connect", 60.0), ("turns-10000", 4.0))
            ]
        },
    }
    monkeypatch.setattr(scaling, "_load", files.__getitem__)
    return scaling.measured()


def values(text: str) -> dict[str, str]:
    rows = (line.split(" | ") for line in text.splitlines()[2:])
    return {row[0].removeprefix("| "): row[2].removesuffix(" |").strip("*") for row in rows}


def test_redis_costs_a_part_for_the_message_and_one_for_each_server(measured: scaling.Measured):
    assert measured.redis["sharded"] == (pytest.approx(2), pytest.approx(1))


def test_a_million_idle_clients(measured: scaling.Measured):
    found = values(scaling.idle(measured))
    assert found["memory"] == "7.0 GB"
    assert found["heartbeats"] == "40,000 /s"
    assert found["their CPU"] == "0.40 cores"
    assert found["all back within 60 s"] == "1.0 cores"


def test_a_million_clients_that_chat(measured: scaling.Measured):
    found = values(scaling.chat(measured))
    assert found["deliveries"] == "833,333 /s"
    assert found["servers with members of a room"] == "18.5"
    assert found["CPU: deliveries"] == "4.2 cores"
    assert found["CPU: receiving"] == "2.3 cores"
    assert found["Redis is full at"] == "48,873 /s"


def test_a_million_clients_that_get_something_each_second(measured: scaling.Measured):
    found = values(scaling.ticker(measured))
    assert found["until the last one has it"] == "250 ms"
    assert found["processes for 100 ms"] == "50"
    found = values(scaling.private(measured))
    assert found["classic: Redis is full at"] == "45,455 /s"
    assert found['sharded, `subscription_mode="dynamic-private"`: Redis is full at'] == "333,333 /s"


def test_the_manual_has_the_numbers_between_its_markers():
    page = Path(scaling.PAGE).read_text()
    assert page.count(scaling.BEGIN) == page.count(scaling.END) == 1

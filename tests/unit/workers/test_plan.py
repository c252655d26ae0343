"""What workers are told, and what they can't be."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

import pytest

import fastsio
from fastsio.workers import worker_number
from fastsio.workers.plan import Plan, read_plan


def plan(app: Any = "chat:io", **options: Any) -> Plan:
    return Plan(app, options, "auto", None, None, 2)


@pytest.mark.parametrize(
    ("app", "options", "error", "text"),
    [
        (fastsio.IO(), {}, TypeError, "module:name"),
        ("chat:io", {"handover": "/run/h"}, ValueError, "SIGHUP"),
        ("chat:io", {"ssl_context": ssl.create_default_context()}, ValueError, "ssl_certfile"),
        ("chat:io", {"webtransport": True}, ValueError, "webtransport"),
        ("chat:io", {"on_drain": lambda: None}, ValueError, "on_drain"),
        ("chat:io", {"pages": {"/": threading.Lock()}}, ValueError, "pages"),
    ],
)
def test_what_workers_cant_be_given_is_named(app: Any, options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        plan(app, **options).check()


def test_a_plan_comes_as_it_went() -> None:
    sent = plan(drain_seconds=2.0, pages={"/": "hello"})
    sent.check()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(sent.pickled())
        assert read_plan(theirs) == sent


def test_a_worker_without_its_supervisor_gets_no_plan() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        with pytest.raises(EOFError, match="supervisor"):
            read_plan(theirs)


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("12", 12), ("", None), ("x", None)])
def test_a_worker_knows_its_number(monkeypatch: Any, value: str, number: int | None) -> None:
    monkeypatch.setenv("FASTSIO_WORKER", value)
    assert worker_number() == number


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2"])
def test_how_many_there_are_is_checked(workers: Any) -> None:
    with pytest.raises(ValueError, match="workers="):
        fastsio.run("chat:io", workers=workers)


def test_an_application_may_be_named_without_workers() -> None:
    with pytest.raises(ValueError, match="no module 'no_such_module'"):
        fastsio.run("no_such_module:io")

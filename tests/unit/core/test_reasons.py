"""Reasons: Node's words in python-socketio's, whose constants applications compare with."""

from __future__ import annotations

import engineio
import pytest

from fastsio.core.reasons import Reason, python_reason


def test_constants_are_python_engineios():
    theirs = {name: value for name, value in vars(engineio.Server.reason).items() if name.isupper()}
    assert {name: value for name, value in vars(Reason).items() if name.isupper()} == theirs


@pytest.mark.feature("1.13 client left namespace")
@pytest.mark.parametrize(
    ("node", "python"),
    [
        ("client namespace disconnect", "client disconnect"),
        ("server namespace disconnect", "server disconnect"),
        ("forced close", "server disconnect"),
        ("forced server close", "server disconnect"),
        ("server shutting down", "server disconnect"),
        ("parse error", "transport error"),
        ("transport close", "transport close"),
        ("transport error", "transport error"),
        ("ping timeout", "ping timeout"),
        ("another one", "another one"),
    ],
)
def test_every_reason_of_node_has_a_word_of_pythons(node, python):
    assert python_reason(node) == python


@pytest.mark.parametrize(
    ("reason", "python"),
    [("transport close", "client disconnect"), ("ping timeout", "ping timeout")],
)
def test_client_that_said_goodbye_has_disconnected(reason, python):
    assert python_reason(reason, said_goodbye=True) == python

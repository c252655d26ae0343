"""The errors of the API: their names and family, and what a refusal tells the client."""

from __future__ import annotations

import builtins

import pytest

from fastsio import exceptions


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_error_is_a_socketioerror(name):
    assert issubclass(getattr(exceptions, name), exceptions.SocketIOError)


@pytest.mark.parametrize("name", ["ConnectionError", "ConnectionRefusedError", "TimeoutError"])
def test_errors_named_as_builtins_are_not_these(name):
    assert not issubclass(getattr(exceptions, name), getattr(builtins, name))


def test_refusal_is_a_connection_error():
    assert issubclass(exceptions.ConnectionRefusedError, exceptions.ConnectionError)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), {"message": "Connection rejected by server"}),
        (("no",), {"message": "no"}),
        ((401,), {"message": "401"}),
        (("no", {"code": 1}), {"message": "no", "data": {"code": 1}}),
        (("no", None), {"message": "no", "data": None}),
        (("no", 1, 2), {"message": "no", "data": [1, 2]}),
    ],
)
def test_refusal_tells_a_message_and_data(arguments, said):
    assert exceptions.ConnectionRefusedError(*arguments).error_args == said

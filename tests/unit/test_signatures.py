"""Every public class and method of python-socketio, and of engineio's server, against ours.

Parameter names, their order, kinds and defaults have to be equal, or the difference has to be on a list
here, with its reason; docs/differences.md tells the same to users.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

import engineio
import pytest
import socketio

# Where each of their names is with us.
OURS = {
    "AsyncServer": "fastsio.api.aio",
    "AsyncNamespace": "fastsio.api.namespace",
    "AsyncManager": "fastsio.api.manager",
    "Server": "fastsio.api.sync",
    "Namespace": "fastsio.api.sync_namespace",
    "Manager": "fastsio.api.sync_views",
    "ASGIApp": "fastsio.asgi",
    "WSGIApp": "fastsio.wsgi",
    "Middleware": "fastsio.wsgi",
    "AsyncClient": "fastsio.client",
    "AsyncSimpleClient": "fastsio.client",
    "AsyncClientNamespace": "fastsio.client",
    "Client": "fastsio.client",
    "SimpleClient": "fastsio.client",
    "ClientNamespace": "fastsio.client",
    **dict.fromkeys(
        ("PubSubManager", "KombuManager", "RedisManager", "KafkaManager", "AsyncRedisManager", "AsyncAioPikaManager"),
        "fastsio.managers",
    ),
}  # fmt: skip
ENGINEIO_OURS = {"AsyncServer": "fastsio.engineio", "ASGIApp": "fastsio.engineio"}

# Names that are not here yet. One that appears has to move to OURS.
NOT_HERE_YET = {"ZmqManager", "get_tornado_handler"}

# "Class.method", "Class" for its constructor: why it differs.
_OPTIONS = "typed= and concurrency=, by their names only"
_TYPED = "typed= (keyword-only): whether annotations validate"
DIFFERENCES: dict[str, str] = {
    "AsyncServer.on": _OPTIONS,
    "AsyncServer.register_namespace": _TYPED,
    "Server.on": _OPTIONS,
    "Server.register_namespace": _TYPED,
}

MANAGERS = [name for name in OURS if name.endswith("Manager")]
_MEMBERSHIP = "membership is the core's: it would never be called"
# Methods that are not here, and why. One that appears has to go from this list.
MISSING = {
    **{
        f"{manager}.{method}": _MEMBERSHIP
        for manager in MANAGERS
        for method in (
            "basic_close_room", "basic_disconnect", "basic_enter_room", "basic_leave_room",
            "connect", "pre_connect", "pre_disconnect", "trigger_callback",
        )
    },
}  # fmt: skip


def shape(function: Any) -> list[tuple[str, str, Any]]:
    """Names, kinds and defaults; annotations are no part of a call."""
    return [
        (parameter.name, parameter.kind.name, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


def public_methods(cls: type) -> Iterator[str]:
    for name in dir(cls):
        if not name.startswith("_") and callable(inspect.getattr_static(cls, name)):
            yield name


def pairs() -> Iterator[Any]:
    """A parameter set for each constructor and method: key, theirs, the place of ours."""
    for package, table, prefix in ((socketio, OURS, ""), (engineio, ENGINEIO_OURS, "engineio.")):
        for name, module in table.items():
            cls = getattr(package, name)
            yield pytest.param(prefix + name, cls, (module, name, None), id=prefix + name)
            for method in public_methods(cls):
                key = f"{prefix}{name}.{method}"
                if key in MISSING:
                    continue
                yield pytest.param(key, getattr(cls, method), (module, name, method), id=key)


@pytest.mark.parametrize(("key", "theirs", "place"), list(pairs()))
def test_signature_is_that_of_python_socketio(
    key: str, theirs: Any, place: tuple[str, str, str | None]
) -> None:
    module, name, method = place
    ours = getattr(importlib.import_module(module), name)
    if method is not None:
        assert hasattr(ours, method), f"{key} is missing"
        ours = getattr(ours, method)
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs) or (
            key in DIFFERENCES
        ), f"{key}: one is a coroutine function, the other is not"
    if key in DIFFERENCES:
        assert shape(ours) != shape(theirs), f"{key} no longer differs: take it off the list"
    else:
        assert shape(ours) == shape(theirs)


def test_every_public_name_has_a_place_or_is_known_to_be_missing() -> None:
    assert set(socketio.__all__) == OURS.keys() | NOT_HERE_YET
    assert not OURS.keys() & NOT_HERE_YET


@pytest.mark.parametrize("name", sorted(NOT_HERE_YET))
def test_what_is_not_here_yet_is_really_not_here(name: str) -> None:
    package = importlib.import_module("fastsio")
    assert not hasattr(package, name), f"{name} is here now: put it into OURS"


@pytest.mark.parametrize("key", sorted(MISSING))
def test_what_is_missing_is_really_missing(key: str) -> None:
    prefix, _, method = key.rpartition(".")
    package, _, name = prefix.rpartition(".")
    theirs, table = (engineio, ENGINEIO_OURS) if package else (socketio, OURS)
    assert callable(getattr(getattr(theirs, name), method))
    ours = getattr(importlib.import_module(table[name]), name)
    assert not hasattr(ours, method), f"{key} is here now: take it off the list"


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_class_has_the_attributes_of_theirs(name: str) -> None:
    theirs = getattr(socketio, name)
    ours = getattr(importlib.import_module(OURS[name]), name)
    values = {
        attribute
        for attribute in dir(theirs)
        if not attribute.startswith("_") and not callable(getattr(theirs, attribute))
    }
    assert values <= set(dir(ours))


def test_exceptions_are_the_same_and_inherit_alike() -> None:
    ours = importlib.import_module("fastsio.exceptions")
    for name, theirs in vars(socketio.exceptions).items():
        if not inspect.isclass(theirs):
            continue
        cls = getattr(ours, name)
        assert [base.__name__ for base in cls.__mro__ if base.__name__ in vars(socketio.exceptions)] == [
            base.__name__ for base in theirs.__mro__ if base.__name__ in vars(socketio.exceptions)
        ], name  # fmt: skip


@pytest.mark.parametrize("args", [(), ("no",), (42,), ("no", 1), ("no", 1, [2])])
def test_connection_refused_error_carries_what_theirs_does(args: tuple[Any, ...]) -> None:
    ours = importlib.import_module("fastsio.exceptions").ConnectionRefusedError(*args)
    theirs = socketio.exceptions.ConnectionRefusedError(*args)
    assert json.dumps(ours.error_args) == json.dumps(theirs.error_args)

"""Every public name and signature of the clients is python-socketio's."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import socketio

import fastsio.client

NAMES = fastsio.client.__all__


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults; not annotations, which python-socketio has none of."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


def public(kind: type) -> dict[str, Any]:
    return {
        name: inspect.getattr_static(kind, name)
        for name in dir(kind)
        if not name.startswith("_") and name != "is_asyncio_based"
    }


@pytest.mark.parametrize("name", NAMES)
def test_constructors_take_the_same(name: str) -> None:
    ours, theirs = getattr(fastsio.client, name), getattr(socketio, name)
    assert shape(ours) == shape(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_method_and_attribute_is_there_with_its_signature(name: str) -> None:
    ours, theirs = getattr(fastsio.client, name), getattr(socketio, name)
    for member, value in public(theirs).items():
        assert hasattr(ours, member), member
        if inspect.isfunction(value):
            own = getattr(ours, member)
            assert shape(own) == shape(value), member
            assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(value), member


@pytest.mark.parametrize("name", ["AsyncClient", "Client"])
def test_a_new_client_has_the_attributes_that_applications_read(name: str) -> None:
    ours, theirs = getattr(fastsio.client, name)(), getattr(socketio, name)()
    assert ours.is_asyncio_based() == theirs.is_asyncio_based()
    assert ours.reserved_events == theirs.reserved_events
    for attribute in (
        "reconnection", "reconnection_attempts", "reconnection_delay", "reconnection_delay_max",
        "randomization_factor", "handle_sigint", "connected", "namespaces", "sid", "handlers",
        "namespace_handlers", "failed_namespaces", "callbacks", "connection_url",
        "connection_headers", "connection_auth", "connection_transports", "connection_namespaces",
        "socketio_path",
    ):  # fmt: skip
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    for reason in ("CLIENT_DISCONNECT", "SERVER_DISCONNECT", "TRANSPORT_ERROR"):
        assert getattr(ours.reason, reason) == getattr(theirs.reason, reason)
    assert ours.eio.state == theirs.eio.state
    assert ours.transport() is None and ours.get_sid() is None


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="reconnect_delay"):
        fastsio.client.AsyncClient(reconnect_delay=3)

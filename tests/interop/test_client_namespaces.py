"""The official client and namespaces on one connection; auth, refusals and middleware.

Each test plays one scenario of scenarios/namespaces.js.
"""

from __future__ import annotations

from typing import Any

import pytest

only_io = pytest.mark.parametrize("style", ["io"], indirect=True)
only_aio = pytest.mark.parametrize("style", ["aio"], indirect=True)


async def test_three_namespaces_share_one_connection(stage: Any, mode: str) -> None:
    sockets = await stage.play("threeNamespacesShareAConnection", mode)
    assert sockets == [[name, sid] for _, name, sid in stage.log.of("connect")]


async def test_events_and_rooms_of_namespaces_are_isolated(stage: Any, mode: str) -> None:
    await stage.play("namespacesAreIsolated", mode)


async def test_leaving_one_namespace_keeps_the_others(stage: Any, mode: str) -> None:
    ids = await stage.play("leavingOneNamespaceKeepsTheOthers", mode)
    await stage.all_gone()
    assert [sid for _, _, sid in stage.log.of("connect", "/chat")] == ids
    reasons = stage.log.reasons("/chat")
    assert reasons[0] == stage.words("client namespace disconnect")
    assert stage.log.reasons("/") == [stage.words("client namespace disconnect")]


async def test_a_client_may_connect_without_the_default_namespace(stage: Any, mode: str) -> None:
    await stage.play("leavingTheDefaultNamespaceIsNotNeeded", mode)
    assert stage.log.of("connect", "/") == []


async def test_disconnecting_one_namespace_keeps_the_others(stage: Any, mode: str) -> None:
    await stage.play("kickFromOneNamespaceKeepsTheOthers", mode)
    assert stage.log.reasons("/chat") == [stage.words("server namespace disconnect")]


async def test_refused_namespace_leaves_the_others_and_may_be_retried(
    stage: Any, mode: str
) -> None:
    await stage.play("refusedNamespaceLeavesTheOthers", mode)
    await stage.all_gone()
    # A refused socket has neither a connect nor a disconnect.
    assert len(stage.log.of("connect", "/admin")) == len(stage.log.reasons("/admin")) == 1


async def test_unknown_namespace_is_refused_as_node_does(stage: Any, mode: str) -> None:
    await stage.play("unknownNamespaceIsRefused", mode)


async def test_a_client_of_an_unknown_namespace_only_is_told_so(stage: Any, mode: str) -> None:
    await stage.play("onlyAnUnknownNamespace", mode)
    assert stage.log.entries == []


async def test_attachments_of_several_namespaces_do_not_mix(stage: Any, mode: str) -> None:
    await stage.play("binaryOfNamespacesInterleaves", mode)


async def test_auth_object_reaches_the_server(stage: Any, mode: str) -> None:
    await stage.play("authReachesTheServer", mode)


async def test_without_auth_the_server_sees_none(stage: Any, mode: str) -> None:
    seen = await stage.play("withoutAuth", mode)
    # python-socketio gives the connect handler None; Node's handshake has an empty object.
    assert seen == (None if stage.style == "aio" else {})


async def test_refused_connect_carries_message_and_data(stage: Any, mode: str) -> None:
    refusals = await stage.play("refusedConnect", mode, how=["message", "data"])
    data = {"code": 7, "é": ["😀"]}
    assert refusals == [{"message": "go away"}, {"message": "go away", "data": data}]
    assert len(stage.log.of("connect")) == 2


@only_aio
async def test_connect_handler_that_returns_false_refuses(stage: Any, mode: str) -> None:
    refusals = await stage.play("refusedConnect", mode, how=["false"])
    assert refusals == [{"message": "Connection rejected by server"}]


@only_io
async def test_middleware_runs_in_order_and_the_first_refusal_ends_it(
    stage: Any, mode: str
) -> None:
    assert await stage.play("middlewareRunsInOrder", mode) == [
        {"message": "stopped at one", "data": {"after": ["one"]}},
        {"message": "stopped at two", "data": {"after": ["one", "two"]}},
        {"message": "stopped at three", "data": {"after": ["one", "two", "three"]}},
    ]


async def test_emits_of_the_connect_handler_are_delivered_in_order(stage: Any, mode: str) -> None:
    seen = await stage.play("greeted", mode)
    assert [entry for entry in seen if entry != "connect"] == [["first"], ["second", "bytes"]]
    if stage.style == "io":
        # Node's connection handler runs after the CONNECT reply; python-socketio's runs before it.
        assert seen[0] == "connect"

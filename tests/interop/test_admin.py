"""The official client as an admin of an instrumented server; the same script against python-socketio's.

Each plays a scenario of scenarios/admin.js with the application of admin_app.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio
from admin_app import LOGIN, build
from harness import assert_clean
from serving_process import ServingProcess

KINDS = ("async", "sync")
COMMANDS = ["DISCONNECT", "EMIT", "JOIN", "LEAVE", "MDISCONNECT", "MJOIN", "MLEAVE"]


@pytest.fixture
def play(node: Any, serve: Any) -> Any:
    """`await play(scenario, mode, kind, **options of instrument)` at fastsio in this process."""

    async def play(scenario: str, mode: str = "websocket", kind: str = "async", **args: Any) -> Any:
        options = args.pop("options", {})
        sio = build(fastsio, kind, **options)
        server = await serve(sio)
        result = await node.play(scenario, server.url, mode, login=LOGIN, **args)
        await assert_clean(server)
        return result

    return play


async def process_of(library: str, kind: str) -> AsyncIterator[tuple[str, str]]:
    process = ServingProcess("admin_app", library, kind)
    try:
        await process.start()
        yield kind, process.url
    finally:
        await process.kill()


@pytest_asyncio.fixture(params=KINDS)
async def theirs(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, str]]:
    """The kind and the address of python-socketio's server with the same application."""
    async for served in process_of("socketio", request.param):
        yield served


@pytest_asyncio.fixture(params=KINDS)
async def guest(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, str]]:
    """The kind and the address of ours under a server that is not: uvicorn, werkzeug."""
    async for served in process_of("fastsio", request.param):
        yield served


def counted(transcript: dict[str, list[Any]], name: str) -> Counter[str]:
    """Events of a name without their order: python-socketio sends rooms' later than others."""
    return Counter(map(repr, transcript.get(name, [])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["polling", "websocket"])
async def test_an_admin_watches_and_changes(play: Any, mode: str, kind: str) -> None:
    said = await play("adminWatches", mode, kind, commands=True, clients=1)
    told = said["transcript"]
    assert said["features"] == sorted([*COMMANDS, "AGGREGATED_EVENTS", "ALL_EVENTS"])
    assert (said["serverId"], said["polling"]) == ("one", 1 if mode == "polling" else 0)
    assert said["namespaces"] == [
        {"name": "/", "socketsCount": 0}, {"name": "/admin", "socketsCount": 1},
    ]  # fmt: skip
    assert {"rawConnection", "rawDisconnection", "bytesIn", "bytesOut"} <= set(said["types"])
    assert {"packetsIn", "packetsOut"} <= set(said["types"])
    assert told["event_received"] == [
        ["/", "ONE", ["enter", "lobby"], "<time>"],
        ["/", "ONE", ["ask", 1, "x"], "<time>"],
        ["/", "ONE", ["unknown", {"a": 1}], "<time>"],
    ]
    assert told["event_sent"] == [
        ["/", "ONE", ["answer", 1, "x"], "<time>"],
        ["/", "TWO", ["hello", 1, "x"], "<time>"],
    ]
    assert told["room_joined"] == [
        ["/admin", "ADMIN", "ADMIN", "<time>"],
        ["/", "ONE", "ONE", "<time>"],
        ["/", "TWO", "TWO", "<time>"],
        ["/", "lobby", "ONE", "<time>"],
        ["/", "club", "TWO", "<time>"],
    ]
    assert told["room_left"] == [
        ["/", "club", "TWO", "<time>"],
        ["/", "TWO", "TWO", "<time>"],
        ["/", "lobby", "ONE", "<time>"],
        ["/", "ONE", "ONE", "<time>"],
    ]
    assert told["socket_disconnected"] == [
        ["/", "TWO", "server disconnect", "<time>"],
        ["/", "ONE", "client disconnect", "<time>"],
    ]
    assert [one["id"] for one, _ in told["socket_connected"]] == ["ADMIN", "ONE", "TWO"]
    assert [one["id"] for one in told["all_sockets"][0][0]] == ["ADMIN"]


@pytest.mark.parametrize("kind", KINDS)
async def test_in_production_an_admin_gets_figures_only(play: Any, kind: str) -> None:
    options = {"mode": "production", "read_only": True}
    said = await play("adminWatches", "websocket", kind, options=options, production=True)
    assert sorted(said["transcript"]) == ["config", "session"]
    assert said["features"] == ["AGGREGATED_EVENTS"]


async def test_who_has_no_login_is_refused_with_the_words_that_reopen_the_form(play: Any) -> None:
    assert await play("adminRefused") == [{"message": "invalid credentials"}] * 3


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_that_is_loaded_again_needs_no_login(play: Any, kind: str) -> None:
    assert await play("adminComesBack", kind=kind) == [16, True]


async def test_an_upgrade_is_told(play: Any) -> None:
    assert await play("adminSeesAnUpgrade") == ["/", "websocket"]


async def test_a_blocking_function_may_judge_the_login_of_a_sync_server(play: Any) -> None:
    seen = []

    def judge(given: Any) -> bool:
        seen.append(given)
        return bool(given == LOGIN)

    options = {"auth": judge}
    assert await play("adminComesBack", kind="sync", options=options) == [16, True]
    assert seen == [LOGIN]  # the session is not its business


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_transcript_is_python_socketios_but_for_what_is_listed(
    play: Any, node: Any, theirs: tuple[str, str]
) -> None:
    kind, url = theirs
    reference = await node.play("adminWatches", url, "websocket", login=LOGIN, commands=True)
    ours = await play("adminWatches", "websocket", kind, commands=True)
    for key in ("features", "figures", "types", "serverId", "namespaces"):
        assert ours[key] == reference[key], key
    said, known = ours["transcript"], reference["transcript"]
    assert set(said) - set(known) == {"session"}  # docs/differences.md: logins are remembered
    # Theirs tells of everyone in the namespace, whether they were in the room that was to be left or not.
    known["room_left"].remove(["/", "club", "ONE", "<time>"])
    for name in ("event_sent", "room_joined", "room_left", "socket_disconnected"):
        assert counted(said, name) == counted(known, name), name
    theirs_received = [event for event in known["event_received"] if event[0] != "/admin"]
    assert Counter(map(repr, theirs_received)) == counted(said, "event_received")
    for name in ("socket_connected", "all_sockets"):
        for mine, its in zip(said[name], known[name], strict=True):
            for one, other in zip(flat(mine), flat(its), strict=True):
                assert differing(one, other) <= {"clientId", "handshake"}, (one, other)
                assert (one["clientId"], other["clientId"]) == (12, 20)
                assert set(one["handshake"]) - set(other["handshake"]) == {"xdomain"}


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("mode", ["polling", "websocket"])
async def test_under_uvicorn_and_werkzeug_admins_see_what_they_see_under_our_server(
    play: Any, node: Any, guest: tuple[str, str], mode: str
) -> None:
    kind, url = guest
    said = await node.play("adminWatches", url, mode, login=LOGIN, commands=True, clients=1)
    ours = await play("adminWatches", mode, kind, commands=True, clients=1)
    del said["transcript"]["session"], ours["transcript"]["session"]  # random
    assert said == ours


def flat(args: Any) -> list[dict[str, Any]]:
    """The sockets among an event's arguments."""
    return args[0] if isinstance(args[0], list) else [args[0]]


def differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one if one[key] != other[key]}

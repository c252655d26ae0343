"""The official client at an AsyncServer that uses what only python-socketio's style has.

Order of handlers, always_connect, exception handlers, class-based and "*" namespaces, calls that end with the client.
Each test plays one scenario of scenarios/python_style.js.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from fastsio import exceptions
from fastsio.api.namespace import AsyncNamespace
from harness import assert_clean, until


@pytest.fixture
def play(node: Any, serve: Any, mode: str) -> Any:
    """`await play(sio, scenario, **args)` serves, plays and waits until all clients have gone."""

    async def play(sio: Any, scenario: str, **args: Any) -> Any:
        server = await serve(sio)
        result = await node.play(scenario, server.url, mode, **args)
        await assert_clean(server)
        return result

    return play


def slow_and_quick(sio: Any, log: list[str]) -> None:
    @sio.event
    async def slow(sid: str) -> str:
        log.append("slow begins")
        for _ in range(20):
            await asyncio.sleep(0.001)
        log.append("slow ends")
        return "slow"

    @sio.event
    def quick(sid: str) -> str:
        log.append("quick")
        return "quick"


@pytest.mark.parametrize("async_handlers", [True, False])
async def test_events_are_handled_as_they_come_or_one_after_the_other(
    play: Any, async_handlers: bool
) -> None:
    sio = fastsio.AsyncServer(async_handlers=async_handlers)
    log: list[str] = []
    slow_and_quick(sio, log)
    order = await play(sio, "acksInOrder", events=[["slow"], ["quick"], ["quick"]])
    if async_handlers:
        assert order == [["quick"], ["quick"], ["slow"]]
        assert log == ["slow begins", "quick", "quick", "slow ends"]
    else:
        assert order == [["slow"], ["quick"], ["quick"]]
        assert log == ["slow begins", "slow ends", "quick", "quick"]


async def test_exception_handlers_answer_the_clients_ack(play: Any) -> None:
    sio = fastsio.AsyncServer()

    @sio.event
    async def divide(sid: str, a: int, b: int) -> float:
        return a / b

    @sio.exception_handler(ZeroDivisionError)
    async def answer(exc: Exception, event: str, sid: str, *args: Any) -> Any:
        return {"error": type(exc).__name__, "event": event, "args": list(args)}

    order = await play(sio, "acksInOrder", events=[["divide", 6, 3], ["divide", 1, 0]])
    assert sorted(order, key=str) == [
        [2], [{"error": "ZeroDivisionError", "event": "divide", "args": [1, 0]}],
    ]  # fmt: skip


async def test_always_connect_puts_who_is_refused_out_with_a_plain_disconnect(play: Any) -> None:
    sio = fastsio.AsyncServer(always_connect=True)
    heard: list[str] = []

    @sio.on("connect", namespace="/refusing")
    async def connect(sid: str, environ: dict[str, Any]) -> bool:
        await asyncio.sleep(0.01)
        return False

    sio.on("heard", heard.append, namespace="/refusing")
    sio.on("disconnect", heard.append, namespace="/refusing")
    # The engine closes by itself when its last socket is gone.
    reason, _ = await play(sio, "letInAndPutOut")
    assert reason == "io server disconnect"
    assert heard == []


async def test_always_connect_holds_events_until_the_connect_handler_has_ended(
    node: Any, serve: Any, mode: str
) -> None:
    sio = fastsio.AsyncServer(always_connect=True)
    gate = asyncio.Event()

    @sio.on("connect", namespace="/slow")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await gate.wait()
        await sio.save_session(sid, {"user": "ann"}, namespace="/slow")

    @sio.on("who", namespace="/slow")
    async def who(sid: str) -> str:
        return (await sio.get_session(sid, namespace="/slow"))["user"]

    server = await serve(sio)
    run = node.start("letInAndHeardLater", server.url, mode)
    await run.note("connected")
    gate.set()
    assert await run.result() == "ann"
    await assert_clean(server)


async def test_connect_handler_that_fails_refuses_and_the_connection_stays(
    play: Any, watch: Any
) -> None:
    sio = fastsio.AsyncServer()

    @sio.on("connect", namespace="/mistaken")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        raise LookupError("a mistake")

    sio.on("name", lambda sid: "root")
    refusal = await play(sio, "refusedByAMistake")
    assert refusal == ["Connection rejected by server", True, "root"]
    watch.expect_error("handler of 'connect' in '/mistaken' failed", "a mistake")


async def test_class_for_any_namespace_and_functions_for_any_event(play: Any) -> None:
    log: list[Any] = []

    class Every(AsyncNamespace):
        async def on_connect(self, namespace: str, sid: str, environ: Any, auth: Any) -> None:
            log.append(("connect", namespace, auth))

        def on_disconnect(self, namespace: str, sid: str, reason: str) -> None:
            log.append(("disconnect", namespace, reason))

        def on_known(self, namespace: str, sid: str, *args: Any) -> tuple[Any, ...]:
            return ("method", namespace, *args)

    sio = fastsio.AsyncServer(namespaces="*")
    sio.register_namespace(Every("*"))
    assert await play(sio, "anyNamespace") == [
        "/any/thing", ["method", "/any/thing", 1, "bytes b"], [],
    ]  # fmt: skip
    assert log == [
        ("connect", "/any/thing", {"token": "t"}),
        ("disconnect", "/any/thing", sio.reason.CLIENT_DISCONNECT),
    ]


async def test_call_ends_when_the_client_leaves(node: Any, serve: Any, mode: str) -> None:
    sio = fastsio.AsyncServer()
    errors: list[Exception] = []

    @sio.on("ask me")
    async def ask_me(sid: str) -> None:
        try:
            await sio.call("question", to=sid)
        except exceptions.TimeoutError as error:
            errors.append(error)

    server = await serve(sio)
    await node.play("leavesWhileItIsAsked", server.url, mode)
    await until(lambda: errors, "the call's end")
    assert isinstance(errors[0], exceptions.DisconnectedError)
    await assert_clean(server)

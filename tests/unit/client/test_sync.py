"""sync.py: where handlers of Client run, and what they may do."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import fastsio
from fastsio import exceptions
from fastsio.client import Client, loop_thread
from harness import DEADLINE_S


class ThreadedServer:
    """A fastsio server on a loop of its own; `url` says where."""

    def __init__(self) -> None:
        self.app = fastsio.AsyncServer()
        self.app.on("echo", lambda sid, *args: args)
        self.app.on("say", self._say)
        self.app.on("kick", self.app.disconnect)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self.run(fastsio.start(self.app, port=0))
        self.url = self.server.url

    async def _say(self, sid: str, *args: Any) -> None:
        await self.app.emit("said", args, to=sid)

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(2 * DEADLINE_S)

    def close(self) -> None:
        self.run(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedServer]:
    server = ThreadedServer()
    yield server
    server.close()


@pytest.fixture
def client(server: ThreadedServer) -> Iterator[Client]:
    client = Client(handle_sigint=False, reconnection=False)
    yield client
    client.shutdown()


def test_handlers_and_functions_given_to_connect_run_in_threads(
    server: ThreadedServer, client: Client
) -> None:
    seen: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()

    def note(what: str, result: Any = None) -> Any:
        def call(*_: Any) -> Any:
            seen.put((what, loop_thread.is_on_loop()))
            return result

        return call

    for event in ("connect", "said", "disconnect"):
        client.on(event, note(event))
    client.connect(
        note("url", server.url), note("headers", {}), note("auth", {}), transports=["websocket"]
    )
    client.emit("say", 1)
    client.emit("echo", 1, callback=note("callback"))
    expected = {"url", "headers", "auth", "connect", "said", "callback"}
    found = {seen.get(timeout=DEADLINE_S) for _ in expected}
    client.disconnect()
    found.add(seen.get(timeout=DEADLINE_S))
    assert found == {(what, False) for what in expected | {"disconnect"}}


def test_an_error_in_auth_is_the_connects_error(server: ThreadedServer, client: Client) -> None:
    with pytest.raises(exceptions.ConnectionError, match=r"Connect handler failed: division"):
        client.connect(server.url, auth=lambda: 1 / 0, transports=["websocket"])
    assert client.eio.state == "disconnected"


def test_a_handler_that_exits_ends_itself_and_nothing_else(
    server: ThreadedServer, client: Client
) -> None:
    def leave(*_: Any) -> None:
        raise SystemExit

    client.on("connect", leave)
    client.on("said", leave)
    client.connect(server.url, transports=["websocket"])
    client.emit("say", 1)
    assert client.call("echo", 1) == 1


def test_coroutine_handlers_are_named_as_a_mistake(server: ThreadedServer, client: Client) -> None:
    logged = threading.Event()

    async def said(*_: Any) -> None:
        raise AssertionError("never runs")

    class Watch:
        def exception(self, *args: Any) -> None:
            logged.set()

        def info(self, *args: Any) -> None: ...

    client.on("said", said)
    client.connect(server.url, transports=["websocket"])
    client.logger = Watch()  # type: ignore[assignment]
    client.emit("say", 1)
    assert logged.wait(DEADLINE_S)


def test_an_idle_client_has_no_thread(server: ThreadedServer) -> None:
    loop_thread.shared_loop()
    before = threading.active_count()
    clients = [Client(handle_sigint=False) for _ in range(30)]
    for each in clients:
        each.connect(server.url, transports=["websocket"])
    assert sum(t.name == "fastsio client" for t in threading.enumerate()) == 1
    assert threading.active_count() <= before
    for each in clients:
        each.disconnect()


def test_every_one_of_many_emits_is_answered(server: ThreadedServer, client: Client) -> None:
    came: list[int] = []
    done = threading.Event()
    client.connect(server.url, transports=["websocket"])

    def answered(i: int) -> None:
        came.append(i)
        if len(came) == 3_000:
            done.set()

    for i in range(3_000):
        client.emit("echo", i, callback=answered)
    assert done.wait(DEADLINE_S)
    assert sorted(came) == list(range(3_000))


def test_a_disconnect_handler_may_disconnect(server: ThreadedServer, client: Client) -> None:
    done = threading.Event()

    @client.on("disconnect")
    def disconnect(reason: str) -> None:
        client.disconnect()
        done.set()

    client.connect(server.url, transports=["websocket"])
    client.emit("kick")
    assert done.wait(DEADLINE_S), "it waits for itself"
    client.wait()
    with pytest.raises(exceptions.BadNamespaceError):
        client.emit("echo")


def test_a_session_that_is_none_is_refused(server: ThreadedServer) -> None:
    client = Client(http_session=object(), handle_sigint=False)
    with pytest.raises(TypeError, match=r"takes a requests\.Session"):
        client.connect(server.url)
    assert client.eio.state == "disconnected"

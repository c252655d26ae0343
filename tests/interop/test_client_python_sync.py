"""Client and SimpleClient against fastsio, python-socketio and Node's server: plain functions, from any thread."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fastsio import exceptions
from fastsio.client import Client, ClientNamespace, SimpleClient
from harness import DEADLINE_S
from peer_servers import TRANSPORTS, PeerServer


class Scene:
    """Clients of one test, all of them gone at its end."""

    def __init__(self, server: PeerServer, how: str) -> None:
        self.server = server
        self.transports, self.final_transport = TRANSPORTS[how]
        self.clients: list[Client] = []

    def make(self, **options: Any) -> Client:
        options.setdefault("reconnection_delay", 0.02)
        client = Client(handle_sigint=False, **options)
        self.clients.append(client)
        return client

    def connect(self, client: Client | None = None, **options: Any) -> Client:
        client = client or self.make()
        options.setdefault("wait_timeout", DEADLINE_S)
        client.connect(self.server.url, transports=self.transports, **options)
        return client


@pytest.fixture
def scene(peer_server: PeerServer, how: str) -> Iterator[Scene]:
    scene = Scene(peer_server, how)
    yield scene
    for client in scene.clients:
        client.shutdown()


def collect(client: Any, event: str, namespace: str | None = None) -> queue.SimpleQueue[Any]:
    """The arguments of each `event`, as they come."""
    came: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.on(event, lambda *args: came.put(args), namespace=namespace)
    return came


def test_connects_and_leaves(scene: Scene) -> None:
    client = scene.make()
    connects, leaves = collect(client, "connect"), collect(client, "disconnect")
    scene.connect(client)
    assert connects.get(timeout=DEADLINE_S) == ()
    assert client.connected and client.sid and client.get_sid()
    assert client.transport() == scene.final_transport
    client.disconnect()
    assert leaves.get(timeout=DEADLINE_S) == ("client disconnect",)
    assert not client.connected
    client.wait()


@pytest.mark.parametrize(
    "values", [(), ("ünï",), (1, None, [2.5]), (b"\x00", {"deep": [bytes(1000)]})], ids=repr
)
def test_values_come_back(scene: Scene, values: tuple[Any, ...]) -> None:
    client = scene.make()
    said = collect(client, "said")
    scene.connect(client)
    client.emit("say", values)
    assert said.get(timeout=DEADLINE_S) == values
    expected = None if not values else values[0] if len(values) == 1 else values
    assert client.call("echo", values) == expected
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.emit("echo", values, callback=lambda *args: answers.put(args))
    assert answers.get(timeout=DEADLINE_S) == values


def test_the_servers_call_gets_our_handlers_result(scene: Scene) -> None:
    client = scene.make()
    answered = collect(client, "answered")
    client.on("question", lambda *args: (len(args), b"\x01"))
    scene.connect(client)
    client.emit("ask", ("a", "b"))
    assert answered.get(timeout=DEADLINE_S) == ([2, b"\x01"],)


def test_a_handler_may_call_and_wait(scene: Scene) -> None:
    """Each handler has a thread: one that waits for the server's answer does not stop the others."""
    client = scene.make()
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    @client.on("said")
    def said(i: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        results.put(client.call("echo", i))

    scene.connect(client)
    for i in range(20):
        client.emit("say", i)
    assert sorted(results.get(timeout=DEADLINE_S) for _ in range(20)) == list(range(20))


def test_emits_from_many_threads_arrive_whole_and_in_each_threads_order(scene: Scene) -> None:
    client = scene.make()
    came: list[Any] = []
    done = threading.Event()
    lock = threading.Lock()

    @client.on("said")
    def said(thread: int, i: int, data: bytes) -> None:
        with lock:
            came.append((thread, i, len(data)))
            if len(came) == 400:
                done.set()

    scene.connect(client)

    def emit(thread: int) -> None:
        for i in range(50):
            client.emit("say", (thread, i, bytes(i)))

    threads = [threading.Thread(target=emit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert done.wait(DEADLINE_S), f"{len(came)} of 400 came"
    assert sorted(came) == [(n, i, i) for n in range(8) for i in range(50)]


def test_refusal_is_raised(scene: Scene) -> None:
    client = scene.make()
    refused = collect(client, "connect_error", "/refusing")
    with pytest.raises(exceptions.ConnectionError, match=r"failed to connect: /refusing$"):
        scene.connect(client, namespaces="/refusing")
    assert refused.get(timeout=DEADLINE_S)[0]["message"] == "not you"


def test_call_times_out(scene: Scene) -> None:
    client = scene.connect()
    with pytest.raises(exceptions.TimeoutError):
        client.call("nobody hears this", timeout=0.01)


def test_emit_to_what_is_not_connected(scene: Scene) -> None:
    client = scene.make()
    with pytest.raises(exceptions.BadNamespaceError, match=r"^/ is not a connected namespace.$"):
        client.emit("x")
    with pytest.raises(exceptions.BadNamespaceError):
        client.call("x")


def test_class_based_namespaces_and_auth_functions(scene: Scene) -> None:
    came: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Chat(ClientNamespace):
        def on_said(self, *args: Any) -> None:
            came.put(args)

        def on_disconnect(self, reason: str) -> None:
            came.put(reason)

    client = scene.make()
    chat = Chat("/chat")
    client.register_namespace(chat)
    scene.connect(client, auth=lambda: {"a": 1})
    assert chat.call("who")["auth"] == {"a": 1}
    chat.emit("say", "x")
    assert came.get(timeout=DEADLINE_S) == ("x",)
    chat.disconnect()
    assert came.get(timeout=DEADLINE_S) == "client disconnect"


def test_the_server_puts_us_out_and_wait_returns(scene: Scene) -> None:
    client = scene.connect()
    client.emit("kick")
    client.wait()
    assert not client.connected


def test_the_simple_client_receives_by_asking(scene: Scene) -> None:
    with SimpleClient(handle_sigint=False) as simple:
        simple.connect(scene.server.url, transports=scene.transports, namespace="/chat")
        assert simple.transport == scene.final_transport and simple.sid
        simple.emit("say", ("a", b"b"))
        assert simple.receive(DEADLINE_S) == ["said", "a", b"b"]
        assert simple.call("echo", "c") == "c"
        with pytest.raises(exceptions.TimeoutError):
            simple.receive(0.01)


def test_comes_back_after_the_server_restarts(own_peer_server: PeerServer) -> None:
    server = own_peer_server.start()
    with SimpleClient(handle_sigint=False, reconnection_delay=0.02) as simple:
        simple.connect(server.url)
        first = simple.sid
        server.kill()
        server.start()
        assert simple.call("echo", "again") == "again"
        assert simple.sid != first


def test_a_requests_session_is_taken_over(peer_server: PeerServer, how: str) -> None:
    session = requests.Session()
    session.headers["X-Test"] = "from the session"
    session.auth = ("me", "secret")
    client = Client(http_session=session, handle_sigint=False)
    client.connect(peer_server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
    assert client.call("who")["header"] == "from the session"
    assert client.transport() == TRANSPORTS[how][1]
    client.disconnect()


# --- Ctrl+C -----------------------------------------------------------------------------------------

SYNC_PROGRAM = """
import sys
from fastsio.client import Client
client = Client()
client.on("disconnect", lambda reason: print("goodbye", reason, flush=True))
client.connect(sys.argv[1])
print("ready", flush=True)
client.wait()
"""
ASYNC_PROGRAM = """
import asyncio, sys
from fastsio.client import AsyncClient
async def main():
    client = AsyncClient()
    client.on("disconnect", lambda reason: print("goodbye", reason, flush=True))
    await client.connect(sys.argv[1])
    print("ready", flush=True)
    await client.wait()
    await asyncio.sleep(60)
asyncio.run(main())
"""


UVLOOP_PROGRAM = "import uvloop\n" + ASYNC_PROGRAM.replace("asyncio.run(", "uvloop.run(")


@pytest.mark.parametrize(
    "program", [SYNC_PROGRAM, ASYNC_PROGRAM, UVLOOP_PROGRAM], ids=["sync", "asyncio", "uvloop"]
)
def test_ctrl_c_says_goodbye_and_ends_the_program(peer_server: PeerServer, program: str) -> None:
    watcher = Client(handle_sigint=False)
    left = collect(watcher, "left")
    watcher.connect(peer_server.url)
    process = subprocess.Popen(
        [sys.executable, "-c", program, peer_server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    assert out == "goodbye client disconnect\n", err
    assert "KeyboardInterrupt" in err.splitlines()[-1]
    assert process.returncode != 0
    assert time.monotonic() - began < 2
    assert left.get(timeout=DEADLINE_S)
    watcher.disconnect()

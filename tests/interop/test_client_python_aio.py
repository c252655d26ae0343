"""AsyncClient against fastsio, python-socketio and Node's server, over every transport."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import fastsio.client
from fastsio import exceptions
from harness import DEADLINE_S, LoopWatch, until
from peer_servers import TRANSPORTS, PeerServer


class Scene:
    """Clients of one test, all of them gone at its end."""

    def __init__(self, server: PeerServer, how: str) -> None:
        self.server = server
        self.transports, self.final_transport = TRANSPORTS[how]
        self.clients: list[fastsio.client.AsyncClient] = []

    def make(self, **options: Any) -> fastsio.client.AsyncClient:
        client = fastsio.client.AsyncClient(handle_sigint=False, **options)
        self.clients.append(client)
        return client

    async def connect(
        self, client: fastsio.client.AsyncClient | None = None, **options: Any
    ) -> fastsio.client.AsyncClient:
        client = client or self.make()
        options.setdefault("wait_timeout", DEADLINE_S)
        await client.connect(self.server.url, transports=self.transports, **options)
        return client


@pytest_asyncio.fixture
async def scene(peer_server: PeerServer, how: str, watch: LoopWatch) -> AsyncIterator[Scene]:
    scene = Scene(peer_server, how)
    yield scene
    for client in scene.clients:
        await client.shutdown()


def collect(client: Any, event: str, namespace: str | None = None) -> asyncio.Queue[Any]:
    """The arguments of each `event`, as they come."""
    came: asyncio.Queue[Any] = asyncio.Queue()
    client.on(event, lambda *args: came.put_nowait(args), namespace=namespace)
    return came


async def next_of(came: asyncio.Queue[Any]) -> Any:
    return await asyncio.wait_for(came.get(), DEADLINE_S)


# --- connecting ---------------------------------------------------------------------------------


async def test_connects_and_leaves(scene: Scene) -> None:
    client = scene.make()
    connects, leaves = collect(client, "connect"), collect(client, "disconnect")
    await scene.connect(client)
    assert connects.get_nowait() == ()
    assert client.connected and client.transport() == scene.final_transport
    assert client.sid and client.get_sid() and client.namespaces == {"/": client.get_sid()}
    assert await client.call("transport") == scene.final_transport
    await client.disconnect()
    assert leaves.get_nowait() == ("client disconnect",)
    assert not client.connected and client.sid is None and client.get_sid() is None
    await client.wait()


async def test_the_server_sees_who_left(scene: Scene) -> None:
    stays, goes = await scene.connect(), await scene.connect()
    left = collect(stays, "left")
    sid = goes.get_sid()
    await goes.disconnect()
    assert await next_of(left) == (sid,)


async def test_auth_headers_and_query_reach_the_server(scene: Scene) -> None:
    client = scene.make()
    url = scene.server.url + "?token=a%20b"
    await client.connect(
        url, headers={"X-Test": "yes"}, auth={"user": "ä"}, transports=scene.transports
    )
    who = await client.call("who")
    assert who["auth"] == {"user": "ä"} and who["header"] == "yes"
    assert "token=a%20b&" in who["query"]


async def test_url_headers_and_auth_may_be_functions(scene: Scene) -> None:
    async def url() -> str:
        return scene.server.url

    async def auth() -> dict[str, int]:
        return {"n": 1}

    client = scene.make()
    await client.connect(url, lambda: {"X-Test": "called"}, auth, scene.transports)
    who = await client.call("who")
    assert (who["auth"], who["header"]) == ({"n": 1}, "called")


async def test_refusal_reaches_connect_error_and_connect(scene: Scene) -> None:
    client = scene.make()
    refused = collect(client, "connect_error", "/refusing")
    with pytest.raises(
        exceptions.ConnectionError,
        match=r"^One or more namespaces failed to connect: /refusing$",
    ):
        await scene.connect(client, namespaces="/refusing", auth={"a": 1})
    assert refused.get_nowait() == ({"message": "not you", "data": {"why": {"a": 1}}},)
    assert not client.connected and client.eio.state == "disconnected"


async def test_one_refused_namespace_ends_the_attempt(scene: Scene) -> None:
    client = scene.make()
    with pytest.raises(exceptions.ConnectionError, match="/refusing"):
        await scene.connect(client, namespaces=["/", "/refusing"])
    assert client.namespaces == {}


async def test_a_namespace_that_does_not_exist_is_refused(scene: Scene) -> None:
    client = scene.make()
    refused = collect(client, "connect_error", "/nowhere")
    with pytest.raises(exceptions.ConnectionError, match="/nowhere"):
        await scene.connect(client, namespaces=["/nowhere"])
    (reason,) = refused.get_nowait()  # python-socketio sends a string, the others an object
    assert reason in ("Unable to connect", {"message": "Invalid namespace"})


async def test_wrong_path_is_named(scene: Scene) -> None:
    client = scene.make()
    errors = collect(client, "connect_error")
    with pytest.raises(exceptions.ConnectionError) as caught:
        await scene.connect(client, socketio_path="/elsewhere/")
    is_websocket = scene.transports == ["websocket"]
    expected = "Connection error" if is_websocket else "Unexpected status code"
    assert str(caught.value).startswith(expected)
    assert errors.qsize() == 1


# --- events and acks ----------------------------------------------------------------------------

VALUES = [
    (),
    ("text",),
    ('ünï 😀 "quoted" \u2028',),
    (1, 2.5, True, None, [1, {"a": []}]),
    (b"\x00\xff", {"nested": [b"", {"deep": bytes(range(256))}]}),
    (b"only",),
    (None,),
]


@pytest.mark.parametrize("values", VALUES, ids=lambda values: f"{len(values)}-{str(values)[:12]}")
async def test_acks_of_ours_bring_the_values_back(scene: Scene, values: tuple[Any, ...]) -> None:
    client = await scene.connect()
    answer = await client.call("echo", values)
    assert answer == (None if not values else values[0] if len(values) == 1 else values)


@pytest.mark.parametrize("values", VALUES, ids=lambda values: f"{len(values)}-{str(values)[:12]}")
async def test_events_come_back_unchanged(scene: Scene, values: tuple[Any, ...]) -> None:
    client = scene.make()
    said = collect(client, "said")
    await scene.connect(client)
    await client.emit("say", values)
    assert await next_of(said) == values


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_the_servers_call_gets_our_handlers_result(scene: Scene, is_coroutine: bool) -> None:
    client = scene.make()
    answered = collect(client, "answered")

    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0)
        return len(args), b"\x01"

    client.on("question", slow if is_coroutine else lambda *args: (len(args), b"\x01"))
    await scene.connect(client)
    await client.emit("ask", ("a", "b"))
    assert await next_of(answered) == ([2, b"\x01"],)


async def test_a_handler_that_returns_nothing_acks_with_nothing(scene: Scene) -> None:
    client = scene.make()
    answered = collect(client, "answered")
    client.on("question", lambda *args: None)
    await scene.connect(client)
    await client.emit("ask", "a")
    assert (await next_of(answered))[:1] in [(None,), ()]


async def test_callbacks_get_the_answer(scene: Scene) -> None:
    client = await scene.connect()
    plain: asyncio.Queue[Any] = asyncio.Queue()
    awaited: asyncio.Queue[Any] = asyncio.Queue()

    async def callback(*args: Any) -> None:
        await awaited.put(args)

    await client.emit("echo", (1, b"2"), callback=lambda *args: plain.put_nowait(args))
    await client.emit("echo", None, callback=callback)
    assert await next_of(plain) == (1, b"2")
    assert await next_of(awaited) == ()


async def test_many_calls_at_once_get_their_own_answers(scene: Scene) -> None:
    client = await scene.connect()
    answers = await asyncio.gather(*(client.call("echo", i) for i in range(200)))
    assert answers == list(range(200))


async def test_events_come_in_order(scene: Scene) -> None:
    client = scene.make()
    counted: list[int] = []
    done = asyncio.Event()

    @client.on("count")
    def count(i: int) -> None:
        counted.append(i)
        if i == 1_999:
            done.set()

    await scene.connect(client)
    await client.emit("burst", 2_000)
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    assert counted == list(range(2_000))


async def test_a_message_of_900_kb_comes_back(scene: Scene) -> None:
    client = await scene.connect()
    data = random.Random(4).randbytes(600_000)
    assert await client.call("echo", data) == data
    text = "ä" * 400_000
    assert await client.call("echo", text) == text


async def test_more_than_a_post_may_hold_goes_in_several(scene: Scene) -> None:
    client = await scene.connect()
    texts = [str(i) * 30_000 for i in range(10)] * 6
    answers = await asyncio.gather(*(client.call("echo", text) for text in texts))
    assert answers == texts


async def test_call_times_out(scene: Scene) -> None:
    client = await scene.connect()
    with pytest.raises(exceptions.TimeoutError) as caught:
        await client.call("nobody hears this", timeout=0.01)
    assert not isinstance(caught.value, exceptions.DisconnectedError)
    assert client.callbacks["/"] == {}


async def test_send_is_the_message_event(scene: Scene) -> None:
    client = await scene.connect()
    with pytest.raises(exceptions.TimeoutError):
        await client.call("message", "no handler there", timeout=0.01)
    await client.send("hello")
    assert await client.call("echo", 1) == 1


# --- namespaces and rooms -------------------------------------------------------------------------


async def test_namespaces_with_handlers_are_connected(scene: Scene) -> None:
    client = scene.make()
    said = {n: collect(client, "said", n) for n in ("/", "/chat", "/other")}
    await scene.connect(client)
    assert set(client.namespaces) == set(said)
    assert len(set(client.namespaces.values())) == 3
    for namespace in said:
        await client.emit("say", namespace, namespace=namespace)
    for namespace, came in said.items():
        assert await next_of(came) == (namespace,)
        assert came.empty()


async def test_rooms_are_the_servers(scene: Scene) -> None:
    clients = [scene.make() for _ in range(3)]
    shouted = [collect(client, "shouted", "/chat") for client in clients]
    for client in clients:
        await scene.connect(client)
    for client in clients[:2]:
        assert await client.call("join", "room", namespace="/chat") is True
    await clients[2].emit("shout", ("room", {"b": b"oom"}), namespace="/chat")
    for came in shouted[:2]:
        assert await next_of(came) == ({"b": b"oom"},)
    assert await clients[2].call("echo", 1, namespace="/chat") == 1
    assert shouted[2].empty()


async def test_put_out_of_one_namespace_the_others_stay(scene: Scene) -> None:
    client = scene.make()
    reasons = collect(client, "disconnect", "/chat")
    finals = collect(client, "__disconnect_final", "/chat")
    await scene.connect(client, namespaces=["/", "/chat"])
    await client.emit("kick", namespace="/chat")
    assert await next_of(reasons) == ("server disconnect",)
    assert await next_of(finals) == ()
    await until(lambda: "/chat" not in client.namespaces, "/chat left")
    assert client.connected and await client.call("echo", 1) == 1
    with pytest.raises(
        exceptions.BadNamespaceError, match=r"^/chat is not a connected namespace.$"
    ):
        await client.emit("x", namespace="/chat")


async def test_put_out_of_all_it_does_not_come_back(scene: Scene) -> None:
    client = scene.make(reconnection_delay=0)
    reasons = collect(client, "disconnect")
    await scene.connect(client)
    await client.emit("kick")
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert reasons.get_nowait() == ("server disconnect",) and reasons.empty()
    assert not client.connected and client.eio.state == "disconnected"


async def test_a_class_based_namespace_is_served(scene: Scene) -> None:
    class Chat(fastsio.client.AsyncClientNamespace):
        came: asyncio.Queue[Any]

        def on_connect(self) -> None:
            self.came = asyncio.Queue()

        async def on_said(self, *args: Any) -> None:
            await self.came.put(args)

        def on_disconnect(self) -> None:
            self.came.put_nowait("gone")

    client = scene.make()
    chat = Chat("/chat")
    client.register_namespace(chat)
    await scene.connect(client)
    await chat.emit("say", 1)
    assert await next_of(chat.came) == (1,)
    assert await chat.call("echo", 2) == 2
    await chat.disconnect()
    assert chat.came.get_nowait() == "gone"


async def test_connecting_again_makes_a_new_session(scene: Scene) -> None:
    client = await scene.connect()
    first = client.sid
    with pytest.raises(exceptions.ConnectionError, match=r"^Already connected$"):
        await scene.connect(client)
    await client.disconnect()
    await scene.connect(client)
    assert client.sid != first and await client.call("echo", 3) == 3


async def test_the_simple_client_receives_by_asking(scene: Scene) -> None:
    async with fastsio.client.AsyncSimpleClient(handle_sigint=False) as simple:
        await simple.connect(scene.server.url, transports=scene.transports, namespace="/chat")
        assert simple.transport == scene.final_transport and simple.sid
        await simple.emit("say", ("a", b"b"))
        assert await simple.receive(DEADLINE_S) == ["said", "a", b"b"]
        assert await simple.call("echo", "c") == "c"
        with pytest.raises(exceptions.TimeoutError):
            await simple.receive(0.01)
    assert simple.sid is None

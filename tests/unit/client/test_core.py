"""core.py, base.py and aio.py: Socket.IO of a client against a server by hand."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import weakref
from typing import Any

import pytest

from fake_server import FakeServer
from fastsio import exceptions
from fastsio.client import AsyncClient, AsyncClientNamespace, ClientNamespace, signals
from harness import DEADLINE_S, until

# --- which handler -------------------------------------------------------------------------------


def named(seen: list[Any], name: str) -> Any:
    return lambda *args: seen.append((name, *args))


@pytest.mark.parametrize(
    ("handlers", "expected"),
    [
        ([("e", "/"), ("*", "/"), ("e", "*"), ("*", "*")], [("e /", 1)]),
        ([("*", "/"), ("e", "*"), ("*", "*")], [("* /", "e", 1)]),
        ([("e", "*"), ("*", "*")], [("e *", "/", 1)]),
        ([("*", "*")], [("* *", "e", "/", 1)]),
        # A namespace with a handler of its own never falls back to the common ones.
        ([("other", "/"), ("e", "*"), ("*", "*")], []),
    ],
)
async def test_the_most_special_handler_gets_the_event(
    fake: FakeServer, client: AsyncClient, handlers: list[tuple[str, str]], expected: list[Any]
) -> None:
    seen: list[Any] = []
    connection = await fake.connect(client, namespaces="/")
    for event, namespace in handlers:
        client.on(event, named(seen, f"{event} {namespace}"), namespace=namespace)
    connection.send(b'42["e",1]', b'429["unheard"]')
    await connection.next()
    assert [entry for entry in seen if "unheard" not in entry] == expected


async def test_class_based_namespaces_come_after_functions(
    fake: FakeServer, client: AsyncClient
) -> None:
    seen: list[Any] = []

    class All(AsyncClientNamespace):
        async def on_e(self, *args: Any) -> None:
            seen.append(("all", *args))

    class Root(AsyncClientNamespace):
        def on_f(self, *args: Any) -> None:
            seen.append(("root", *args))

    client.register_namespace(All("*"))
    connection = await fake.connect(client, namespaces="/")
    connection.send(b'42["e",1]', b'427["x"]')
    await connection.next()
    client.register_namespace(Root())
    client.on("g", named(seen, "function"))
    connection.send(b'42["e",2]', b'42["f",3]', b'42["g",4]', b'428["x"]')
    await connection.next()
    assert seen == [("all", "/", 1), ("root", 3), ("function", 4)]


async def test_reserved_events_are_not_for_star(fake: FakeServer, client: AsyncClient) -> None:
    seen: list[Any] = []
    client.on("*", named(seen, "*"))
    connection = await fake.connect(client)
    connection.cut()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert seen == []


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (lambda seen: lambda: seen.append(()), ()),
        (lambda seen: lambda reason: seen.append((reason,)), ("transport error",)),
        (lambda seen: lambda *args: seen.append(args), ("transport error",)),
        (lambda seen: lambda reason=None: seen.append((reason,)), ("transport error",)),
    ],
)
async def test_disconnect_handlers_may_take_the_reason(
    fake: FakeServer, client: AsyncClient, handler: Any, expected: tuple[Any, ...]
) -> None:
    seen: list[Any] = []
    client.on("disconnect", handler(seen))
    connection = await fake.connect(client)
    connection.cut()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert seen == [expected]


def test_decorators_register_under_their_names() -> None:
    client = AsyncClient(handle_sigint=False)

    @client.event
    def message(data: Any) -> None: ...

    @client.event(namespace="/x")
    async def other() -> None: ...

    @client.on("third", namespace="/x")
    def anything() -> None: ...

    assert client.handlers == {"/": {"message": message}, "/x": {"other": other, "third": anything}}


def test_namespaces_of_the_wrong_kind_are_refused() -> None:
    client = AsyncClient(handle_sigint=False)
    with pytest.raises(ValueError, match="Not a namespace instance"):
        client.register_namespace(ClientNamespace)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Not a valid namespace class for this client"):
        client.register_namespace(ClientNamespace("/"))


# --- handlers that fail, acks --------------------------------------------------------------------


@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_a_handler_that_raises_is_logged_and_nothing_else_happens(
    fake: FakeServer, client: AsyncClient, watch: Any, is_coroutine: bool
) -> None:
    def plain() -> None:
        raise RuntimeError("oh")

    async def coroutine() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("oh")

    client.on("e", coroutine if is_coroutine else plain)
    client.on("f", lambda: "fine")
    connection = await fake.connect(client)
    connection.send(b'421["e"]', b'422["f"]')
    assert await connection.next() == ("text", b'432["fine"]')
    await until(lambda: watch.errors, "it is logged")
    watch.expect_error("event handler", "oh")
    assert client.connected


@pytest.mark.parametrize(
    ("result", "ack"),
    [
        (None, b"431[]"),
        ((), b"431[]"),
        ((1, 2), b"431[1,2]"),
        ([1, 2], b"431[[1,2]]"),
        (0, b"431[0]"),
    ],
)
async def test_what_a_handler_returns_is_its_ack(
    fake: FakeServer, client: AsyncClient, result: Any, ack: bytes
) -> None:
    client.on("e", lambda: result)
    connection = await fake.connect(client)
    connection.send(b'421["e"]')
    assert await connection.next() == ("text", ack)


async def test_an_ack_that_json_cannot_hold_is_logged(
    fake: FakeServer, client: AsyncClient, watch: Any
) -> None:
    client.on("e", lambda: object())
    connection = await fake.connect(client)
    connection.send(b'421["e"]', b'422["f"]')
    assert await connection.next() == ("text", b"432[]")
    watch.expect_error("can't be sent")


async def test_acks_that_nobody_waits_for_are_ignored(
    fake: FakeServer, client: AsyncClient
) -> None:
    connection = await fake.connect(client)
    answers: list[Any] = []
    await client.emit("e", callback=lambda *args: answers.append(args))
    _, packet = await connection.next()
    assert packet == b'421["e"]'
    connection.send(b"437[]", b"43[]", b"431[1]", b"431[2]", b'429["x"]')
    await connection.next()
    assert answers == [(1,)]


async def test_a_callback_that_raises_is_logged(
    fake: FakeServer, client: AsyncClient, watch: Any
) -> None:
    def callback() -> None:
        raise RuntimeError("oh")

    connection = await fake.connect(client)
    await client.emit("e", callback=callback)
    connection.send(b"431[]", b'429["x"]')
    await connection.next()
    await connection.next()
    watch.expect_error("callback", "oh")


async def test_what_cannot_be_sent_is_refused_and_leaves_nothing(
    fake: FakeServer, client: AsyncClient
) -> None:
    await fake.connect(client)
    with pytest.raises(TypeError):
        await client.emit("e", object(), callback=print)
    with pytest.raises(ValueError, match="reserved event name"):
        await client.emit("disconnect")
    with pytest.raises(TypeError, match="event name"):
        await client.emit(None)  # type: ignore[arg-type]
    assert client.callbacks == {"/": {}}


# --- the connection goes ---------------------------------------------------------------------------


async def test_pending_calls_fail_at_once(fake: FakeServer, client: AsyncClient) -> None:
    connection = await fake.connect(client)
    calls = [asyncio.create_task(client.call("e", timeout=None)) for _ in range(3)]
    await connection.next()
    connection.cut()
    for call in calls:
        with pytest.raises(exceptions.TimeoutError) as caught:
            await asyncio.wait_for(call, DEADLINE_S)
        assert isinstance(caught.value, exceptions.DisconnectedError)


async def test_a_call_in_a_disconnect_handler_fails_at_once(
    fake: FakeServer, client: AsyncClient
) -> None:
    errors: list[Exception] = []

    @client.event
    async def disconnect() -> None:
        try:
            await client.call("e", timeout=None)
        except exceptions.DisconnectedError as error:
            errors.append(error)

    connection = await fake.connect(client)
    connection.cut()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert len(errors) == 1


async def test_emit_without_a_connection_names_the_namespace(client: AsyncClient) -> None:
    for call in (client.emit("e"), client.call("e"), client.send("e")):
        with pytest.raises(
            exceptions.BadNamespaceError, match=r"^/ is not a connected namespace\.$"
        ):
            await call


async def test_a_loss_while_namespaces_are_awaited_is_the_connects_error(
    fake: FakeServer, client: AsyncClient
) -> None:
    client.reconnection = True
    connecting = asyncio.create_task(
        client.connect(fake.url, transports=["websocket"], wait_timeout=DEADLINE_S)
    )
    connection = await fake.accept()
    await connection.next()
    connection.cut()
    with pytest.raises(exceptions.ConnectionError, match="Unexpected connection error"):
        await asyncio.wait_for(connecting, DEADLINE_S)
    assert client._reconnect_task is None


async def test_put_out_and_closed_at_once_is_told_once(
    fake: FakeServer, client: AsyncClient
) -> None:
    """What Node's socket.disconnect(true) sends: Socket.IO's goodbye and Engine.IO's behind it."""
    client.reconnection = True
    reasons: list[str] = []

    @client.event
    async def disconnect(reason: str) -> None:
        reasons.append(reason)
        await asyncio.sleep(0.01)

    connection = await fake.connect(client)
    connection.send(b"41", b"1")
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert reasons == ["server disconnect"]
    assert not client.connected and fake.connections.empty()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_connected_client_goes_with_its_loop() -> None:
    """A program that ends its loop without a goodbye keeps neither the client nor the loop."""

    async def connect() -> Any:
        fake = FakeServer()
        await fake.__aenter__()
        client = AsyncClient(handle_sigint=False)
        await fake.connect(client)
        assert client in signals.connected_clients
        return weakref.ref(client)

    loop = asyncio.SelectorEventLoop()
    client = loop.run_until_complete(connect())
    assert client() is not None
    loop.close()
    loop = None
    gc.collect()
    assert client() is None


# --- reconnection ----------------------------------------------------------------------------------


def delays(count: int, **options: Any) -> list[float]:
    found = AsyncClient(handle_sigint=False, **options)._delays()
    return [next(found) for _ in range(count)]


def test_delays_double_up_to_the_maximum() -> None:
    assert delays(5, randomization_factor=0) == [1, 2, 4, 5, 5]
    assert delays(3, randomization_factor=0, reconnection_delay=10) == [5, 5, 5]


def test_delays_are_off_by_the_randomization_factor_at_most() -> None:
    random.seed(1)
    found = [delays(4)[3] for _ in range(500)]
    assert 2.5 <= min(found) < 2.8 and 7.2 < max(found) <= 7.5


def test_delays_end_with_the_attempts() -> None:
    client = AsyncClient(handle_sigint=False, reconnection_attempts=3)
    assert len(list(client._delays())) == 3


def test_a_delay_is_never_below_nothing() -> None:
    random.seed(2)
    assert min(min(delays(50, randomization_factor=3)) for _ in range(20)) == 0


# --- forms of packets --------------------------------------------------------------------------------


class Marked:
    """A JSON module that shows where it was used."""

    @staticmethod
    def dumps(value: Any) -> str:
        return json.dumps(value)[:-1] + ',"mine"]' if isinstance(value, list) else json.dumps(value)

    @staticmethod
    def loads(text: str) -> Any:
        value = json.loads(text)
        return [*value, "read"] if isinstance(value, list) else value


async def test_a_json_module_of_ones_own(fake: FakeServer, watch: Any) -> None:
    client = AsyncClient(handle_sigint=False, reconnection=False, json=Marked)
    seen: list[Any] = []
    client.on("e", named(seen, "e"))
    connection = await fake.connect(client)
    await client.emit("e", 1)
    _, packet = await connection.next()
    assert packet.replace(b" ", b"") == b'42["e",1,"mine"]'
    connection.send(b'42["e",1]', b'429["x"]')
    await connection.next()
    assert seen == [("e", 1, "read")]
    connection.cut()
    await client.wait()


class Reversed:
    """A packet class of ones own, with the shape of python-socketio's: its JSON backwards, binary beside it."""

    def __init__(
        self, packet_type: int = 2, data: Any = None, namespace: str | None = None, id: int | None = None,
        binary: bool | None = None, encoded_packet: Any = None,
    ) -> None:  # fmt: skip
        self.packet_type, self.data, self.namespace, self.id = packet_type, data, namespace, id
        if encoded_packet is not None:
            text = encoded_packet if isinstance(encoded_packet, str) else encoded_packet.decode()
            self.packet_type, self.data, self.namespace, self.id = json.loads(text[::-1])

    def encode(self) -> Any:
        text = json.dumps([self.packet_type, self.data, self.namespace, self.id])[::-1]
        return text if self.packet_type == 0 else text.encode()


async def test_a_packet_class_of_ones_own_as_text_and_binary(fake: FakeServer, watch: Any) -> None:
    client = AsyncClient(handle_sigint=False, reconnection=False, serializer=Reversed)
    client.on("e", lambda *args: args)
    connecting = asyncio.create_task(client.connect(fake.url, transports=["websocket"]))
    connection = await fake.accept()
    assert await connection.next() == ("text", b"4" + Reversed(0, {}, "/").encode().encode())
    connection.send(b"4" + Reversed(0, {"sid": "s"}, "/").encode().encode())
    await connecting
    assert client.get_sid() == "s"
    connection.send(b"4" + Reversed(2, ["e", 1], "/", 5).encode())
    assert await connection.next() == ("binary", Reversed(3, [1], "/", 5).encode())
    connection.cut()
    await client.wait()


def test_a_serializer_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="'pickle'"):
        AsyncClient(serializer="pickle")

"""engineio.AsyncServer: its methods as python-engineio's applications call them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings

import engineio
import pytest

from fastsio.engineio import AsyncServer, packet
from harness import CLOSE, FakePeer, http, until
from memory_conn import MemoryPeer

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])
TRANSPORTS = pytest.mark.parametrize("transport", ["polling", "websocket"])

PUBLIC = [
    "__init__", "async_modes", "create_event", "create_queue", "disconnect", "generate_id",
    "get_queue_empty_exception", "get_session", "handle_request", "is_asyncio_based", "on", "save_session", "send",
    "send_packet", "session", "shutdown", "sleep", "start_background_task", "transport",
]  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_signature_is_python_engineios(name):
    def shape(cls):
        return [
            (p.name, p.kind, p.default)
            for p in inspect.signature(getattr(cls, name)).parameters.values()
        ]

    assert shape(AsyncServer) == shape(engineio.AsyncServer)
    assert inspect.iscoroutinefunction(getattr(AsyncServer, name)) == inspect.iscoroutinefunction(
        getattr(engineio.AsyncServer, name)
    )


def test_reasons_are_python_engineios():
    theirs = {k: v for k, v in vars(engineio.AsyncServer.reason).items() if k.isupper()}
    assert {k: v for k, v in vars(AsyncServer.reason).items() if k.isupper()} == theirs


# --- options ---------------------------------------------------------------------------------


async def test_options_reach_the_handshake(stage):
    app = await stage(
        ping_interval=3, ping_timeout=2, max_http_buffer_size=5000, allow_upgrades=False
    )
    peer = await FakePeer(app.server.url, "polling", path="/engine.io/").open()
    handshake = {**peer.handshake, "sid": ""}
    assert handshake == {
        "sid": "", "pingInterval": 3000, "pingTimeout": 2000, "maxPayload": 5000, "upgrades": [],
    }  # fmt: skip
    await peer.close()


def test_options_may_be_read_as_theirs():
    given = {
        "ping_interval": (5, 2), "ping_timeout": 7, "max_http_buffer_size": 9, "allow_upgrades": False,
        "http_compression": False, "compression_threshold": 3, "cors_allowed_origins": "*",
        "cors_credentials": False, "transports": ["polling"], "async_handlers": False,
    }  # fmt: skip
    mine, theirs = AsyncServer(**given), engineio.AsyncServer(async_mode="asgi", **given)
    for name in (*given, "ping_interval_grace_period"):
        found, expected = getattr(mine, name), getattr(theirs, name)
        assert (list(found) if name == "transports" else found) == expected
    with pytest.raises(AttributeError, match="no attribute 'ping_intervall'"):
        _ = mine.ping_intervall


def test_fastsios_own_options_are_taken_too():
    assert AsyncServer(trusted_proxies="10.0.0.1").hub.options.trusted_proxies is not None


def test_unknown_option_gives_one_warning_that_names_the_nearest():
    with pytest.warns(UserWarning, match="unknown arguments: 'ping_intervall'.*'ping_interval'"):
        AsyncServer(ping_intervall=3)


def test_known_options_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AsyncServer("asgi", 25, 20, 1000, True, True, 1, None, "*", True, False, None, True, True)


def test_transports_that_are_unknown_are_left_out_as_long_as_one_is_known():
    assert AsyncServer(transports=["websocket", "webtransport"]).hub.options.transports == (
        "websocket",
    )
    assert AsyncServer(transports="polling").hub.options.transports == ("polling",)
    with pytest.raises(ValueError, match="No valid transports provided"):
        AsyncServer(transports=["webtransport"])


def test_async_mode_must_be_one_of_theirs():
    for mode in ("asgi", "aiohttp", "sanic", "tornado", None):
        assert AsyncServer(async_mode=mode).async_mode in AsyncServer().async_modes()
    with pytest.raises(ValueError, match="Invalid async_mode specified: 'eventlet'"):
        AsyncServer(async_mode="eventlet")


# --- handlers --------------------------------------------------------------------------------


def test_on_is_a_decorator_that_returns_the_function():
    eio = AsyncServer()

    @eio.on("message")
    def message(sid, data):
        pass

    assert eio.handlers == {"message": message}


def test_other_events_are_refused():
    with pytest.raises(ValueError, match="Invalid event: 'chat'"):
        AsyncServer().on("chat", print)


# --- sending ---------------------------------------------------------------------------------


@IN_MEMORY
@TRANSPORTS
@pytest.mark.parametrize(
    ("data", "wire"),
    [
        ("text", "4text"),
        ("", "4"),
        ("é€", "4é€"),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        ([1, "a", None], '4[1,"a",null]'),
        ({"a": {"b": []}}, '4{"a":{"b":[]}}'),
        (None, "4"),
        (5, "45"),
    ],
)
async def test_data_is_sent_as_python_engineio_does(stage, transport, data, wire):
    app = await stage()
    peer = await app.client(transport)
    await app.eio.send(peer.handshake["sid"], data)
    assert await peer.receive() == wire
    await peer.close()


@pytest.mark.parametrize("data", [[b"x"], {"a": {1, 2}}])
async def test_data_that_json_can_not_hold_is_refused_at_the_call(stage, data):
    app = await stage()
    peer = await FakePeer(app.server.url, path="/engine.io/").open()
    with pytest.raises(TypeError):
        await app.eio.send(peer.handshake["sid"], data)
    await peer.close()


@IN_MEMORY
@TRANSPORTS
async def test_binary_and_text_keep_their_order(stage, transport):
    app = await stage()
    peer = await app.client(transport)
    sid = peer.handshake["sid"]
    for data in ("a", b"b", "c", b"", b"d"):
        await app.eio.send(sid, data)
    assert [await peer.receive() for _ in range(5)] == ["4a", b"b", "4c", b"", b"d"]
    await peer.close()


@IN_MEMORY
async def test_binary_sent_while_polling_goes_over_with_an_upgrade(stage):
    app = await stage()
    peer = await app.client("polling")
    sid = peer.handshake["sid"]
    ws = await peer.open_websocket()
    ws.send(1, b"2probe")
    assert await ws.receive() == (1, b"3probe")
    await app.eio.send(sid, b"\x01\x02")
    ws.send(1, b"5")
    peer.ws, peer.transport = ws, "websocket"
    assert await peer.receive() == b"\x01\x02"
    await peer.close()


@IN_MEMORY
async def test_packet_is_sent_as_it_is(stage):
    app = await stage()
    peer = await app.client(answers_pings=False)
    sid = peer.handshake["sid"]
    await app.eio.send_packet(sid, packet.Packet(packet.MESSAGE, data={"a": 1}))
    await app.eio.send_packet(sid, packet.Packet(packet.MESSAGE, data=b"\x00"))
    await app.eio.send_packet(sid, engineio.packet.Packet(engineio.packet.PING))
    assert [await peer.receive() for _ in range(3)] == ['4{"a":1}', b"\x00", "2"]
    await peer.close()


async def test_sending_to_nobody_is_a_warning(stage, caplog):
    app = await stage()
    await app.eio.send("nobody", "x")
    await app.eio.send_packet("nobody", packet.Packet(packet.NOOP))
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert found == ["Cannot send to sid nobody…"] * 2


# --- sessions --------------------------------------------------------------------------------


@IN_MEMORY
async def test_session_is_kept_for_the_client(stage):
    app = await stage()

    @app.eio.on("connect")
    async def connect(sid, environ):
        async with app.eio.session(sid) as session:
            session["user"] = "ann"

    peer, other = await app.client(), await app.client()
    sid = peer.handshake["sid"]
    assert await app.eio.get_session(sid) == {"user": "ann"}
    await app.eio.save_session(sid, {"user": "bob"})
    assert await app.eio.get_session(sid) == {"user": "bob"}
    assert await app.eio.get_session(other.handshake["sid"]) == {"user": "ann"}
    await peer.close()
    await other.close()


async def test_unknown_sids_have_nothing(stage):
    app = await stage()
    for call in (app.eio.get_session("x"), app.eio.save_session("x", {})):
        with pytest.raises(KeyError, match="Session not found"):
            await call
    with pytest.raises(KeyError):
        async with app.eio.session("x"):
            pass
    with pytest.raises(KeyError):
        app.eio.transport("x")
    await app.eio.disconnect("x")
    await app.eio.disconnect()


# --- disconnecting ---------------------------------------------------------------------------


@IN_MEMORY
async def test_disconnect_returns_when_the_handler_has_run(stage):
    app = await stage()
    gone = []

    @app.eio.on("disconnect")
    async def disconnect(sid, reason):
        await asyncio.sleep(0)
        gone.append(reason)

    peer = await app.client()
    await app.eio.send(peer.handshake["sid"], "last")
    await app.eio.disconnect(peer.handshake["sid"])
    assert gone == ["server disconnect"]
    assert not app.eio.sockets
    assert await peer.receive() == "4last"
    assert await peer.receive() == "1"
    assert await peer.ws.receive() == (CLOSE, b"")
    await peer.close()


@IN_MEMORY
async def test_disconnect_within_the_disconnect_handler_does_not_wait_for_itself(stage):
    app = await stage()
    done = []

    @app.eio.on("disconnect")
    async def disconnect(sid):
        await asyncio.sleep(0)
        await app.eio.disconnect(sid)
        done.append(sid)

    peer = await app.client()
    await peer.close()
    await until(lambda: done, "the handler has ended")


@IN_MEMORY
async def test_disconnect_without_a_sid_is_for_everyone(stage):
    app = await stage()
    app.note("disconnect")
    peers = [await app.client(transport) for transport in ("polling", "websocket", "websocket")]
    await app.eio.disconnect()
    assert app.events == [("disconnect", "server disconnect")] * 3
    assert not app.eio.sockets
    assert await peers[0].receive() == "1"
    for peer in peers[1:]:
        await peer.close()


@IN_MEMORY
async def test_message_after_the_disconnect_is_not_handled(stage):
    app = await stage()
    app.note("message")
    peer = await app.client()
    await app.eio.disconnect(peer.handshake["sid"])
    await peer.send("4late")
    await peer.close()
    await until(lambda: not app.server.connections, "the connection has ended")
    assert app.events == []


# --- the server ------------------------------------------------------------------------------


@IN_MEMORY
async def test_generate_id_may_be_overridden(stage):
    class Named(AsyncServer):
        number = 0

        def generate_id(self):
            self.number += 1
            return f"client-{self.number}"

    app = await stage(Named)
    peers = [await app.client(transport) for transport in ("polling", "websocket")]
    assert [peer.handshake["sid"] for peer in peers] == ["client-1", "client-2"]
    for peer in peers:
        await peer.close()


def test_generated_ids_differ():
    eio = AsyncServer()
    assert len({eio.generate_id() for _ in range(100)}) == 100


@pytest.mark.parametrize("sid", ["", None, 5, 'a"b', "a&b", "a b", "é", "a\n", "a;b", "a%20"])
def test_id_that_would_not_come_back_is_refused(sid):
    class Careless(AsyncServer):
        def generate_id(self):
            return sid

    with pytest.raises(ValueError, match=r"generate_id\(\) returned"):
        Careless().hub.generate_id()


@pytest.mark.parametrize("sid", ["a", "user:1", "6f1b-22_x.y~z", "a=b/c"])
def test_other_ids_are_fine(sid):
    class Own(AsyncServer):
        def generate_id(self):
            return sid

    assert Own().hub.generate_id() == sid


async def test_shutdown_ends_every_session(stage):
    app = await stage()
    app.note("disconnect")
    peer = await FakePeer(app.server.url, "polling", path="/engine.io/").open()
    await app.eio.shutdown()
    assert app.events == [("disconnect", "server disconnect")]
    assert not app.eio.sockets
    assert app.eio.hub.engine is None
    assert (await peer.get()).json()["code"] == 1


async def test_background_tasks_are_cancelled_when_the_server_stops(stage):
    app = await stage()
    ended = []

    async def work(what):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(what)

    task = app.eio.start_background_task(work, what="x")
    await app.eio.sleep(0)
    assert not task.done()
    await app.server.close()
    assert ended == ["x"]
    assert task.cancelled()


async def test_queues_and_events_are_asyncios():
    eio = AsyncServer()
    queue = eio.create_queue(maxsize=1)
    queue.put_nowait(1)
    assert queue.full()
    queue.get_nowait()
    with pytest.raises(eio.get_queue_empty_exception()):
        queue.get_nowait()
    event = eio.create_event()
    event.set()
    assert await event.wait()


async def test_it_is_served_at_engine_io_unless_told_otherwise(stage, serve):
    app = await stage()
    assert (await http(app.server.url, "GET", "/socket.io/?EIO=4&transport=polling")).status == 404
    eio = AsyncServer()
    server = await serve(eio, socketio_path="/live/")
    peer = await FakePeer(server.url, path="/live/").open()
    await peer.close()


@IN_MEMORY
async def test_sockets_show_the_clients(stage):
    app = await stage()
    peer = await app.client("polling")
    sid = peer.handshake["sid"]
    (shown,) = app.eio.sockets.values()
    assert (shown.sid, shown.connected, shown.upgraded) == (sid, True, False)
    with pytest.raises(TypeError):
        app.eio.sockets["x"] = shown
    assert isinstance(peer, MemoryPeer)
    await peer.close()

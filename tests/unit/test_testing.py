"""The test client: what an application's own tests see of it, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import fastsio
from fastsio import engineio
from fastsio.engine.session import Session
from fastsio.testing import ConnectionRefused, Event, TestClient, TestServer, running

ROOT = Path(__file__).resolve().parents[2]
MS = 0.001
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


@pytest.fixture(autouse=True)
async def clean(watch):
    """No test may leave a task or an error, see conftest."""
    return watch


@pytest.fixture
def sio():
    """An application in python-socketio's style; `sio.left` has the reasons of clients that went."""
    sio = fastsio.AsyncServer(logger=False)
    sio.left = []

    @sio.event
    async def connect(sid, environ, auth):
        if auth and "refuse" in auth:
            raise fastsio.exceptions.ConnectionRefusedError("not you", auth["refuse"])
        await sio.save_session(sid, {"environ": environ, "auth": auth})

    @sio.event
    async def echo(sid, *args):
        return args

    @sio.event
    async def chat(sid, text):
        await asyncio.sleep(0)
        await sio.emit("chat", text)

    @sio.event
    async def disconnect(sid, reason):
        await asyncio.sleep(1 * MS)
        sio.left.append(reason)

    return sio


# --------------------------------------------------------------------------- events and answers


@TRANSPORTS
@pytest.mark.parametrize("args", [(), (1,), ("a", {"b": [None, 2.5]}), (b"\x00\xff", [b"", "ä"])])
async def test_call_returns_what_the_handler_answers(sio, transport, args):
    async with TestClient(sio, transport=transport) as client:
        answer = await client.call("echo", *args)
        assert answer == (args if len(args) > 1 else args[0] if args else None)


@TRANSPORTS
async def test_broadcast_reaches_every_client_and_the_order_is_kept(sio, transport):
    async with TestServer(sio) as server:
        clients = [await server.connect(transport=transport) for _ in range(3)]
        for text in ("a", "b", b"c"):
            await clients[0].emit("chat", text)
        for client in clients:
            assert [event.data for event in await client.received()] == ["a", "b", b"c"]


async def test_clients_of_one_application_share_its_server(sio):
    async with TestClient(sio) as one, TestClient(sio) as two:
        await one.emit("chat", "hi")
        assert (await two.expect("chat")).args == ("hi",)
    assert sio.hub.engine is None


@TRANSPORTS
async def test_emit_returns_when_handlers_that_do_not_wait_have_ended(sio, transport):
    turns = []

    @sio.event
    async def work(sid):
        for turn in range(50):
            await asyncio.sleep(0)
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
            turns.append(turn)
        await sio.emit("done", to=sid)

    async with TestClient(sio, transport=transport) as client:
        await client.emit("work")
        assert len(turns) == 50
        assert [event.name for event in await client.received()] == ["done"]


async def test_handler_that_waits_for_time_is_waited_for_by_expect_only(sio):
    @sio.event
    async def later(sid):
        await asyncio.sleep(20 * MS)
        await sio.emit("late", to=sid)

    async with TestClient(sio) as client:
        await client.emit("later")
        assert await client.nothing()
        await client.expect("late")


async def test_settle_names_what_does_not_end(sio):
    @sio.event
    async def spin(sid):
        for _ in itertools.count():
            await asyncio.sleep(0)

    async with TestClient(sio, timeout=50 * MS) as client:
        with pytest.raises(AssertionError, match=r"not settled within 0.05 s: .*spin"):
            await client.emit("spin")
        for task in list(sio.hub.tasks):
            task.cancel()


async def test_what_goes_wrong_at_the_end_does_not_hide_why_the_test_failed(sio):
    @sio.event
    async def spin(sid):
        for _ in itertools.count():
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="not settled") as caught:
        async with TestServer(sio, timeout=30 * MS) as server:
            client = await server.connect()
            await client.emit("spin")
    assert any("and at the end: not settled" in note for note in caught.value.__notes__)
    assert not sio.hub.tasks


async def test_clients_that_settle_at_once_do_not_wait_for_each_other(sio):
    async with TestServer(sio) as server:
        clients = [await server.connect() for _ in range(4)]
        await asyncio.gather(*(client.emit("chat", "x") for client in clients))
        assert [len(await client.received()) for client in clients] == [4] * 4
        await server.settle()


async def test_expect_takes_the_named_event_and_leaves_the_others(sio):
    async with TestClient(sio) as client:
        for name in ("a", "b", "a"):
            await sio.emit(name, name * 2, to=client.sid)
        assert (await client.expect("b", "bb")).data == "bb"
        assert (await client.receive()).name == "a"
        with pytest.raises(AssertionError, match=r"'a' came with \('aa',\), expected \(1,\)"):
            await client.expect("a", 1)
        assert await client.nothing()


async def test_expect_says_what_came_instead(sio):
    async with TestClient(sio) as client:
        await sio.emit("other", (1, "x"), to=client.sid)
        with pytest.raises(
            AssertionError, match=r"no 'chat' within 0.01 s; what came: Event\('other', 1, 'x'\)"
        ):
            await client.expect("chat", timeout=10 * MS)
        with pytest.raises(
            AssertionError, match=r"nothing was to come to '/'; what came: Event\('other'"
        ):
            await client.nothing()
        assert (await client.receive()).args == (1, "x")
        with pytest.raises(AssertionError, match=r"no event within 0.01 s"):
            await client.receive(timeout=10 * MS)
        with pytest.raises(
            AssertionError, match=r"still connected after 0.01 s; nothing else came"
        ):
            await client.expect_disconnect(timeout=10 * MS)


async def test_call_without_an_answer_says_that_the_handler_raised(sio, clean):
    @sio.event
    async def broken(sid):
        raise LookupError("on purpose")

    async with TestClient(sio) as client:
        with pytest.raises(
            AssertionError, match=r"no answer to 'broken' within 0.02 s; a handler raised"
        ):
            await client.call("broken", timeout=20 * MS)
    clean.expect_error("broken", "on purpose")


async def test_answer_that_comes_too_late_is_ignored(sio):
    @sio.event
    async def slow(sid):
        await asyncio.sleep(30 * MS)
        await sio.emit("done", to=sid)

    async with TestClient(sio) as client:
        with pytest.raises(
            AssertionError, match=r"no answer to 'slow' within 0.001 s; nothing else came"
        ):
            await client.call("slow", timeout=1 * MS)
        await client.expect("done")
        assert await client.nothing()


@TRANSPORTS
async def test_server_call_is_answered_by_the_event(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        asking = asyncio.ensure_future(sio.call("ask", "why", to=client.sid))
        event = await client.expect("ask", "why")
        assert event.wants_answer
        await event.answer("because", b"1")
        assert asking.done() and asking.result() == ("because", b"1")
        with pytest.raises(
            RuntimeError, match=r"Event\('ask', 'why'\): the server waits for no answer"
        ):
            await event.answer(2)


async def test_server_call_is_answered_by_a_listener(sio):
    @sio.event
    async def double(sid, number):
        return await sio.call("ask", number, to=sid) * 2

    async with TestClient(sio) as client:

        @client.on("ask")
        def ask(number):
            return number + 1

        assert await client.call("double", 4) == 10
        assert await client.nothing()
        with pytest.raises(TypeError, match="a plain function is needed"):
            client.on("ask", sio.call)


async def test_what_a_listener_raises_is_raised_by_the_next_wait(sio):
    async with TestClient(sio) as client:
        client.on("news", lambda: 1 / 0)
        await sio.emit("news", to=client.sid)
        with pytest.raises(ZeroDivisionError):
            await client.settle()
        assert await client.nothing()


async def test_rooms_reach_their_members_only(sio):
    async with TestServer(sio) as server:
        one, two = await server.connect(), await server.connect()
        await sio.enter_room(two.sid, "room")
        await sio.emit("only", room="room")
        assert await one.nothing()
        await two.expect("only")


@pytest.mark.parametrize("serializer", ["msgpack", fastsio.packet.Packet])
@TRANSPORTS
async def test_other_forms_of_packets(serializer, transport):
    class Own(fastsio.packet.Packet):
        def encode(self):
            return super().encode()

    sio = fastsio.AsyncServer(serializer="msgpack" if serializer == "msgpack" else Own)
    sio.on("echo", lambda sid, data: data)
    async with TestClient(sio, transport=transport) as client:
        assert await client.call("echo", {"a": [1, b"2"]}) == {"a": [1, b"2"]}


# ------------------------------------------------------------------------ connecting and its end


async def test_handshake_is_what_the_application_sees(sio):
    options = {
        "auth": {"token": "x"},
        "headers": {"Cookie": "a=b"},
        "query": {"q": "1 2"},
        "address": "192.0.2.7",
    }
    async with TestClient(sio, **options) as client:
        session = await sio.get_session(client.sid)
        environ = session["environ"]
        assert session["auth"] == {"token": "x"}
        assert environ["HTTP_COOKIE"] == "a=b"
        assert "q=1+2" in environ["QUERY_STRING"]
        assert environ["REMOTE_ADDR"] == "192.0.2.7"
        assert sio.transport(client.sid) == "websocket"
        assert client.eio_sid in sio.hub.engine.sessions


@TRANSPORTS
async def test_refused_connect_raises_with_message_and_data(sio, transport):
    with pytest.raises(ConnectionRefused, match="not you") as caught:
        await TestClient(sio, auth={"refuse": {"code": 7}}, transport=transport).connect()
    assert (caught.value.message, caught.value.data, caught.value.status) == (
        "not you",
        {"code": 7},
        None,
    )
    assert sio.hub.engine is None


@TRANSPORTS
async def test_refused_handshake_has_the_http_status(transport):
    sio = fastsio.AsyncServer(cors_allowed_origins=["https://a.example"], check_origin=True)
    client = TestClient(sio, headers={"Origin": "https://b.example"}, transport=transport)
    with pytest.raises(
        ConnectionRefused, match=r"https://b.example is not an accepted origin"
    ) as caught:
        await client.connect()
    assert caught.value.status == 403


async def test_namespaces_are_joined_left_and_refused(sio):
    @sio.on("connect", namespace="/admin")
    async def join(sid, environ, auth):
        if auth != {"key": 1}:
            raise fastsio.exceptions.ConnectionRefusedError("no key")

    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason), namespace="/admin")
    async with TestClient(sio) as client:
        for name, message in (("/admin", "no key"), ("/nowhere", "Invalid namespace")):
            with pytest.raises(ConnectionRefused, match=message):
                await client.join_namespace(name)
        admin = await client.join_namespace("admin", auth={"key": 1})
        with pytest.raises(ValueError, match="'/admin' is joined already"):
            await client.join_namespace("/admin")
        await sio.emit("x", namespace="/admin")
        await admin.expect("x")
        assert await client.nothing()
        await admin.disconnect()
        assert (admin.is_connected, client.is_connected) == (False, True)
        assert (admin.disconnect_reason, reasons) == ("io client disconnect", ["client disconnect"])
        again = await client.join_namespace("/admin", auth={"key": 1})
        assert again.sid != admin.sid
    assert reasons == ["client disconnect"] * 2


@TRANSPORTS
async def test_disconnect_returns_when_the_handler_has_ended(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        await client.disconnect()
        assert sio.left == ["client disconnect"]
        assert (client.is_connected, client.disconnect_reason) == (False, "io client disconnect")
        assert not sio.hub.engine.sessions
        with pytest.raises(
            fastsio.exceptions.DisconnectedError, match="not connected to '/': io client"
        ):
            await client.emit("chat", "x")
        await client.disconnect()
    assert len(sio.left) == 1


async def test_disconnect_waits_for_a_handler_that_waits_for_another(sio):
    sio = fastsio.AsyncServer(async_handlers=False)
    order = []

    @sio.event
    async def slow(sid):
        await asyncio.sleep(20 * MS)
        order.append("slow")

    @sio.event
    async def disconnect(sid):
        order.append("disconnect")

    async with TestClient(sio) as client:
        await client.emit("slow")
        await client.disconnect()
        assert order == ["slow", "disconnect"]


async def test_disconnect_handler_that_does_not_end_is_named(sio):
    sio = fastsio.AsyncServer()

    @sio.event
    async def disconnect(sid):
        await asyncio.Event().wait()

    client = await TestClient(sio, timeout=30 * MS).connect()
    with pytest.raises(
        AssertionError, match=r"not ended within 0.03 s of the disconnect: .*run_disconnect"
    ):
        await client.disconnect()
    await client.close()
    assert not sio.hub.tasks


@pytest.mark.parametrize(
    ("transport", "reason"), [("websocket", "transport close"), ("polling", "transport error")]
)
async def test_lost_connection(sio, transport, reason):
    async with TestClient(sio, transport=transport) as client:
        await client.drop()
        assert (sio.left, client.disconnect_reason) == ([reason], "transport close")


@TRANSPORTS
async def test_client_that_the_server_disconnects(sio, transport):
    async with TestClient(sio, transport=transport) as client:
        await sio.emit("last", to=client.sid)
        await sio.disconnect(client.sid)
        assert await client.expect_disconnect() == "io server disconnect"
        await client.expect("last")
        with pytest.raises(
            AssertionError, match=r"no 'x' before the client was disconnected \(io server"
        ):
            await client.expect("x")
    assert sio.left == ["server disconnect"]


@TRANSPORTS
async def test_session_that_the_server_ends(sio, transport):
    io = fastsio.IO()
    sockets = []
    io.on("connection", sockets.append)
    async with TestClient(io, transport=transport) as client:
        calling = asyncio.ensure_future(client.call("unheard"))
        await client.settle()
        sockets[0].disconnect(close=True)
        assert await client.expect_disconnect() in ("io server disconnect", "transport close")
        with pytest.raises(fastsio.exceptions.DisconnectedError, match="before the answer came"):
            await calling


async def test_io_style(sio):
    io = fastsio.IO()
    reasons = []

    @io.on("connection")
    def connection(socket):
        socket.on("add", lambda a, b: a + b)
        socket.on("disconnect", lambda reason, _: reasons.append(reason))

        @socket.on("others")
        def others(text):
            socket.broadcast.emit("said", text)

    async with TestServer(io) as server:
        one, two = await server.connect(), await server.connect(transport="polling")
        assert await one.call("add", 1, 2) == 3
        await one.emit("others", "hi")
        await two.expect("said", "hi")
        assert await one.nothing()
        await one.disconnect()
        assert reasons == ["client namespace disconnect"]


async def test_heartbeats_do_not_disturb(sio):
    sio = fastsio.AsyncServer(ping_interval=0.1, ping_timeout=0.1)
    async with TestServer(sio) as server:
        clients = [await server.connect(transport=name) for name in ("websocket", "polling")]
        sessions = [sio.hub.engine.sessions[client.eio_sid] for client in clients]
        await asyncio.sleep(0.5)
        assert all(session.is_open for session in sessions)
        assert all([await client.nothing() for client in clients])


# ------------------------------------------------------------------------ applications around it


async def test_asgi_application_with_its_lifespan_and_path(sio):
    seen = []
    app = fastsio.ASGIApp(
        sio,
        socketio_path="/ws/io",
        on_startup=lambda: seen.append("up"),
        on_shutdown=lambda: seen.append("down"),
    )
    async with TestServer(app) as server, TestClient(app):
        client = await server.connect()
        assert seen == ["up"]
        session = await sio.get_session(client.sid)
        assert session["environ"]["PATH_INFO"] == "/ws/io/"
    assert seen == ["up", "down"]
    async with TestClient(app) as client:
        assert await client.call("echo", 1) == 1


async def test_startup_that_fails_fails_every_client(sio, clean):
    def refuse():
        raise LookupError("no database")

    app = fastsio.ASGIApp(sio, on_startup=refuse)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await TestClient(app).connect()
        clean.expect_error("on_startup failed", "no database")
    assert not running._running


async def test_application_that_carries_one(sio):
    async def hello(request):
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/hello", hello), Mount("/ws", fastsio.ASGIApp(sio))])
    async with TestClient(app) as client:
        assert await client.call("echo", 1) == 1
        environ = (await sio.get_session(client.sid))["environ"]
        assert environ["PATH_INFO"] == "/ws/socket.io/"


@pytest.mark.parametrize("wrong", [object(), "app", fastsio.Server(), engineio.AsyncServer()])
async def test_what_cannot_be_tested_is_named(wrong):
    with pytest.raises(TypeError, match="can't be tested here: give an AsyncServer"):
        await TestClient(wrong).connect()


async def test_wrong_use_is_named(sio):
    with pytest.raises(ValueError, match="transport='pigeon'"):
        TestClient(sio, transport="pigeon")
    with pytest.raises(ValueError, match="line break"):
        await TestClient(sio, headers={"X": "a\r\nY: b"}).connect()
    with pytest.raises(RuntimeError, match="not started"):
        await TestServer(sio).settle()
    client = TestClient(sio)
    with pytest.raises(fastsio.exceptions.DisconnectedError, match="not connected to '/'"):
        await client.emit("x")
    async with client:
        with pytest.raises(RuntimeError, match="connects once"):
            await client.connect()
        with pytest.raises(ValueError, match="reserved"):
            await client.emit("disconnect")
    await client.close()


# --------------------------------------------------------------------------------- what is left


@TRANSPORTS
async def test_nothing_is_left_behind(sio, transport):
    background = []

    async def forever():
        background.append("begun")
        await asyncio.Event().wait()

    async with TestServer(sio) as server:
        client = await server.connect(transport=transport)
        eio_sid = client.eio_sid
        assert sessions_alive(eio_sid) == 1
        engine = sio.hub.engine
        sio.start_background_task(forever)
        await server.settle()
    assert background == ["begun"]
    assert sio.hub.engine is None
    assert not engine.sessions and not engine.wheel.count
    assert not sio.hub.tasks and not sio.hub.background
    assert not sio.hub.namespaces["/"].sockets and not sio.hub.namespaces["/"].rooms
    assert not running._running
    assert asyncio.all_tasks() == {asyncio.current_task()}
    del client, server
    gc.collect()
    assert sessions_alive(eio_sid) == 0


def sessions_alive(eio_sid):
    return sum(type(one) is Session and one.id == eio_sid for one in gc.get_objects())


def test_event_is_readable():
    assert repr(Event(None, "a", (1, "b"), None)) == "Event('a', 1, 'b')"


def test_one_application_is_tested_on_one_loop_after_the_other(sio):
    async def once():
        async with TestClient(sio) as client:
            return await client.call("echo", "x")

    for _ in range(3):
        assert asyncio.run(once()) == "x"


def test_every_example_of_the_manual_runs(tmp_path):
    manual = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", manual, re.DOTALL):
        (tmp_path / name).write_text(code, encoding="utf-8")
    assert manual.count("```python") == len(list(tmp_path.iterdir())) == 3
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    scope = ["-o", "asyncio_default_fixture_loop_scope=function"]
    pytest_ = ["-m", "pytest", "-q", "-W", "error", *scope, "test_chat.py"]
    for arguments, said in ((pytest_, "5 passed"), (["plain.py"], "")):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, timeout=60, capture_output=True, text=True
        )  # fmt: skip
        assert done.returncode == 0 and said in done.stdout, done.stdout + done.stderr


async def test_example_of_the_readme_runs(sio):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.split("## Test your application")[1].split("```python\n")[1].split("```")[0]
    scope = {"sio": sio}
    exec(code, scope)
    await scope["test_echo"]()


def test_fastsio_itself_does_not_load_it():
    code = "import fastsio, sys; assert 'fastsio.testing' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

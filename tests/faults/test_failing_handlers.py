"""Handlers that raise, hang, are cancelled, or raise what ends programs: whom that concerns, and who is served on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.testing import ConnectionRefused, TestServer
from fault_tools import FaultyPeer, Ledger, Plan, ledger_app, leftovers
from harness import until

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
ROOT = Path(__file__).resolve().parents[2]


class Severe(BaseException):
    """What is no Exception, as test frameworks and other event loops raise it."""


class Mistake(Exception):
    pass


KINDS = ("plain", "at once", "later")


def raising(error: BaseException, kind: str):
    """A handler, with any arguments, that raises."""

    def plain(*args):
        raise error

    async def at_once(*args):
        raise error

    async def later(*args):
        await asyncio.sleep(0)
        raise error

    return {"plain": plain, "at once": at_once, "later": later}[kind]


def noting(heard: list[str], event: str):
    return lambda reason: heard.append(event)


def app_with(event: str, handler) -> tuple[fastsio.AsyncServer, list[tuple[str, str]]]:
    """An application with one handler that fails, and what its `disconnect` was told."""
    sio, gone = fastsio.AsyncServer(), []
    if event != "disconnect":
        sio.on("disconnect", lambda sid, reason: gone.append((sid, reason)))
    sio.on("fine", lambda sid: "fine")
    sio.on(event, handler)
    return sio, gone


# --- raises ---------------------------------------------------------------------------------------


@pytest.mark.fault(
    "an event's handler raises", "logged with its name and counted; its client is served on"
)
@pytest.mark.fault(
    "a handler raises what is no Exception (a BaseException)", "as any other error of a handler"
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Mistake("m"), Severe("s"), GeneratorExit()])
async def test_a_handler_that_raises_costs_its_client_the_answer_and_no_more(kind, error, watch):
    sio, gone = app_with("bad", raising(error, kind))
    async with TestServer(sio) as server:
        client = await server.connect()
        other = await server.connect()
        await client.emit("bad")
        assert await client.call("fine") == "fine"
        assert await other.call("fine") == "fine"
        await until(lambda: watch.errors, "the log line")
        watch.expect_error("handler of 'bad' in '/' failed", type(error).__name__)
        assert sio.hub.root.handler_errors == 1
        assert not gone
    assert sorted(reason for _, reason in gone) == ["client disconnect"] * 2


@pytest.mark.fault(
    "a `connect` handler raises", "the client is refused, with nothing of the error in it"
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Mistake("secret"), Severe("secret")])
async def test_a_connect_handler_that_raises_refuses_its_client_at_once(kind, error, watch):
    sio, gone = app_with("connect", raising(error, kind))
    async with TestServer(sio) as server:
        with pytest.raises(ConnectionRefused) as refused:
            await server.connect()
        assert "secret" not in str(refused.value)
        assert not gone
        assert not sio.hub.root.joining
        await until(lambda: watch.errors, "the log line")
        watch.expect_error("failed", type(error).__name__)


@pytest.mark.fault(
    "a `disconnect` handler raises", "logged; the client has gone, and nothing of it is left"
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Mistake("m"), Severe("s")])
async def test_a_disconnect_handler_that_raises_keeps_nothing_of_its_client(kind, error, watch):
    sio, _ = app_with("disconnect", raising(error, kind))
    async with TestServer(sio) as server:
        other = await server.connect()
        client = await server.connect()
        await client.drop()
        await other.settle()
        assert list(sio.hub.root.sockets) == [other.sid]
        assert not sio.hub.root.leaving
        await until(lambda: watch.errors, "the log line")
        watch.expect_error("handler of 'disconnect' in '/' failed", type(error).__name__)
        assert await other.call("fine") == "fine"
    watch.expect_error("handler of 'disconnect'")


@pytest.mark.fault("a callback of an acknowledgement raises", "logged; its client is served on")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Mistake("m"), Severe("s")])
async def test_an_acks_callback_that_raises_harms_nobody(kind, error, watch):
    sio, _ = app_with("bad", lambda sid: None)
    async with TestServer(sio) as server:
        client = await server.connect()
        await sio.emit("question", to=client.sid, callback=raising(error, kind))
        await (await client.expect("question")).answer("x")
        assert await client.call("fine") == "fine"
        await until(lambda: watch.errors, "the log line")
        watch.expect_error("failed", type(error).__name__)


@pytest.mark.fault(
    "one of a client's listeners of its own end raises",
    "the others, and its `disconnect`, run all the same",
)
async def test_every_listener_of_an_end_runs_though_others_raise(watch):
    io, heard = fastsio.IO(), []

    @io.on("connection")
    def connection(socket):
        for event in ("disconnecting", "disconnect"):
            socket.on(event, raising(Mistake(event), "plain"))
            socket.on(event, noting(heard, event))
            socket.on(event, raising(Severe(event), "at once"))

    async with TestServer(io) as server:
        client = await server.connect()
        await client.drop()
        assert heard == ["disconnecting", "disconnect"]
    for event in heard:
        watch.expect_error(f"{event!r}", "Mistake")
        watch.expect_error(f"{event!r}", "Severe")


@pytest.mark.fault(
    "a request fails inside: a defect, an application's subclass, no memory",
    "500, logged; other connections and later requests are served",
)
@CLOCK
async def test_a_request_that_fails_inside_is_answered_500(serve, watch, monkeypatch):
    server = await serve(fastsio.AsyncServer())
    peer = FaultyPeer.of(server, "polling")
    with monkeypatch.context() as patched:
        patched.setattr(server.engine, "handle", raising(Mistake("secret"), "plain"))
        response = await peer.get()
    assert response.status == 500
    assert response.headers["connection"] == "close"
    assert b"secret" not in response.body
    watch.expect_error("GET /socket.io/", "failed", "Mistake")
    assert (await peer.open()).handshake["sid"]
    await peer.close()


# --- hangs ----------------------------------------------------------------------------------------


@pytest.mark.fault(
    "an event's handler hangs",
    "its client's other events, and all other clients, are served; it is cancelled at the stop",
)
@CLOCK
async def test_a_handler_that_hangs_holds_nobody_up_and_ends_with_the_server():
    stuck = asyncio.get_running_loop().create_future()

    async def hang(sid):
        await stuck

    sio, gone = app_with("hang", hang)
    async with TestServer(sio) as server:
        client, other = await server.connect(), await server.connect()
        await client.emit("hang")
        assert await client.call("fine") == "fine"
        assert await other.call("fine") == "fine"
        await client.drop()
        assert [reason for _, reason in gone] == ["transport close"]
        assert len(sio.hub.tasks) == 1
    assert stuck.cancelled()
    assert not sio.hub.tasks


@pytest.mark.fault(
    "a `connect` handler or a middleware hangs",
    "its client is sent away after connect_timeout, and the handler cancelled",
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@CLOCK
async def test_a_connect_handler_that_hangs_is_cancelled_with_its_client(transport, serve, caplog):
    ended = []

    async def hang(sid, environ):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.append(sid)
            raise

    sio = fastsio.AsyncServer(connect_timeout=3, ping_interval=60)
    gone = []
    sio.on("connect", hang)
    sio.on("connect", hang, namespace="/n")
    sio.on("disconnect", lambda sid, reason: gone.append(sid))
    server = await serve(sio)
    plan = Plan()
    peer = await FaultyPeer.of(server, transport, plan=plan).open()
    await peer.send("40", "40/n,")
    await pass_time(2.0)
    assert len(sio.hub.tasks) == 2
    await pass_time(2.0)
    assert len(ended) == 2
    assert (sio.hub.tasks, gone) == (set(), [])
    assert "did not admit its client within 3 s (connect_timeout)" in caplog.text
    plan.strike()
    await pass_time(60.0)
    assert not leftovers(server)


@pytest.mark.fault(
    "a `disconnect` handler hangs",
    "its client has gone all the same; it is cancelled at the stop, nothing is left",
)
@CLOCK
async def test_a_disconnect_handler_that_hangs_ends_with_the_server():
    stuck = asyncio.get_running_loop().create_future()

    async def hang(sid, reason):
        await stuck

    sio, _ = app_with("disconnect", hang)
    async with TestServer(sio) as server:
        other = await server.connect()
        plan_b = await server.connect()
        with pytest.raises(AssertionError, match="not ended within"):
            await plan_b.drop()
        assert list(sio.hub.root.sockets) == [other.sid]
        assert list(sio.hub.root.leaving) == [plan_b.sid]
        assert await other.call("fine") == "fine"
        # Its own disconnect handler hangs too: the server ends it.
        with pytest.raises(AssertionError, match="not ended within"):
            await other.drop()
    assert stuck.cancelled()
    assert not sio.hub.tasks
    assert not sio.hub.root.leaving


# --- is cancelled ---------------------------------------------------------------------------------


@pytest.mark.fault(
    "a handler is cancelled, or cancels itself",
    "no answer; its client is served on, nothing is logged",
)
@pytest.mark.parametrize("when", ["at once", "later", "by what it awaits"])
async def test_a_cancelled_handler_gives_no_answer_and_is_no_error(when, watch):
    async def cancelled(sid):
        if when == "by what it awaits":
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.cancel)
            await future
        if when == "later":
            await asyncio.sleep(0)
        raise asyncio.CancelledError

    sio, gone = app_with("bad", cancelled)
    async with TestServer(sio) as server:
        client = await server.connect()
        with pytest.raises(AssertionError, match="no answer"):
            await client.call("bad", timeout=0.05)
        assert await client.call("fine") == "fine"
        assert not gone
        assert not sio.hub.tasks


@pytest.mark.fault("a `connect` handler is cancelled", "its client is refused at once")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_connect_handler_refuses_its_client(kind, watch):
    sio, gone = app_with("connect", raising(asyncio.CancelledError(), kind))
    async with TestServer(sio) as server:
        with pytest.raises(ConnectionRefused):
            await server.connect()
        assert not gone
        assert not sio.hub.root.joining


@pytest.mark.fault(
    "a `disconnect` handler is cancelled", "its client has gone, and nothing of it is left"
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_cancelled_disconnect_handler_leaves_nothing(kind, watch):
    sio, _ = app_with("disconnect", raising(asyncio.CancelledError(), kind))
    async with TestServer(sio) as server:
        client = await server.connect()
        await client.drop()
        await server.settle()
        assert not sio.hub.root.leaving
        assert not sio.hub.tasks


# --- ends the program -----------------------------------------------------------------------------

EXITING = """
import asyncio, sys
import fastsio

sio = fastsio.AsyncServer()
kind, loop = sys.argv[1:]

@sio.event
async def connect(sid, environ):
    print("connect", flush=True)

@sio.event
async def disconnect(sid, reason):
    await asyncio.sleep(0.01)
    print("disconnect", reason, flush=True)

if kind == "plain":
    @sio.event
    def leave(sid):
        sys.exit(3)
elif kind == "at once":
    @sio.event
    async def leave(sid):
        sys.exit(3)
else:
    @sio.event
    async def leave(sid):
        await asyncio.sleep(0)
        sys.exit(3)

async def clients():
    one, two = (fastsio.AsyncClient(reconnection=False) for _ in range(2))
    for client in (one, two):
        await client.connect(url, transports=["websocket"])
    await one.emit("leave")
    await asyncio.sleep(30)

async def main():
    global url
    server = await fastsio.start(sio, port=0)
    url = server.url
    playing = asyncio.create_task(clients())
    try:
        await asyncio.sleep(30)
    finally:
        await server.close()
        playing.cancel()

if loop == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
else:
    factory = None
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


@pytest.mark.fault(
    "a handler calls sys.exit()",
    "the program ends by it in good order: every client gets its `disconnect`",
)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_that_exits_ends_the_program_and_each_client_once(kind, loop):
    program = subprocess.run(
        [sys.executable, "-c", EXITING, kind, loop],
        capture_output=True, text=True, timeout=30, cwd=ROOT, check=False,
    )  # fmt: skip
    assert program.returncode == 3, program.stderr
    words = [line.split()[0] for line in program.stdout.splitlines()]
    assert sorted(words) == ["connect"] * 2 + ["disconnect"] * 2, program.stdout + program.stderr


# --- what is called beside handlers ----------------------------------------------------------------


@pytest.mark.fault(
    "a deadline's call fails (a heartbeat's, a timeout's)",
    "it is called again 5 s later; all others go on",
)
@CLOCK
async def test_a_heartbeat_that_fails_once_does_not_let_its_session_live_for_ever(serve, watch):
    ledger = Ledger()
    server = await serve(ledger_app("aio", ledger, ping_interval=2, ping_timeout=2))
    plan = Plan(how="silence")
    peer = await FaultyPeer.of(server, plan=plan).open()
    await peer.connect()
    plan.strike()
    session = server.engine.sessions[peer.handshake["sid"]]
    before = type(session)._beat
    failures = []

    def beat(self, now):
        if not failures:
            failures.append(now)
            raise MemoryError
        return before(self, now)

    type(session)._beat = beat
    try:
        await pass_time(30.0)
    finally:
        type(session)._beat = before
    watch.expect_error("deadline of", "MemoryError")
    assert ledger.reasons == ["ping timeout"]
    assert not leftovers(server)


@pytest.mark.fault(
    "an adapter or an observer of the application's raises while a client leaves",
    "logged; the client's `disconnect` runs, and nothing of it is left",
)
async def test_an_adapter_that_fails_keeps_no_client(watch):
    sio, gone = app_with("x", lambda sid: None)

    def remove(socket, room):
        raise Mistake(room)

    async with TestServer(sio) as server:
        client, other = await server.connect(), await server.connect()
        await sio.enter_room(client.sid, "r")
        sio.hub.root.adapter.remove = remove
        await client.drop()
        del sio.hub.root.adapter.remove
        assert [reason for _, reason in gone] == ["transport close"]
        assert list(sio.hub.root.sockets) == [other.sid]
        assert not sio.hub.root.leaving
    watch.expect_error("has not left in order", "Mistake")

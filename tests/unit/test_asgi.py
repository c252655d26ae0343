"""ASGIApp: which request is whose, lifespan, mounts, and the server's stop. The test plays the ASGI server."""

from __future__ import annotations

import asyncio
import inspect
import signal
from typing import Any

import pytest
import socketio
from starlette.testclient import TestClient

import fastsio
from asgi_tools import CONNECT, NO_BODY, Call, Client, scope_of
from fastsio.asgi import ASGIApp
from harness import until

STARTUP = {"type": "lifespan.startup"}
SHUTDOWN = {"type": "lifespan.shutdown"}
HANDSHAKE = "EIO=4&transport=polling"


class Other:
    """Another ASGI application: notes what it is called with, and plays lifespan."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.events: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append((scope["type"], scope.get("path", "")))
        if scope["type"] != "lifespan":
            await send({"type": "http.response.start", "status": 299, "headers": []})
            await send({"type": "http.response.body", "body": b"other"})
            return
        for event in ("startup", "shutdown"):
            self.events.append((await receive())["type"])
            await send({"type": f"lifespan.{event}.complete"})


@pytest.fixture
def sio(watch: Any) -> Any:
    return fastsio.AsyncServer()


async def stop(app: ASGIApp) -> None:
    call = Call(app, {"type": "lifespan"}, STARTUP, SHUTDOWN)
    await call.done()


def lifespan(app: Any, *messages: Any) -> Call:
    return Call(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, *messages)


# --- construction --------------------------------------------------------------------------------


def test_signature_is_python_socketios() -> None:
    ours = inspect.signature(ASGIApp.__init__).parameters.values()
    theirs = inspect.signature(socketio.ASGIApp.__init__).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


@pytest.mark.parametrize("path", ["socket.io", "/socket.io", "/socket.io/", "a/b", "/", "", None])
def test_attributes_are_python_socketios(path: Any) -> None:
    def hook() -> None: ...

    other, files = object(), {"/": "x.html"}
    ours = ASGIApp(fastsio.AsyncServer(), other, files, path, hook, hook)
    theirs = socketio.ASGIApp(
        socketio.AsyncServer(async_mode="asgi"), other, files, path, hook, hook
    )
    for name in ("other_asgi_app", "static_files", "engineio_path", "on_startup", "on_shutdown"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ASGIApp(ours.engineio_server).static_files == {}
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(ours))


def test_server_of_another_library_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"python-socketio|socketio\..*AsyncServer.*AsyncServer or IO"
    ):
        ASGIApp(socketio.AsyncServer(async_mode="asgi"))  # type: ignore[arg-type]


# --- whose request -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("socketio_path", "path", "root_path", "is_ours"),
    [
        ("socket.io", "/socket.io/", "", True),
        ("socket.io", "/socket.io", "", True),  # as in python-socketio
        ("socket.io", "/socket.io/more", "", True),
        ("socket.io", "/socket.iox/", "", False),
        ("socket.io", "/x/socket.io/", "", False),
        ("socket.io", "/ws/socket.io/", "/ws", True),  # mounted, as Starlette has it now
        ("socket.io", "/socket.io/", "/ws", True),  # and as it had it before 0.33
        ("socket.io", "/ws/socket.io", "/ws/", True),
        ("socket.io", "/wsx/socket.io/", "/ws", False),
        (
            "/ws/socket.io",
            "/ws/socket.io/",
            "/ws",
            True,
        ),  # the whole path, as python-socketio needs it
        ("a/b", "/a/b/", "", True),
        (None, "/anything", "", True),
    ],
)
async def test_path_says_whose_a_request_is(
    sio: Any, socketio_path: Any, path: str, root_path: str, is_ours: bool
) -> None:
    app = ASGIApp(sio, Other(), socketio_path=socketio_path)
    for kind in ("http", "websocket"):
        scope = scope_of(kind, "EIO=3", path=path, root_path=root_path)
        call = Call(app, scope, NO_BODY if kind == "http" else CONNECT)
        await call.done()
        assert (call.sent[0]["status"] == 400) is is_ours
    await stop(app)


async def test_what_is_nobodys_is_not_found(sio: Any) -> None:
    app = ASGIApp(sio)
    status, headers, body = await Call(app, scope_of("http", path="/nowhere")).answer()
    assert (status, body) == (404, b"Not Found")
    assert headers["content-type"].startswith("text/plain")
    call = Call(app, scope_of("websocket", path="/nowhere"), CONNECT)
    assert (await call.next("websocket.http.response.start"))["status"] == 404


async def test_not_found_may_be_overridden(sio: Any) -> None:
    class Own(ASGIApp):
        async def not_found(self, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    assert (await Call(Own(sio), scope_of("http", path="/nowhere")).answer())[0] == 418


async def test_files_come_before_the_other_application(sio: Any, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("file")
    app = ASGIApp(sio, Other(), {"/a": str(tmp_path / "a.txt"), "/gone": str(tmp_path / "b.txt")})
    assert (await Call(app, scope_of("http", path="/a")).answer())[::2] == (200, b"file")
    assert (await Call(app, scope_of("http", path="/ws/a", root_path="/ws")).answer())[0] == 200
    assert (await Call(app, scope_of("http", path="/gone")).answer())[0] == 299
    assert (await Call(app, scope_of("http", path="/a", method="POST")).answer())[0] == 299
    assert (await Call(app, scope_of("http", path="/a", method="HEAD")).answer())[::2] == (200, b"")


async def test_all_requests_are_the_servers_without_a_path(sio: Any, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("file")
    app = ASGIApp(sio, Other(), {"/a": str(tmp_path / "a.txt")}, socketio_path=None)
    assert (await Call(app, scope_of("http", path="/a")).answer())[0] == 400
    await stop(app)


async def test_io_can_be_served() -> None:
    io = fastsio.IO()
    heard = []
    io.on("connection", lambda socket: socket.on("e", heard.append))
    app = ASGIApp(io)
    client = await Client(app).open_websocket()
    assert client.call is not None
    client.call.say('42["e",1]')
    await until(lambda: heard == [1], "the event")
    await client.leave()
    await stop(app)


async def test_two_applications_of_one_server_share_its_clients(sio: Any) -> None:
    first, second = ASGIApp(sio), ASGIApp(sio)
    clients = [await Client(first).open_websocket(), await Client(second).open_websocket()]
    await sio.emit("news", 1)
    for client in clients:
        assert client.call is not None
        assert await client.call.hear() == '42["news",1]'
        await client.leave()
    await stop(first)


# --- lifespan ------------------------------------------------------------------------------------


async def test_lifespan_calls_plain_and_coroutine_hooks(sio: Any) -> None:
    called = []

    async def on_startup() -> None:
        called.append("startup")

    call = lifespan(ASGIApp(sio, Other(), None, "x", on_startup, lambda: called.append("shutdown")))
    call.give(STARTUP)
    await call.next("lifespan.startup.complete")
    assert called == ["startup"]
    call.give(SHUTDOWN)
    await call.next("lifespan.shutdown.complete")
    await call.done()
    assert called == ["startup", "shutdown"]


@pytest.mark.parametrize("given", [(), ("on_startup",), ("on_shutdown",)])
async def test_lifespan_reaches_the_other_application_only_without_hooks(
    sio: Any, given: Any
) -> None:
    other = Other()
    app = ASGIApp(sio, other, **dict.fromkeys(given, lambda: None))
    await lifespan(app, STARTUP, SHUTDOWN).done()
    assert other.events == ([] if given else ["lifespan.startup", "lifespan.shutdown"])


@pytest.mark.parametrize("event", ["startup", "shutdown"])
async def test_hook_that_fails_is_said(sio: Any, watch: Any, event: str) -> None:
    def hook() -> None:
        raise LookupError("no database")

    app = ASGIApp(sio, **{f"on_{event}": hook})
    call = lifespan(app, STARTUP, SHUTDOWN)
    if event == "shutdown":
        await call.next("lifespan.startup.complete")
    failed = await call.next(f"lifespan.{event}.failed")
    assert failed["message"] == "LookupError('no database')"
    await call.done()
    assert watch.expect_error(f"on_{event} failed")


@pytest.mark.parametrize("how", ["raises", "raises at once", "returns"])
async def test_other_application_need_not_know_lifespan(sio: Any, how: str) -> None:
    """Django's raises; the server tells us of its shutdown all the same."""

    async def other(scope: Any, receive: Any, send: Any) -> None:
        if how != "raises at once":
            assert (await receive())["type"] == "lifespan.startup"
        if how != "returns":
            raise ValueError("only HTTP")

    app = ASGIApp(sio, other)
    span = lifespan(app, STARTUP)
    await span.next("lifespan.startup.complete")
    client = await Client(app).open_polling()
    held = client.get()
    await asyncio.sleep(0)
    span.give(SHUTDOWN)
    await span.next("lifespan.shutdown.complete")
    await span.done()
    assert (await held.answer())[2] == b"1"


async def test_startup_that_fails_in_the_other_application_stays_a_failure(sio: Any) -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise LookupError("no database")

    span = lifespan(ASGIApp(sio, other), STARTUP)
    await span.next("lifespan.startup.failed")
    with pytest.raises(LookupError):
        await span.task


def test_starlettes_test_client_talks_to_it() -> None:
    server = fastsio.AsyncServer()
    server.on("echo", lambda sid, *args: args)
    with TestClient(ASGIApp(server)) as client:
        answer = client.get("/socket.io/?EIO=4&transport=polling")
        assert answer.status_code == 200 and answer.text.startswith('0{"sid"')
        with client.websocket_connect("/socket.io/?EIO=4&transport=websocket") as websocket:
            assert websocket.receive_text().startswith("0{")
            websocket.send_text("40")
            assert websocket.receive_text().startswith("40{")
            websocket.send_text('421["echo",[1]]')
            assert websocket.receive_text() == "431[[1]]"


async def test_unknown_lifespan_event_is_an_error(sio: Any) -> None:
    call = lifespan(ASGIApp(sio), {"type": "lifespan.unheard"})
    with pytest.raises(RuntimeError, match="unheard"):
        await call.task


async def test_unknown_kind_of_scope_is_the_other_applications(sio: Any) -> None:
    other = Other()
    await Call(ASGIApp(sio, other), {"type": "http.unheard", "path": "/socket.io/"}).done()
    assert other.calls == [("http.unheard", "/socket.io/")]


# --- the stop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_other", [False, True])
async def test_shutdown_ends_sessions_before_anything_else_hears_of_it(
    sio: Any, with_other: bool
) -> None:
    order = []

    async def disconnect(sid: str, reason: str) -> None:
        await asyncio.sleep(0.01)
        order.append(reason)

    sio.on("disconnect", disconnect)
    other = Other()
    app = (
        ASGIApp(sio, other)
        if with_other
        else ASGIApp(sio, on_shutdown=lambda: order.append("hook"))
    )
    span = lifespan(app, STARTUP)
    await span.next("lifespan.startup.complete")
    polling = await Client(app).open_polling()
    held = polling.get()
    websocket = (await Client(app).open_websocket()).call
    assert websocket is not None
    await asyncio.sleep(0)
    background = sio.start_background_task(asyncio.sleep, 60)
    span.give(SHUTDOWN)
    await span.next("lifespan.shutdown.complete")
    assert order == ["server disconnect"] * 2 + ([] if with_other else ["hook"])
    assert background.cancelled()
    assert (await held.answer())[2] == b"1"
    await websocket.next("websocket.close")
    websocket.hang_up(1000)
    await websocket.done()
    assert sio.hub.engine is None


async def test_server_that_stops_takes_no_new_clients_until_it_starts_again(sio: Any) -> None:
    app = ASGIApp(sio)
    await lifespan(app, STARTUP, SHUTDOWN).done()
    assert (await Call(app, scope_of("http", HANDSHAKE)).answer())[0] == 503
    call = Call(app, scope_of("websocket", "EIO=4&transport=websocket"), CONNECT)
    assert (await call.next("websocket.http.response.start"))["status"] == 503
    span = lifespan(app, STARTUP)
    await span.next("lifespan.startup.complete")
    assert (await Call(app, scope_of("http", HANDSHAKE)).answer())[0] == 200
    span.give(SHUTDOWN)
    await span.done()


async def test_handle_request_is_an_application_that_hears_of_the_stop_too(sio: Any) -> None:
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        client = await Client(sio.handle_request).open_polling()
        held = client.get()
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        assert (await held.answer())[2] == b"1"
        assert (await Client(sio.handle_request).get().answer())[0] == 503
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("has_lifespan", [True, False])
async def test_signal_of_the_server_ends_held_requests_at_once(
    sio: Any, has_lifespan: bool
) -> None:
    """uvicorn waits for requests before it says lifespan.shutdown, and a mounted application never hears that."""
    exits = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: exits.append(number))
    try:
        app = ASGIApp(sio)
        span = lifespan(app)
        if has_lifespan:
            span.give(STARTUP)
            await span.next("lifespan.startup.complete")
        client = await Client(app).open_polling()
        held = client.get()
        await asyncio.sleep(0)
        signal.raise_signal(signal.SIGTERM)
        assert (await held.answer())[2] == b"1"
        assert exits == [signal.SIGTERM]
        assert (await client.get().answer())[0] == 503
        span.give(SHUTDOWN)
        await span.done()
    finally:
        signal.signal(signal.SIGTERM, before)

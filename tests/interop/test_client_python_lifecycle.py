"""Python clients when servers go and come back, hang, refuse, or speak TLS."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import time
import weakref
from typing import Any

import aiohttp
import pytest

import fastsio
import fastsio.client
from fastsio import exceptions
from harness import DEADLINE_S, LoopWatch, until
from peer_servers import TRANSPORTS, PeerServer

AsyncClient = fastsio.client.AsyncClient

# Against servers in processes one loop says it all.
one_loop = pytest.mark.asyncio(loop_factories=["uvloop"])


def make(**options: Any) -> Any:
    options.setdefault("reconnection_delay", 0.02)
    options.setdefault("reconnection_delay_max", 0.1)
    return AsyncClient(handle_sigint=False, **options)


def note(client: Any) -> list[Any]:
    """What the reserved handlers of "/" were called with, in order."""
    seen: list[Any] = []
    for event in client.reserved_events:
        client.on(event, lambda *args, event=event: seen.append((event, *args)))
    return seen


# --- reconnection ---------------------------------------------------------------------------------


@one_loop
@pytest.mark.parametrize("is_killed", [True, False])
async def test_comes_back_after_the_server_restarts(
    own_peer_server: PeerServer, how: str, is_killed: bool, watch: LoopWatch
) -> None:
    server = own_peer_server.start()
    client = make()
    seen = note(client)
    await client.connect(server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
    first = client.get_sid()
    await asyncio.to_thread(server.kill if is_killed else server.terminate)
    await until(lambda: not client.connected, "the loss is seen")
    await asyncio.to_thread(server.start)
    await until(lambda: client.connected, "connected again", 2 * DEADLINE_S)
    assert client.get_sid() != first
    assert await client.call("echo", "again") == "again"
    assert client.transport() == TRANSPORTS[how][1]
    kinds = [entry[0] for entry in seen if entry[0] != "connect_error"]
    assert kinds == ["connect", "disconnect", "connect"]
    # A server that stops says so where it can.
    assert seen[1][1] in (
        "transport error",
        "transport error" if is_killed else "server disconnect",
    )
    await client.disconnect()


@one_loop
async def test_a_server_that_hangs_is_given_up(
    own_peer_server: PeerServer, how: str, watch: LoopWatch
) -> None:
    server = own_peer_server
    server.options = {"ping_interval": 0.2, "ping_timeout": 0.2}
    server.start()
    client = make(reconnection=False)
    seen = note(client)
    await client.connect(server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
    server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert time.monotonic() - began >= 0.2
    assert seen == [("connect",), ("disconnect", "transport error"), ("__disconnect_final",)]


async def test_calls_under_way_fail_at_once_when_the_connection_goes(serve: Any, how: str) -> None:
    app = fastsio.AsyncServer()
    heard = asyncio.Event()

    @app.on("silence")
    async def silence(sid: str) -> None:
        heard.set()
        await app.disconnect(sid)
        await asyncio.sleep(0)

    server = await serve(app)
    client = make(reconnection=False)
    await client.connect(server.url, transports=TRANSPORTS[how][0])
    with pytest.raises(exceptions.TimeoutError) as caught:
        await client.call("silence", timeout=60)
    assert isinstance(caught.value, exceptions.DisconnectedError)
    await client.wait()


async def test_attempts_are_counted_and_then_it_is_final(serve: Any) -> None:
    server = await serve(fastsio.AsyncServer())
    client = make(reconnection_attempts=3, reconnection_delay=0.001)
    seen = note(client)
    await client.connect(server.url)
    await server.close()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    kinds = [entry[0] for entry in seen]
    assert kinds == ["connect", "disconnect", *["connect_error"] * 3, "__disconnect_final"]
    assert not client.connected


async def test_disconnect_ends_the_reconnecting(serve: Any) -> None:
    server = await serve(fastsio.AsyncServer())
    client = make(reconnection_delay=1000, reconnection_delay_max=1000)
    seen = note(client)
    await client.connect(server.url)
    await server.close()
    await until(lambda: client._reconnect_task, "it reconnects")
    await asyncio.wait_for(client.disconnect(), DEADLINE_S)
    assert seen[-1] == ("__disconnect_final",)
    await asyncio.wait_for(client.wait(), DEADLINE_S)


async def test_retry_goes_on_when_the_first_attempt_fails(serve: Any, watch: LoopWatch) -> None:
    first = await fastsio.start(fastsio.AsyncServer(), port=0)
    port = first.port
    await first.close()
    client = make()
    connecting = asyncio.create_task(client.connect(f"http://127.0.0.1:{port}", retry=True))
    seen = note(client)
    await until(lambda: seen, "the first attempt has failed")
    await serve(fastsio.AsyncServer(), port=port)
    await asyncio.wait_for(connecting, DEADLINE_S)
    assert client.connected
    await client.disconnect()


async def test_url_headers_and_auth_are_asked_for_again(serve: Any) -> None:
    auths: list[Any] = []
    app = fastsio.AsyncServer()

    @app.on("connect")
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        auths.append((auth, environ.get("HTTP_X_COUNT")))

    server = await serve(app)
    client = make(reconnection_delay=0)
    counts = iter(range(10))
    await client.connect(
        lambda: server.url,
        lambda: {"X-Count": str(next(counts))},
        lambda: {"count": next(counts)},
        transports=["websocket"],
    )
    client.eio._transport._transport.abort()
    await until(lambda: len(auths) == 2 and client.connected, "connected again")
    assert auths == [({"count": 1}, "0"), ({"count": 3}, "2")]
    await client.disconnect()


# --- another form of packets ------------------------------------------------------------------------


@one_loop
@pytest.mark.parametrize("kind", ["fastsio", "socketio"])
async def test_messagepack_both_ways(kind: str, how: str, watch: LoopWatch) -> None:
    server = PeerServer(kind, serializer="msgpack")
    await asyncio.to_thread(server.start)
    try:
        client = make(serializer="msgpack")
        came: asyncio.Queue[Any] = asyncio.Queue()
        client.on("said", lambda *args: came.put_nowait(args))
        await client.connect(
            server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S, auth={"a": b"1"}
        )
        assert (await client.call("who"))["auth"] == {"a": b"1"}
        values = ("ünï", b"\x00\xff", {"deep": [b"", 1.5, None]})
        assert list(await client.call("echo", values)) == list(values)
        await client.emit("say", values)
        assert await asyncio.wait_for(came.get(), DEADLINE_S) == values
        await client.disconnect()
    finally:
        server.kill()


# --- leaving early ----------------------------------------------------------------------------------


async def test_nothing_listens(watch: LoopWatch, how: str) -> None:
    gone = await fastsio.start(fastsio.AsyncServer(), port=0)
    await gone.close()
    client = make()
    seen = note(client)
    with pytest.raises(exceptions.ConnectionError):
        await client.connect(gone.url, transports=TRANSPORTS[how][0])
    assert [entry[0] for entry in seen] == ["connect_error"]
    assert client.eio.state == "disconnected"
    await client.wait()


async def test_a_connect_that_is_cancelled_leaves_nothing(watch: LoopWatch, how: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = make()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.connect(f"http://127.0.0.1:{port}", transports=TRANSPORTS[how][0])
    assert client.eio.state == "disconnected"
    listener.close()


async def test_disconnect_ends_a_connect_under_way(watch: LoopWatch, how: str) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    reached = asyncio.Event()
    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = make()
    connecting = asyncio.create_task(
        client.connect(f"http://127.0.0.1:{port}", transports=TRANSPORTS[how][0], retry=True)
    )
    await reached.wait()
    await asyncio.wait_for(client.disconnect(), DEADLINE_S)
    with pytest.raises(exceptions.ConnectionError, match="Disconnected while connecting"):
        await asyncio.wait_for(connecting, DEADLINE_S)
    listener.close()


async def test_a_connect_handler_may_disconnect(serve: Any, how: str) -> None:
    server = await serve(fastsio.AsyncServer())
    client = make()

    @client.on("connect")
    async def connect() -> None:
        await client.disconnect()

    with pytest.raises(exceptions.ConnectionError):
        await client.connect(server.url, transports=TRANSPORTS[how][0])
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert not client.connected


async def test_auth_that_raises_is_the_connects_error(serve: Any, how: str, watch: Any) -> None:
    server = await serve(fastsio.AsyncServer())
    client = make()

    def auth() -> Any:
        raise RuntimeError("no token")

    with pytest.raises(exceptions.ConnectionError, match=r"^Connect handler failed: no token$"):
        await client.connect(server.url, auth=auth, transports=TRANSPORTS[how][0])
    watch.expect_error("connect handler error", "no token")
    assert client.eio.state == "disconnected"


async def test_a_server_that_does_not_answer_the_namespace_in_time(watch: LoopWatch) -> None:
    release = asyncio.Event()
    app = fastsio.AsyncServer()

    @app.on("connect")
    async def connect(sid: str, environ: Any) -> None:
        await release.wait()

    server = await fastsio.start(app, port=0)
    client = make()
    with pytest.raises(exceptions.ConnectionError, match=r"^Unexpected connection error$"):
        await client.connect(server.url, wait_timeout=0.05)
    release.set()
    await server.close()


async def test_without_wait_namespaces_come_later(serve: Any, how: str) -> None:
    server = await serve(fastsio.AsyncServer())
    client = make()
    connected = asyncio.Event()
    client.on("connect", connected.set)
    await client.connect(server.url, transports=TRANSPORTS[how][0], wait=False)
    assert client.connected
    await asyncio.wait_for(connected.wait(), DEADLINE_S)
    assert client.get_sid()
    await client.disconnect()


# --- TLS, sessions --------------------------------------------------------------------------------


@pytest.fixture
def tls_server_options(certificate: tuple[str, str]) -> dict[str, str]:
    return {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}


def echo_app() -> fastsio.AsyncServer:
    app = fastsio.AsyncServer()
    app.on("echo", lambda sid, *args: args)
    return app


async def test_tls_without_verification(serve: Any, how: str, tls_server_options: Any) -> None:
    server = await serve(echo_app(), **tls_server_options)
    client = make(ssl_verify=False)
    await client.connect(server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
    data = bytes(300_000)
    assert await client.call("echo", data) == data
    assert client.transport() == TRANSPORTS[how][1]
    await client.disconnect()


async def test_tls_is_verified_by_default(
    serve: Any, how: str, tls_server_options: Any, watch: Any
) -> None:
    server = await serve(echo_app(), **tls_server_options)
    client = make()
    with pytest.raises(exceptions.ConnectionError):
        await client.connect(server.url, transports=TRANSPORTS[how][0])


async def test_a_context_of_ones_own(
    serve: Any, tls_server_options: Any, certificate: tuple[str, str]
) -> None:
    server = await serve(echo_app(), **tls_server_options)
    context = ssl.create_default_context(cafile=certificate[0])
    client = make(websocket_extra_options={"ssl": context})
    url = server.url.replace("127.0.0.1", "localhost")
    await client.connect(url, transports=["websocket"], wait_timeout=DEADLINE_S)
    assert await client.call("echo", 1) == 1
    await client.disconnect()


@pytest.mark.parametrize("given", ["session", "function", "attribute"])
async def test_a_session_of_the_application_is_used(
    serve: Any, how: str, given: str, tls_server_options: Any, certificate: tuple[str, str]
) -> None:
    server = await serve(echo_app(), **tls_server_options)
    context = ssl.create_default_context(cafile=certificate[0])
    made: list[aiohttp.ClientSession] = []

    def make_session() -> aiohttp.ClientSession:
        made.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)))
        return made[-1]

    if given == "attribute":
        client = make()
        client.eio.http = make_session()
    else:
        client = make(http_session=make_session if given == "function" else make_session())
    url = server.url.replace("127.0.0.1", "localhost")
    await client.connect(url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
    assert client.eio.http is made[0]
    assert client.transport() == TRANSPORTS[how][1]
    data = {"b": bytes(300_000)}
    assert await client.call("echo", data) == data
    await asyncio.gather(*(client.emit("echo", i) for i in range(100)))
    assert await client.call("echo", "last") == "last"
    await client.disconnect()
    assert made[0].closed == (given == "function")
    await made[0].close()


class TunnelProxy:
    """A proxy that does CONNECT and nothing else; `targets` are those that were asked for."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> TunnelProxy:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DEADLINE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
        assert method == "CONNECT"
        self.targets.append(target)
        host, _, port = target.rpartition(":")
        to_read, to_write = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for source, sink in ((reader, to_write), (to_read, writer)):
            task = asyncio.create_task(self._pipe(source, sink))
            self._tasks.add(task)

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                sink.write(data)
        except ConnectionError:
            pass  # cut, which ends the other way too
        sink.close()


async def test_a_session_with_a_proxy(serve: Any, how: str, tls_server_options: Any) -> None:
    server = await serve(echo_app(), **tls_server_options)
    async with TunnelProxy() as proxy:
        client = make(http_session=lambda: aiohttp.ClientSession(proxy=proxy.url), ssl_verify=False)
        await client.connect(server.url, transports=TRANSPORTS[how][0], wait_timeout=DEADLINE_S)
        assert await client.call("echo", 1) == 1
        assert client.transport() == TRANSPORTS[how][1]
        assert set(proxy.targets) == {f"127.0.0.1:{server.port}"}
        await client.disconnect()


async def test_a_proxy_among_the_websocket_options(serve: Any, tls_server_options: Any) -> None:
    server = await serve(echo_app(), **tls_server_options)
    async with TunnelProxy() as proxy:
        client = make(websocket_extra_options={"proxy": proxy.url}, ssl_verify=False)
        await client.connect(server.url, transports=["websocket"], wait_timeout=DEADLINE_S)
        assert await client.call("echo", 1) == 1
        assert len(proxy.targets) == 1
        await client.disconnect()


async def test_five_hundred_clients_come_go_and_come_again(serve: Any) -> None:
    app = echo_app()
    server = await serve(app)
    clients = [make() for _ in range(500)]
    seen = [note(client) for client in clients]

    async def connect_all() -> None:
        for i in range(0, len(clients), 50):
            await asyncio.gather(
                *(
                    client.connect(server.url, transports=["websocket"], wait_timeout=60)
                    for client in clients[i : i + 50]
                )
            )

    await connect_all()
    tasks = len(asyncio.all_tasks())
    assert tasks < 50, "an idle client has a task"
    for connection in list(server.connections):
        connection.abort()
    await until(
        lambda: all(client.connected and len(s) == 3 for client, s in zip(clients, seen, strict=True)),
        "all are connected again",
        10 * DEADLINE_S,
    )  # fmt: skip
    answers = await asyncio.gather(*(client.call("echo", i) for i, client in enumerate(clients)))
    assert answers == list(range(500))
    await asyncio.gather(*(client.disconnect() for client in clients))
    kinds = ["connect", "disconnect", "connect", "disconnect", "__disconnect_final"]
    assert all([entry[0] for entry in s] == kinds for s in seen)


async def test_a_client_that_left_is_forgotten(serve: Any, how: str) -> None:
    server = await serve(echo_app())
    gone = []
    for _ in range(3):
        client = make()
        await client.connect(server.url, transports=TRANSPORTS[how][0])
        assert await client.call("echo", 1) == 1
        await client.disconnect()
        gone.append(weakref.ref(client))
        del client
    await until(lambda: gc.collect() >= 0 and not any(ref() for ref in gone), "no client in memory")


async def test_cookies_of_polling_go_with_the_upgrade(serve: Any) -> None:
    """A balancer's cookie keeps the WebSocket at the server that has the session."""
    seen: list[str | None] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        cookies = [line[8:] for line in head.split("\r\n") if line.lower().startswith("cookie: ")]
        seen.append(cookies[0] if cookies else None)
        body = b'0{"sid":"a","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'
        if len(seen) > 1:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(
                b"HTTP/1.1 200 OK\r\nSet-Cookie: server=7; Path=/\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(proxy, "127.0.0.1", 0)
    client = make()
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(exceptions.ConnectionError):
        await client.connect(f"http://127.0.0.1:{port}", {"Cookie": "mine=1"}, wait_timeout=0.2)
    listener.close()
    assert seen[0] == "mine=1"
    assert seen[1] is not None and set(seen[1].split("; ")) == {"mine=1", "server=7"}


async def test_a_connection_that_is_cut_leaves_nothing_open(serve: Any) -> None:
    server = await serve(echo_app())
    client = make(reconnection=False)
    await client.connect(server.url, transports=["websocket"])
    client.eio._transport._transport.abort()
    await asyncio.wait_for(client.wait(), DEADLINE_S)
    assert client.eio.state == "disconnected" and client.eio.http is None

"""Who may open a session: by address, by rate, whatever the transport and whatever the door.

Over real ports, with refusals by hand: tests/conformance/test_limits_address.py. Source: RFC 6585 4; RFC 9110 15.6.4.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

import fastsio
from asgi_tools import Call, scope_of
from clock_loop import pass_time
from fastsio import engineio
from fastsio.engine.limits import PRUNE_AT, Bucket, Buckets, place_of
from harness import until
from memory_conn import MemoryPeer, connect_in_memory

ON_A_CLOCK = pytest.mark.asyncio(loop_factories=["clock"])
TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])
PER_ADDRESS = "max_connections_per_address"


async def handshake(server: Any, transport: str = "polling", address: str = "") -> Any:
    """The answer to a handshake, from a client that a proxy at 192.0.2.7 names, and its connection."""
    connection = connect_in_memory(server)
    headers = {"X-Forwarded-For": address} if address else {}
    if transport == "websocket":
        headers |= {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
    target = f"/socket.io/?EIO=4&transport={transport}"
    return await connection.request("GET", target, None, headers), connection


async def end_all(server: Any) -> None:
    for session in list(server.engine.sessions.values()):
        session.abort("transport error")


# -- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("::1", "::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),  # Starlette's
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_an_address_is_itself_or_its_network_of_64_bits(address, place):
    assert place_of(address) == place


# -- sessions per address ------------------------------------------------------------------------------


@pytest.mark.fault(
    "more sessions of one address than max_connections_per_address",
    "429 with the option before anything is made, other addresses are served",
)
@ON_A_CLOCK
@TRANSPORTS
async def test_one_session_too_many_of_an_address_is_refused(serve, transport, caplog):
    io = fastsio.IO(max_connections_per_address=2, trusted_proxies="192.0.2.0/24")
    server = await serve(io)
    assert [
        (await handshake(server, kind, "1.2.3.4"))[0].status for kind in ("polling", "websocket")
    ] == [200, 101]
    for _ in range(3):
        answer, _ = await handshake(server, transport, "1.2.3.4")
        assert answer.status == 429
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        assert answer.json() == {"code": 4, "message": f"Too many connections ({PER_ADDRESS})"}
    assert len(server.engine.sessions) == 2
    assert (await handshake(server, transport, "1.2.3.5"))[0].status in (200, 101)
    lines = [text for text in caplog.messages if PER_ADDRESS in text]
    assert len(lines) == 1
    assert server.engine.rare_log.counts[PER_ADDRESS] == 3
    await end_all(server)
    assert server.engine.arrivals.counts == {}


@ON_A_CLOCK
@pytest.mark.parametrize(
    "way",
    ["client closes", "server closes", "connection lost", "ping timeout", "goodbye over polling"],
)
async def test_a_session_that_has_ended_leaves_its_place(echo_server, way):
    app = await echo_server(max_connections_per_address=1, ping_interval=1.0, ping_timeout=1.0)
    transport = "polling" if "polling" in way else "websocket"
    peer = await app.client(transport, answers_pings=way != "ping timeout")
    assert (await handshake(app.server))[0].status == 429
    if way == "server closes":
        app.sockets[0].disconnect(close=True)
    elif way == "connection lost":
        peer.abort()
    elif way == "ping timeout":
        await pass_time(4.0)
    else:
        await peer.close()
    await pass_time(0.1)
    assert app.server.engine.arrivals.counts == {}
    assert (await handshake(app.server))[0].status == 200
    assert len(app.ends) == 1
    await end_all(app.server)


@ON_A_CLOCK
async def test_an_upgrade_is_no_second_session(echo_server):
    app = await echo_server(max_connections_per_address=1)
    peer = await app.client("polling")
    await peer.upgrade()
    await peer.send('42["echo",1]')
    assert await peer.receive() == '42["echo",1]'
    assert app.server.engine.arrivals.counts == {"192.0.2.7": 1}
    await peer.close()


@ON_A_CLOCK
async def test_a_handshake_that_fails_takes_no_place(serve):
    server = await serve(fastsio.IO(max_connections_per_address=1))
    connection = connect_in_memory(server)
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    answer = await connection.request("GET", "/socket.io/?EIO=4&transport=websocket", None, headers)
    assert answer.status == 400  # no key
    assert server.engine.arrivals.counts == {}
    assert (await handshake(server))[0].status == 200
    await end_all(server)


@ON_A_CLOCK
async def test_those_whom_the_application_is_still_asked_about_are_judged_once_more(serve):
    """Any number may come while nobody has a session yet."""
    gate = asyncio.Event()

    async def allow(request: Any) -> bool:
        await gate.wait()
        return True

    server = await serve(fastsio.IO(max_connections_per_address=2, allow_request=allow))
    asked = [asyncio.ensure_future(handshake(server)) for _ in range(5)]
    await pass_time(1)
    gate.set()
    answers = sorted([(await one)[0].status for one in asked])
    assert answers == [200, 200, 429, 429, 429]
    await end_all(server)
    assert server.engine.arrivals.counts == {}


@ON_A_CLOCK
async def test_those_who_wait_for_a_connect_handler_of_engineio_have_a_place(serve):
    eio = engineio.AsyncServer(max_connections_per_address=1)
    gate = asyncio.Event()

    @eio.on("connect")
    async def connect(sid: str, environ: Any) -> bool:
        await gate.wait()
        return False

    server = await serve(eio)

    async def ask() -> Any:
        connection = connect_in_memory(server)
        return await connection.request("GET", "/engine.io/?EIO=4&transport=polling", None, {})

    first = asyncio.ensure_future(ask())
    await pass_time(1)
    assert (await ask()).status == 429
    gate.set()
    assert (await first).status == 401
    assert server.engine.arrivals.counts == {}


@ON_A_CLOCK
async def test_listeners_of_connection_error_hear_of_it(serve):
    io = fastsio.IO(max_connections_per_address=1)
    heard = []
    io.engine.on(
        "connection_error", lambda error: heard.append((error.code, error.message, error.context))
    )
    server = await serve(io)
    for _ in range(2):
        await handshake(server)
    message = f"Too many connections ({PER_ADDRESS})"
    assert heard == [(4, message, {"name": "TOO_MANY_CONNECTIONS", "option": PER_ADDRESS})]
    await end_all(server)


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_an_asgi_server_s_clients_count_as_well(hosted, kind):
    app = await hosted(max_connections_per_address=1)
    first = Call(
        app, scope_of("websocket", "EIO=4&transport=websocket"), {"type": "websocket.connect"}
    )
    await first.next("websocket.accept")
    transport = "polling" if kind == "http" else kind
    query = f"EIO=4&transport={transport}"
    if kind == "http":
        second = Call(app, scope_of("http", query), {"type": "http.request", "body": b""})
        assert (await second.answer())[0] == 429
    else:
        second = Call(app, scope_of("websocket", query), {"type": "websocket.connect"})
        assert (await second.next("websocket.http.response.start"))["status"] == 429
        body = (await second.next("websocket.http.response.body"))["body"]
        assert json.loads(body)["message"] == f"Too many connections ({PER_ADDRESS})"
    await second.done()
    first.hang_up()
    await first.done()
    assert app.io.hub.engine.arrivals.counts == {}


async def test_clients_without_an_address_are_not_taken_for_one_client(hosted):
    """A proxy on a Unix socket that nobody trusts: all come from "nowhere"."""
    app = await hosted(max_connections_per_address=1)
    calls = []
    for _ in range(3):
        scope = scope_of("websocket", "EIO=4&transport=websocket", client=None)
        calls.append(Call(app, scope, {"type": "websocket.connect"}))
        await calls[-1].next("websocket.accept")
    for call in calls:
        call.hang_up()
        await call.done()


# -- rates ---------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_and_then_its_rate():
    bucket = Bucket(2.0, 3, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(100.25) == 0.25
    assert [bucket.take(100.5), bucket.take(100.5)] == [0, 0.5]
    assert [bucket.take(500.0) for _ in range(4)] == [0, 0, 0, 0.5]  # not more than the burst


def test_buckets_that_are_full_again_are_let_go():
    buckets = Buckets(1.0, 1)
    for number in range(PRUNE_AT):
        assert buckets.take(f"old {number}", 0.0) == 0
    for number in range(10):
        assert buckets.take(f"new {number}", 10.0) == 0
    assert len(buckets) == 10
    assert buckets.take("new 1", 10.5) == 0.5


@pytest.mark.fault(
    "new sessions come faster than max_connection_rate",
    "503 with Retry-After and the option, those in time are served",
)
@ON_A_CLOCK
@TRANSPORTS
async def test_sessions_over_the_rate_are_refused_until_there_is_time(serve, transport, caplog):
    server = await serve(fastsio.IO(max_connection_rate=(0.5, 2)))
    answers = [(await handshake(server, transport))[0] for _ in range(4)]
    served = 101 if transport == "websocket" else 200
    assert [answer.status for answer in answers] == [served, served, 503, 503]
    assert answers[2].headers["retry-after"] == "2"
    assert answers[2].json() == {"code": 4, "message": "Too many connections (max_connection_rate)"}
    await pass_time(2.1)
    assert (await handshake(server, transport))[0].status == served
    assert (await handshake(server, transport))[0].status == 503
    assert len([text for text in caplog.messages if "max_connection_rate" in text]) == 1
    await end_all(server)


@pytest.mark.fault(
    "one address opens sessions faster than max_connection_rate_per_address",
    "429 with Retry-After and the option, other addresses are served",
)
@ON_A_CLOCK
async def test_one_address_over_its_rate_takes_nothing_from_others(serve):
    server = await serve(
        fastsio.IO(
            max_connection_rate_per_address=1, max_connection_rate=3, trusted_proxies="192.0.2.7"
        )
    )
    assert (await handshake(server, address="1.1.1.1"))[0].status == 200
    for _ in range(10):
        answer, _ = await handshake(server, address="1.1.1.1")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    # Those that were refused have taken nothing of what there is for all.
    for address in ("2.2.2.2", "3.3.3.3"):
        assert (await handshake(server, address=address))[0].status == 200
    assert (await handshake(server, address="4.4.4.4"))[0].status == 503
    await end_all(server)


@ON_A_CLOCK
async def test_nothing_but_handshakes_counts(echo_server):
    app = await echo_server(
        max_connection_rate=(0.001, 1), max_connection_rate_per_address=(0.001, 1)
    )
    peer = await app.client("polling")
    for i in range(5):
        await peer.send(f'42["echo",{i}]')
        assert await peer.receive() == f'42["echo",{i}]'
    await peer.upgrade()
    await peer.close()


# -- TCP connections -----------------------------------------------------------------------------------


@pytest.mark.fault(
    "one address opens TCP connections and says nothing",
    "past three for each session and six more they get 429 and are closed at once",
)
@ON_A_CLOCK
async def test_connections_of_an_address_are_bound_before_they_say_anything(serve, caplog):
    server = await serve(fastsio.IO(max_connections_per_address=1))
    idle = [connect_in_memory(server) for _ in range(9)]
    for _ in range(3):
        connection = connect_in_memory(server)
        answer = await connection.read_to_end()
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert answer.endswith(f"\r\n\r\nToo many connections ({PER_ADDRESS})".encode())
    assert len(server.connections) == 9
    assert len([text for text in caplog.messages if PER_ADDRESS in text]) == 1
    await idle.pop().close()
    await pass_time(0)
    answer, kept_alive = await handshake(server)
    assert answer.status == 200
    for connection in (*idle, kept_alive):
        await connection.close()
    await end_all(server)
    await until(lambda: not server.connections, "all connections have gone")


@ON_A_CLOCK
async def test_connections_of_a_trusted_proxy_are_not_counted(serve):
    server = await serve(fastsio.IO(max_connections_per_address=1, trusted_proxies="192.0.2.7"))
    idle = [connect_in_memory(server) for _ in range(20)]
    assert (await handshake(server, address="1.1.1.1"))[0].status == 200
    assert (await handshake(server, address="1.1.1.1"))[0].status == 429
    for connection in idle:
        await connection.close()
    await end_all(server)


@ON_A_CLOCK
async def test_without_the_options_nobody_is_asked(serve):
    server = await serve(fastsio.IO())
    assert server.engine.arrivals is None
    assert server._server.opened == server.connections.add
    peers = [await MemoryPeer.of(server).open() for _ in range(50)]
    for peer in peers:
        await peer.close()

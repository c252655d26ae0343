"""Token buckets: what passes, what happens beyond, per socket, event and address.

Source: issue 5, "Flow"; socketio/socket.io#2412 (floods). The clock is the test's.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from fastsio.core import limits as limits_module
from fastsio.core.errors import RateLimitError
from fastsio.testing import TestClient, TestServer


@pytest.fixture
def clock(monkeypatch):
    """`clock[0]` is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr("fastsio.core.hub.time.monotonic", lambda: now[0])
    return now


def echoing(style, **options):
    app = style(**options)
    app.heard = []

    def echo(i):
        app.heard.append(i)
        return i

    if style is fastsio.IO:
        for name in ("/", "/a"):
            app.of(name).on("connection", lambda s: (s.on("e", echo), s.on("f", echo)))
    else:
        for name in ("/", "/a"):
            for event in ("e", "f"):
                app.on(event, lambda sid, i: echo(i), namespace=name)
    return app


STYLES = pytest.mark.parametrize("style", [fastsio.IO, fastsio.AsyncServer])


@STYLES
async def test_a_burst_passes_and_then_so_many_a_second(watch, clock, style):
    app = echoing(style)
    app.limit("e", rate=2, burst=3)
    async with TestClient(app) as client:
        answers = [await client.call("e", i) for i in range(5)]
        assert answers[:3] == [0, 1, 2]
        message = "too many events 'e', try again in 0.5 s"
        assert answers[3] == {
            "error": {"code": "rate_limited", "event": "e", "retry_after": 0.5, "message": message}
        }
        assert app.heard == [0, 1, 2]
        clock[0] += 0.5
        assert await client.call("e", 5) == 5
        clock[0] += 0.4
        assert (await client.call("e", 6))["error"]["retry_after"] == 0.1
        clock[0] += 100
        assert [await client.call("e", i) for i in range(7, 10)] == [7, 8, 9]
        assert "error" in await client.call("e", 10)
        assert await client.call("f", 1) == 1
    said = "limit of 2/s (burst 3) for event 'e' per socket"
    assert app.flow_counts() == {"dropped": 0, said: 4}


@STYLES
async def test_each_socket_has_its_own_bucket(watch, clock, style):
    app = echoing(style)
    app.limit(rate=1, burst=2)
    async with TestServer(app) as server:
        one, two = await server.connect(), await server.connect()
        for client in (one, two):
            assert await client.call("e", 1) == 1
            assert await client.call("f", 1) == 1
            assert "error" in await client.call("e", 2), "all events together"


@STYLES
async def test_clients_of_one_address_share_a_bucket_also_when_they_come_back(watch, clock, style):
    app = echoing(style, trusted_proxies="127.0.0.1")
    app.limit(rate=1, burst=2, per="address")
    async with TestServer(app) as server:
        one, two = await server.connect(), await server.connect()
        proxied = await server.connect(headers={"X-Forwarded-For": "192.0.2.1"})
        assert await one.call("e", 1) == 1
        assert await two.call("e", 2) == 2
        assert "error" in await one.call("e", 3)
        assert await proxied.call("e", 4) == 4, "the address is session.origin's"
        await one.disconnect()
        again = await server.connect()
        assert "error" in await again.call("e", 5)


async def test_a_limit_of_one_namespace_leaves_the_others_alone(watch, clock):
    io = echoing(fastsio.IO)
    io.of("/a").limit("e", rate=1)
    async with TestClient(io) as client:
        other = await client.join_namespace("/a")
        assert [await client.call("e", i) for i in range(3)] == [0, 1, 2]
        assert await other.call("e", 1) == 1
        assert "error" in await other.call("e", 2)


async def test_without_an_ack_the_event_is_dropped_and_the_log_says_so_once(watch, clock, caplog):
    io = echoing(fastsio.IO)
    io.limit("e", rate=1)
    async with TestClient(io) as client:
        for i in range(20):
            await client.emit("e", i)
        assert io.heard == [0]
        assert await client.nothing()
        sid = client.sid
    (line,) = [r.getMessage() for r in caplog.records if "limit of" in r.getMessage()]
    assert "event 'e'" in line
    assert f"sid={sid[:6]}…" in line
    assert "from 127.0.0.1" in line


async def test_error_goes_to_the_sockets_listeners_of_error(watch, clock):
    io = echoing(fastsio.IO)
    io.limit("e", rate=1, beyond="error")
    errors = []
    io.on("connection", lambda socket: socket.on("error", errors.append))
    async with TestClient(io) as client:
        await client.emit("e", 1)
        assert "error" in await client.call("e", 2)
    (error,) = errors
    assert isinstance(error, RateLimitError)
    assert (error.event, error.retry_after) == ("e", 1.0)


async def test_error_goes_to_an_exception_handler_which_answers(watch, clock):
    sio = echoing(fastsio.AsyncServer)
    sio.limit("e", rate=1, beyond="error")

    @sio.exception_handler(RateLimitError)
    async def slower(error, event, sid, *args):
        return ["slower", event, *args]

    async with TestClient(sio) as client:
        assert await client.call("e", 1) == 1
        assert await client.call("e", 2) == ["slower", "e", 2]


async def test_disconnect_closes_the_connection(watch, clock):
    io = echoing(fastsio.IO)
    io.limit("e", rate=1, beyond="disconnect")
    async with TestClient(io) as client:
        await client.emit("e", 1)
        await client.emit("e", 2)
        assert await client.expect_disconnect() == "io server disconnect"
        assert io.heard == [1]


@STYLES
async def test_limits_may_be_options(watch, clock, style):
    app = echoing(style, limits=[{"event": "e", "rate": 1}, {"rate": 2, "per": "address"}])
    async with TestClient(app) as client:
        assert await client.call("e", 1) == 1
        assert "error" in await client.call("e", 2)
        assert await client.call("f", 3) == 3
        assert "error" in await client.call("f", 4), "the second one counts all events"


async def test_a_limit_holds_for_clients_that_are_here_already(watch, clock):
    io = echoing(fastsio.IO)
    async with TestClient(io) as client:
        assert await client.call("e", 1) == 1
        io.limit("e", rate=1)
        assert await client.call("e", 2) == 2
        assert "error" in await client.call("e", 3)


async def test_events_one_after_the_other_are_limited_too(watch, clock):
    sio = echoing(fastsio.AsyncServer, async_handlers=False)
    sio.limit("e", rate=1)
    async with TestClient(sio) as client:
        assert await client.call("e", 1) == 1
        assert "error" in await client.call("e", 2)


async def test_buckets_of_addresses_that_are_full_again_are_forgotten(watch, clock, monkeypatch):
    monkeypatch.setattr(limits_module, "PRUNE_AT", 4)
    io = echoing(fastsio.IO, trusted_proxies="127.0.0.1")
    rule = io.limit(rate=1, burst=2, per="address")
    async with TestServer(io) as server:
        for i in range(20):
            clock[0] += 1
            address = {"X-Forwarded-For": f"192.0.2.{i}"}
            client = await server.connect(headers=address)
            assert await client.call("e", i) == i
            await client.disconnect()
            assert len(rule._by_address) <= 6


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rate": 0}, "rate=0"),
        ({"rate": "5"}, "rate='5'"),
        ({"rate": 5, "burst": 0}, "burst=0"),
        ({"rate": 5, "burst": 1.5}, "burst=1.5"),
        ({"rate": 5, "per": "client"}, "per='client'"),
        ({"rate": 5, "beyond": "close"}, "beyond='close'"),
    ],
)
async def test_what_can_not_be_is_named(how, message):
    for make in (fastsio.IO().limit, fastsio.AsyncServer().limit):
        with pytest.raises(ValueError, match=message):
            make("e", **how)
    with pytest.raises(ValueError, match=message):
        fastsio.IO(limits=[how])


async def test_a_limit_makes_no_namespace(watch, clock):
    io = fastsio.IO(limits=[{"rate": 1, "namespace": "later"}])
    assert list(io.hub.namespaces) == ["/"]
    io.of("/later").on("connection", lambda socket: socket.on("e", lambda i: i))
    async with TestClient(io, "/later") as client:
        assert await client.call("e", 1) == 1
        assert "error" in await client.call("e", 2)


async def test_options_that_are_no_limits_are_named():
    with pytest.raises(ValueError, match="limits: 5 is no dict"):
        fastsio.IO(limits=[5])
    with pytest.raises(TypeError, match="rte"):
        fastsio.IO(limits=[{"rte": 5}])


async def test_burst_is_as_much_as_a_second_brings_if_it_is_not_given():
    io = fastsio.IO()
    assert [io.limit(rate=rate).burst for rate in (0.2, 1, 7)] == [1, 1, 7]
    await asyncio.sleep(0)

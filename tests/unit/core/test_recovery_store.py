"""Where sessions wait for their clients: how long, how many, and that nothing is left of them."""

from __future__ import annotations

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.core.recovery_store import SavedSession, SessionStore
from fastsio.testing import TestServer

with_clock = pytest.mark.asyncio(loop_factories=["clock"])
LASTS_S = 120


def make(**recovery) -> tuple[fastsio.IO, SessionStore]:
    io = fastsio.IO(connection_state_recovery=recovery)
    return io, io.hub.lost_sessions


def session(pid: str) -> SavedSession:
    return SavedSession("sid of " + pid, pid, {}, {}, 0)


@with_clock
async def test_a_session_can_be_taken_once():
    io, store = make()
    one = session("p")
    store.keep(io.sockets, one)
    assert store.count(io.sockets) == len(store) == 1
    assert store.take(io.of("/other"), "p") is None
    assert store.take(io.sockets, "p") is one
    assert store.take(io.sockets, "p") is None
    assert store.count(io.sockets) == len(store) == 0


@with_clock
async def test_the_last_session_of_a_pid_counts():
    io, store = make()
    one, two = session("p"), session("p")
    store.keep(io.sockets, one)
    store.keep(io.sockets, two)
    assert store.count(io.sockets) == len(store) == 1
    assert store.take(io.sockets, "p") is two
    assert store.count(io.sockets) == len(store) == 0


@with_clock
async def test_another_namespace_of_the_same_name_does_not_know_it():
    io, store = make()
    store.keep(io.of("/room"), session("p"))
    del io.hub.namespaces["/room"]
    assert store.take(io.of("/room"), "p") is None
    assert len(store) == 1


@with_clock
async def test_a_session_expires_to_the_second():
    io, store = make(max_disconnection_duration=10)
    async with TestServer(io):
        store.keep(io.sockets, session("a"))
        await pass_time(9.9)
        store.keep(io.sockets, session("b"))
        assert store.take(io.sockets, "a") is not None
        store.keep(io.sockets, session("c"))
        await pass_time(10)
        assert store.take(io.sockets, "c") is None


@with_clock
async def test_one_that_is_put_back_lasts_no_longer():
    io, store = make(max_disconnection_duration=10)
    async with TestServer(io):
        store.keep(io.sockets, session("a"))
        await pass_time(6)
        store.keep(io.sockets, store.take(io.sockets, "a"))
        await pass_time(6)
        assert store.take(io.sockets, "a") is None


@with_clock
@pytest.mark.fault("more clients are lost than are kept", "the oldest are forgotten first")
async def test_too_many_sessions_go_the_oldest_first():
    io, store = make(max_sessions=2)
    for pid in "abc":
        store.keep(io.of("/" + pid), session(pid))
    assert len(store) == 2
    assert [store.take(io.of("/" + pid), pid) is None for pid in "abc"] == [True, False, False]


@with_clock
@pytest.mark.feature("1.12 limits")
async def test_all_is_swept_away_in_time_without_anybody_coming():
    io, store = make()
    async with TestServer(io) as server:
        client = await server.connect()
        io.emit("news", "one")
        await client.drop()
        io.emit("news", "two")
        log = io.sockets.adapter.log
        assert (len(store), len(log)) == (1, 2)
        await pass_time(LASTS_S + 31)
        assert (len(store), len(log)) == (0, 2)
        await pass_time(25 + 20 + 31)
        assert (len(store), len(log), log.bytes) == (0, 0, 0)
        # Nothing is left to sweep, and nothing wakes the loop for it.
        assert io.hub.engine.wheel.count == 0


@with_clock
async def test_sweeping_begins_again_with_the_next_client():
    io, store = make()
    async with TestServer(io) as server:
        for _ in range(2):
            client = await server.connect()
            await client.drop()
            await pass_time(LASTS_S + 31)
            assert len(store) == 0


@with_clock
async def test_sweeping_goes_on_under_another_engine():
    io, store = make()
    async with TestServer(io) as server:
        client = await server.connect()
        await client.drop()
    assert len(store) == 1
    async with TestServer(io) as server:
        client = await server.connect()
        await client.drop()
        await pass_time(LASTS_S + 31)
        assert len(store) == 0


@pytest.mark.parametrize("given", [None, False])
def test_without_the_option_there_is_no_store(given):
    assert fastsio.IO(connection_state_recovery=given).hub.lost_sessions is None


@pytest.mark.parametrize("given", [{}, True])
def test_an_empty_dict_is_the_option_with_its_defaults(given):
    hub = fastsio.IO(connection_state_recovery=given).hub
    assert hub.options.connection_state_recovery == {
        "max_disconnection_duration": 120.0,
        "skip_middlewares": True,
        "max_packets": 100_000,
        "max_bytes": 67_108_864,
        "max_sessions": 100_000,
    }


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (120, ValueError, "connection_state_recovery=120: None, or a dict"),
        ({"maxDisconnectionDuration": 1}, TypeError, "did you mean 'max_disconnection_duration'"),
        ({"max_disconnection_duration": 0}, ValueError, "max_disconnection_duration=0: a number of seconds"),
        ({"max_packets": "many"}, ValueError, "max_packets='many': a number of packets"),
        ({"max_bytes": -1}, ValueError, "max_bytes=-1: a number of bytes"),
        ({"max_sessions": True}, ValueError, "max_sessions=True: a number of sessions"),
        ({"skip_middlewares": 1}, ValueError, "skip_middlewares=1: True or False"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_with_the_value(given, error, message):
    with pytest.raises(error, match=message):
        fastsio.IO(connection_state_recovery=given)

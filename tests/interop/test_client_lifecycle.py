"""The official client and the end of connections: both sides' reasons, heartbeats, closing.

Each test plays one scenario of scenarios/lifecycle.js. Source of the reasons: socketio.md 6.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness import MS, until

only_io = pytest.mark.parametrize("style", ["io"], indirect=True)


async def test_client_disconnect_has_its_reason(stage: Any, mode: str) -> None:
    await stage.play("clientDisconnects", mode)
    await stage.all_gone()
    assert stage.log.reasons() == [stage.words("client namespace disconnect")]
    if stage.style == "io":
        # `disconnecting` runs while the rooms are still there, and before `disconnect`.
        ((_, _, _, reason, rooms),) = stage.log.of("disconnecting")
        assert (reason, rooms) == ("client namespace disconnect", ["red"])
        assert [entry[0] for entry in stage.log.entries[-2:]] == ["disconnecting", "disconnect"]


async def test_server_disconnect_delivers_what_was_sent_before(stage: Any, mode: str) -> None:
    await stage.play("serverDisconnects", mode)
    assert stage.log.reasons()[0] == stage.words("server namespace disconnect")


@only_io
async def test_server_disconnect_with_close_ends_every_namespace(stage: Any, mode: str) -> None:
    await stage.play("serverDisconnectsAndCloses", mode)
    await stage.all_gone()
    assert stage.log.reasons("/") == [stage.words("server namespace disconnect")]
    assert stage.log.reasons("/chat") == [stage.words("server namespace disconnect")]


async def test_client_that_closes_its_connection_is_a_transport_close(
    stage: Any, mode: str
) -> None:
    await stage.play("clientClosesItsEngine", mode)
    await stage.all_gone()
    (reason,) = stage.log.reasons()
    if stage.style == "aio" and mode in ("polling", "upgrading"):
        # It says so with a packet if it polls, which is the one thing that python-socketio tells apart.
        assert reason == "client disconnect" or (mode, reason) == ("upgrading", "transport close")
    else:
        assert reason == "transport close"


@pytest.mark.parametrize(
    "packet",
    [
        "2{}",  # not an array (socketio.md 5)
        '2["connect"]',  # a reserved name
        "9",  # no such packet type
        "0",  # joined already
        '2/chat,["a"]',  # not joined
        '4{"message":"x"}',  # only a server refuses
    ],
)
async def test_invalid_packet_closes_its_sender_only(stage: Any, mode: str, packet: str) -> None:
    assert await stage.play("clientSendsARawMessage", mode, packet=packet) == "transport close"
    await stage.all_gone()
    # "forced server close" where the engine close is deferred (socketio.md 6).
    assert stage.log.reasons()[0] in map(stage.words, ("forced close", "forced server close"))


async def test_too_many_attachments_close_the_connection(stage: Any, mode: str) -> None:
    assert await stage.play("clientSendsTooManyAttachments", mode) == "transport close"
    await stage.all_gone()
    assert stage.log.reasons()[0] in map(stage.words, ("forced close", "forced server close"))


async def test_server_shutdown_has_its_reason_on_both_sides(stage: Any, mode: str) -> None:
    run = await stage.start("staysWhileTheServerCloses", mode)
    await run.note("ready")
    await stage.server.close()
    assert await run.result() == ["transport close", "transport close"]
    assert stage.log.reasons("/") == [stage.words("server shutting down")]
    assert stage.log.reasons("/chat") == [stage.words("server shutting down")]


async def test_client_reconnects_after_the_server_was_closed_and_opened(
    stage: Any, mode: str
) -> None:
    run = await stage.start("reconnects", mode)
    await run.note("ready")
    port = stage.server.port
    await stage.server.close()
    assert await run.note("gone") == ["transport close", "transport close"]
    await stage.open(port=port)
    await run.result()


@pytest.mark.fault("the client's process is killed", "one `disconnect`, transport close")
async def test_killed_client_is_noticed(stage: Any, own_node: Any, mode: str) -> None:
    stage.node = own_node
    run = await stage.start("staysUntilKilled", mode)
    await run.note("ready")
    own_node.stop()
    await stage.all_gone()
    # An aborted poll is a transport error, a closed WebSocket a transport close (engineio.md 11).
    expected = {"transport error"} if mode == "polling" else {"transport close"}
    if mode == "upgrading":
        expected = {"transport error", "transport close"}
    assert set(stage.log.reasons()) <= expected
    assert len(stage.log.reasons("/")) == len(stage.log.reasons("/chat")) == 1


async def test_heartbeat_keeps_a_quiet_client(stage: Any, mode: str) -> None:
    await stage.open(ping_interval=150 * MS, ping_timeout=2_000 * MS)
    await stage.play("heartbeat", mode, beats=6)


# A client that polls shows life by its polls, so it is a WebSocket that must fall silent.
@pytest.mark.parametrize("mode", ["websocket", "upgrade"], indirect=True)
async def test_client_that_stops_answering_times_out(stage: Any, mode: str) -> None:
    # The client's own patience ends an interval after the server's.
    await stage.open(ping_interval=600 * MS, ping_timeout=100 * MS)
    assert await stage.play("clientStopsAnsweringPings", mode) == "transport close"
    await until(lambda: stage.log.reasons(), "the disconnect handler")
    assert stage.log.reasons() == ["ping timeout"]


async def test_connecting_and_leaving_many_times_leaves_nothing(stage: Any, mode: str) -> None:
    await stage.play("connectsAndLeavesManyTimes", mode, times=30)
    await stage.all_gone()
    assert stage.log.reasons() == [stage.words("client namespace disconnect")] * 30


@pytest.mark.fault("official clients leave at any moment of connecting", "nothing is left")
async def test_leaving_at_any_moment_of_connecting_leaves_nothing(stage: Any, mode: str) -> None:
    # A client that leaves during its handshake never learns its sid: its session has to time out.
    await stage.open(ping_interval=300 * MS, ping_timeout=300 * MS)
    await stage.play("leavesWhileConnecting", mode, clients=40)
    await stage.all_gone()
    sids = [sid for _, _, sid in stage.log.of("connect")]
    assert sorted(sid for _, _, sid, _ in stage.log.of("disconnect")) == sorted(sids)

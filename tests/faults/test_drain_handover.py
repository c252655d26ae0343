"""Zero-downtime restart: processes that hand their sockets over, with official clients connected all the while."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

import nginx_process
from drain_process import Server, command, running
from handover_load import play
from harness import DEADLINE_S, FakePeer, http

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


@pytest.mark.timeout(180)
@pytest.mark.fault(
    "the server is replaced by a new process under load (`fastsio serve --handover`)",
    "no connection is refused, clients of the old one are closed in slices and come back to the new one",
)
async def test_no_connect_is_refused_while_servers_replace_each_other() -> None:
    outcome = await play(restarts=2, clients=45, drain_seconds=1, settle_s=0.3)
    assert outcome.problems == [], outcome
    # Nobody lost a connection but by its turn to be closed, over polling neither.
    assert set(outcome.seen["disconnects"]) <= {"transport close", "io client disconnect"}
    assert outcome.seen["fresh"]["tries"] > 50
    assert outcome.seen["tcp"]["tries"] > 50


@pytest.mark.timeout(180)
@pytest.mark.skipif(nginx_process.PATH is None, reason="nginx is not installed")
@pytest.mark.fault(
    "the server is replaced while nginx keeps connections to it that all clients share",
    "connections are passed to the process that knows the client; no client notices but by its turn to be closed",
)
async def test_clients_of_nginx_do_not_notice_which_process_serves_them() -> None:
    outcome = await play(2, 30, 1, 0.3, nginx_process.nginx_before)
    assert outcome.problems == [], outcome
    assert set(outcome.seen["disconnects"]) <= {"transport close", "io client disconnect"}


@pytest.mark.fault(
    "a new process with --handover fails to start",
    "it ends with a status, and the old one serves on as if nothing had been",
)
async def test_new_process_that_cant_start_leaves_the_old_one_serving(tmp_path: Path) -> None:
    path = str(tmp_path / "h")
    async with running(command("--port", "0", "--handover", path)) as old:
        peer = await FakePeer(old.url).open()
        await peer.connect()
        for words in (
            ["--static", "/=missing.html"],
            ["--uds", str(tmp_path / "no" / "such"), "--fd", "99"],
        ):
            with pytest.raises(AssertionError, match="it ended before it served"):
                await Server.start(command("--port", "0", "--handover", path, *words))
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[1]"
        fresh = await FakePeer(old.url).open()
        await fresh.connect()
        for one in (peer, fresh):
            await one.close()
        old.send_signal(signal.SIGTERM)
        assert await old.ended(DEADLINE_S) == 0
    old.check_every_client_left_once()


@pytest.mark.fault(
    "the new process is killed while the old one still drains",
    "the old one serves its clients to the end of its drain; the port is free for the next start",
)
async def test_next_start_works_after_the_new_process_was_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "h")
    words = ["--handover", path, "--drain-seconds", "600"]
    async with running(command("--port", "0", *words)) as old:
        peer = await FakePeer(old.url).open()
        await peer.connect()
        port = old.url.rpartition(":")[2]
        async with running(command("--port", "0", *words)) as new:
            assert new.url == old.url
        await peer.send('420["echo",1]')
        assert await peer.receive() == "430[1]"
        async with running(command("--port", port, *words)) as third:
            assert third.url == old.url
            late = await FakePeer(third.url).open()
            await late.connect()
            old.send_signal(signal.SIGTERM)  # its second stop: hurry
            await peer.ws.receive_close()
            await peer.close()
            assert await old.ended(DEADLINE_S) == 0
            await late.send('420["echo",2]')
            assert await late.receive() == "430[2]"
            await late.close()
    old.check_every_client_left_once()


async def test_both_loops_hand_over_to_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "h")
    words = ["--port", "0", "--handover", path, "--health", "/healthz"]
    first = await Server.start(command("--loop", "uvloop", *words))
    server = first
    try:
        for loop in ("asyncio", "asyncio", "uvloop", "uvloop"):
            old, server = server, await Server.start(command("--loop", loop, *words))
            assert server.url == first.url
            assert await old.ended(DEADLINE_S) == 0, old.text
            assert (await http(server.url, "GET", "/healthz")).body == b"live"
    finally:
        await server.kill()


async def test_unix_socket_is_handed_over_and_its_file_stays(tmp_path: Path) -> None:
    uds, path = tmp_path / "s", str(tmp_path / "h")
    words = command("--uds", str(uds), "--handover", path, "--health", "/healthz")
    async with running(words) as old, running(words) as new:
        assert await old.ended(DEADLINE_S) == 0
        for _ in range(3):
            reader, writer = await asyncio.open_unix_connection(str(uds))
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"live")
            writer.close()
        new.send_signal(signal.SIGTERM)
        assert await new.ended(DEADLINE_S) == 0
    assert os.listdir(tmp_path) == []

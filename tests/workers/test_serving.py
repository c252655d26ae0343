"""`fastsio serve --workers`: one port, several processes, and a client does not see how many there are."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest
from crew_process import END_S, ask, command, environment, is_alive, running

from drain_process import Server
from handover_load import Fleet
from harness import DEADLINE_S, FakePeer, RawConnection, http, until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

POLL = "/socket.io/?EIO=4&transport=polling"


def sid_of(peer: FakePeer) -> str:
    return str(peer.handshake["sid"])


async def test_requests_of_one_session_may_reach_any_worker() -> None:
    async with running(3) as workers:
        peers = [await workers.peer() for _ in range(12)]
        at = {sid_of(peer)[:2] for peer in peers}
        assert len(at) > 1, "all came to one worker"
        for _ in range(4):
            for peer in peers:  # a connection for each request
                assert await ask(peer, "echo", "x") == "x"
        pids = {(await ask(peer, "who"))[0] for peer in peers}
        assert pids <= set(workers.pids.values())
        assert len(pids) == len(at)
        # A held GET at the owner, and the POST that it waits for on a connection of its own.
        held = asyncio.ensure_future(peers[0].receive())
        await peers[0].send('42["tell",null,"news"]')
        assert await held == '42["told","news"]'
        assert len(await ask(peers[0], "everyone")) == 12
        assert set(await ask(peers[0], "servers")) | pids == set(workers.pids.values())
        for peer in peers:
            await peer.close()
        await workers.stop()
        workers.check_ledger()


async def told(peer: FakePeer) -> list[object]:
    packet = str(await peer.receive())
    assert packet.startswith('42["told"'), packet
    return list(json.loads(packet[2:])[1:])


# --- dying, and being replaced --------------------------------------------------------------------


@pytest.mark.fault(
    "one of several workers is killed (SIGKILL)",
    "a new one takes its place, another accepts for it meanwhile; the others see its clients go at once, "
    "and theirs notice nothing",
)
async def test_a_worker_that_is_killed_is_started_again_and_its_sockets_are_gone_at_once() -> None:
    async with running(3) as workers:
        gone, stays, other = [await workers.peer_at(number) for number in (0, 1, 2)]
        await stays.upgrade()
        killed = workers.pids[0]
        os.kill(killed, signal.SIGKILL)
        for _ in range(30):  # nobody waits for the new one
            assert (await http(workers.url, "GET", POLL)).status == 200
        await until(lambda: not is_alive(killed), "its end")
        ids = await ask(stays, "everyone")
        while len(ids) == 3:  # until the end of its sockets is read; far below any heartbeat
            ids = await ask(stays, "everyone")
        assert len(ids) == 2
        await workers.count_up(4)
        assert workers.pids[0] != killed
        fresh = await workers.peer_at(0)
        answer = await gone.get()
        assert answer.json()["code"] == 1
        await stays.send('42["tell",null,"all"]')
        for peer in (fresh, stays, other):
            assert await told(peer) == ["all"]
            assert await ask(peer, "echo", 1) == 1
            await peer.close()
        await workers.stop()
        workers.check_ledger(killed={killed})


@pytest.mark.timeout(120)
@pytest.mark.fault(
    "SIGHUP to the supervisor of workers under load",
    "one worker after the other is replaced; no connect is refused, sessions go on until their worker's turn",
)
async def test_workers_are_replaced_one_by_one_without_a_refused_connect() -> None:
    async with running(2, "--drain-seconds", "0.5") as workers:
        before = workers.pids
        fleet = await Fleet.start(workers.url, 20)
        try:
            workers.server.send_signal(signal.SIGHUP)
            await until(
                lambda: "all 2 workers are new" in workers.server.text, "new workers", END_S
            )
            seen = await fleet.stop()
        finally:
            await fleet.kill()
        assert not set(before.values()) & set(workers.pids.values())
        assert not any(map(is_alive, before.values()))
        assert (seen["fresh"]["failed"], seen["tcp"]["refused"], seen["errors"]) == ({}, {}, {})
        assert set(seen["disconnects"]) <= {"transport close", "io client disconnect"}
        assert seen["fresh"]["tries"] > 10
        assert seen["tcp"]["tries"] > 10
        await workers.stop()
        workers.check_ledger()


@pytest.mark.fault(
    "new code that can't be imported, when workers are to be replaced, or one has died",
    "the old workers go on; a dead one is tried again after ever longer pauses until it can start",
)
async def test_code_that_is_broken_leaves_the_workers_that_are_there(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    async with running(2, env={"WORKERS_BROKEN": str(broken)}) as workers:
        peer = await workers.peer_at(1)
        before = workers.pids
        broken.touch()
        workers.server.send_signal(signal.SIGHUP)
        await until(lambda: "the old ones go on" in workers.server.text, "it is said", END_S)
        assert "the application is broken" in workers.server.text
        assert await ask(peer, "echo", 1) == 1
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: workers.server.text.count("the others go on") == 2, "two tries", END_S)
        assert await ask(peer, "echo", 1) == 1
        broken.unlink()
        await workers.count_up(3)
        assert workers.pids[1] == before[1]
        fresh = await workers.peer_at(0)
        for one in (peer, fresh):
            await one.close()
        await workers.stop()
        workers.check_ledger()


@pytest.mark.fault(
    "the supervisor of workers is killed",
    "its workers see that, drain and end: the port is free",
)
async def test_workers_end_with_their_supervisor() -> None:
    async with running(2) as workers:
        peer = await workers.peer("websocket")
        pids = workers.pids
        await workers.server.kill()
        await peer.ws.receive_close()
        await peer.close()
        for pid in pids.values():
            await until(lambda pid=pid: not is_alive(pid), "its end", END_S)
    with pytest.raises(ConnectionRefusedError):
        await RawConnection.open(workers.url)


# --- starting -------------------------------------------------------------------------------------


@pytest.mark.fault(
    "workers can't start: an import of the application fails, a certificate is missing, the port is taken",
    "the command ends with status 1 and says why, once",
)
async def test_a_command_whose_workers_cant_start_ends_with_their_error() -> None:
    cases = [
        (["--workers", "2"], "workers_app:nothing", "can't be served"),
        (["--workers", "0"], "workers_app:io", "workers=0"),
        (["--workers", "2", "--tls-cert", "missing.pem"], "workers_app:io", "missing.pem"),
    ]
    for words, app, text in cases:
        with pytest.raises(AssertionError, match="it ended before it served") as caught:
            await Server.start(command("--port", "0", *words, app=app), env=environment())
        assert text in str(caught.value)
        assert "Traceback" not in str(caught.value)


async def test_the_port_is_not_shared_and_a_second_signal_lets_workers_hurry() -> None:
    async with running(2, "--drain-seconds", "600") as workers:
        port = workers.url.rpartition(":")[2]
        with pytest.raises(AssertionError, match="Address already in use"):
            await Server.start(command("--port", port, "--workers", "2"), env=environment())
        peer = await workers.peer("websocket")
        workers.server.send_signal(signal.SIGTERM)
        assert await ask(peer, "echo", 1) == 1
        await until(lambda: is_refused(int(port)), "nobody listens")
        assert await ask(peer, "echo", 2) == 2
        await workers.stop()  # which is the second
        await peer.ws.receive_close()
        await peer.close()
        workers.check_ledger()


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_workers_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    words = command("--uds", str(path), "--workers", "2", "--health", "/healthz")
    server = await Server.start(words, env=environment())
    try:
        for _ in range(4):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"live")
            writer.close()
        server.send_signal(signal.SIGTERM)
        assert await server.ended(DEADLINE_S * 2) == 0, server.text
        assert os.listdir(tmp_path) == []
    finally:
        await server.kill()

"""Connection state recovery with workers: a client is itself again at any of them, by the one that it comes from.

At another one its messages are passed on; a browser that brings the cookie of its last session is led to its own.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
from typing import Any

import pytest
from crew_process import Workers, ask, running

from cluster.servers import HERE, Server
from cluster.switch import Switch
from harness import FakePeer, until

pytestmark = [pytest.mark.asyncio(loop_factories=["asyncio"]), pytest.mark.timeout(120)]
RECOVERY: dict[str, Any] = {"connection_state_recovery": {}}


def home_of(peer: FakePeer) -> str:
    """What the worker is called that has the session."""
    return str(peer.handshake["sid"])[:2]


async def at(workers: Workers, home: str, is_home: bool = True, **how: Any) -> FakePeer:
    """A connection to the worker of that name, or to another one."""
    for _ in range(200):
        peer = await FakePeer(workers.url, **how).open()
        if (home_of(peer) == home) is is_home:
            return peer
        await peer.close()
    raise AssertionError(f"200 clients, and none came to {home if is_home else 'another'}")


async def told(peer: FakePeer) -> list[Any]:
    """The arguments of an event that comes to all; the last one is its offset."""
    packet = str(await peer.receive())
    assert packet.startswith('42["told",'), packet
    arguments: list[Any] = json.loads(packet[2:])[1:]
    return arguments


async def lose(workers: Workers, peer: FakePeer, sid: str) -> None:
    """Cut a client's connection, and wait until its worker has seen it."""
    before = len(workers.server.of("gone"))
    peer.abort()
    await until(lambda: sid in [one[1] for one in workers.server.of("gone")[before:]], "its end")


async def come_back(peer: FakePeer, known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Join with what is known of the last connection: the answer, and what comes before that."""
    await peer.send("40" + json.dumps(known))
    missed: list[str] = []
    while not (packet := str(await peer.receive())).startswith("40"):
        missed.append(packet)
    return json.loads(packet[2:]), missed


def check_ledger(workers: Workers, killed: int = 0) -> None:
    """As many disconnects as connects, for each id in each worker: who is back has the same id again."""
    came = collections.Counter((pid, sid) for pid, sid in workers.server.of("in") if pid != killed)
    left = collections.Counter(
        (pid, sid) for pid, sid, _ in workers.server.of("gone") if pid != killed
    )
    assert came and came == left
    assert "Traceback" not in workers.server.text, workers.server.text


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.fault(
    "a client of several workers loses its connection and comes back to another one (recovery)",
    "its messages are passed on to its own worker: it is itself, and no event is lost or doubled",
)
async def test_a_client_is_itself_again_at_another_worker(transport: str) -> None:
    async with running(3, **RECOVERY) as workers:
        teller = await workers.peer("websocket")
        peer = await FakePeer(workers.url).open()
        home, its = home_of(peer), await peer.connect()
        assert its["pid"].startswith(home)
        await ask(peer, "join", "a room")
        for round_ in range(3):
            await teller.send(f'42["tell","a room","before {round_}"]')
            offset = (await told(peer))[-1]
            if peer.ws is None:
                await peer.upgrade()
            await lose(workers, peer, its["sid"])
            await teller.send(f'42["tell","a room","missed {round_}"]')
            assert await ask(teller, "echo", 1) == 1
            peer = await at(workers, home, is_home=False, transport=transport)
            again, missed = await come_back(peer, {"pid": its["pid"], "offset": offset})
            assert again == its
            assert len(missed) == 1 and f'"missed {round_}"' in missed[0]
            assert await ask(peer, "echo", "naïve 🦊") == "naïve 🦊"
            assert await ask(peer, "size", "x" * 200_000) == 200_000
            await peer.send('451-0["echo",{"_placeholder":true,"num":0}]', b"\x00\xff")
            assert await peer.receive() == '461-0[{"_placeholder":true,"num":0}]'
            assert await peer.receive() == b"\x00\xff"
        if transport == "polling":
            await peer.upgrade()
            assert await ask(peer, "echo", 2) == 2
        pid, number = await ask(peer, "who")
        assert workers.pids[number] == pid
        assert [sid for _, sid in workers.server.of("in")].count(its["sid"]) == 4
        await peer.send("41")
        await until(
            lambda: [sid for _, sid, _ in workers.server.of("gone")].count(its["sid"]) == 4, "left"
        )
        for one in (peer, teller):
            await one.close()
        await workers.stop()
        check_ledger(workers)


async def test_official_clients_that_are_cut_off_are_all_recovered() -> None:
    count = 12
    async with running(3, cors_allowed_origins="*", **RECOVERY) as workers, Switch() as switch:
        switch.target = int(workers.url.rpartition(":")[2])
        teller = await workers.peer("websocket")
        url = f"http://127.0.0.1:{switch.port}"
        clients = Server(["node", str(HERE / "recovery_clients.js"), url, str(count)])
        await asyncio.to_thread(clients.start)
        sent = 0

        async def all_have() -> list[dict[str, Any]]:
            nonlocal sent
            await teller.send(f'42["count",{sent}]')
            sent += 1
            report: list[dict[str, Any]] = []
            for _ in range(1500):
                report = await clients.call("report")
                if all(one["connected"] and one["got"][-1:] == [sent - 1] for one in report):
                    return report
                await asyncio.sleep(0.02)
            raise AssertionError(report)

        try:
            for _ in range(1500):
                if all(one["connected"] for one in await clients.call("report")):
                    break
                await asyncio.sleep(0.02)
            await all_have()
            for _ in range(3):
                switch.cut()
                for _ in range(20):
                    await teller.send(f'42["count",{sent}]')
                    sent += 1
                report = await all_have()
            for one in report:
                assert one["got"] == list(range(sent)), one
                assert len({connect["id"] for connect in one["connects"]}) == 1
                first, *others = [connect["recovered"] for connect in one["connects"]]
                assert not first and all(others)
            # One whose connection was just being made is not cut.
            assert sum(len(one["connects"]) - 1 for one in report) > 2 * count
        finally:
            await asyncio.to_thread(clients.stop)
            await teller.close()
        await workers.stop()


@pytest.mark.fault(
    "the worker is killed that has a client which another one passes on to it",
    "the client's connection ends at once; when it is back it is somebody new",
)
async def test_a_client_that_is_passed_on_sees_its_own_worker_die() -> None:
    async with running(2, **RECOVERY) as workers:
        peer = await workers.peer_at(0)
        killed, home = workers.pids[0], home_of(peer)
        lost = await at(workers, home)
        its = await lost.connect()
        await lose(workers, lost, its["sid"])
        back = await at(workers, home, is_home=False)
        again, _ = await come_back(back, {"pid": its["pid"]})
        assert again == its
        os.kill(killed, signal.SIGKILL)
        assert back.ws is not None
        await back.ws.receive_close()
        await workers.count_up(3)
        stranger = await FakePeer(workers.url).open()
        again, missed = await come_back(stranger, {"pid": its["pid"]})
        assert again["sid"] != its["sid"] and missed == []
        await stranger.close()
        await workers.stop()
        check_ledger(workers, killed)


@pytest.mark.fault(
    "a client comes back to another worker, and its own hangs",
    "after five seconds it is somebody new where it is",
)
async def test_a_worker_that_does_not_answer_makes_somebody_new() -> None:
    async with running(2, **RECOVERY) as workers:
        peer = await workers.peer_at(0)
        home = home_of(peer)
        lost = await at(workers, home)
        its = await lost.connect()
        await lose(workers, lost, its["sid"])
        back = await at(workers, home, is_home=False)
        os.kill(workers.pids[0], signal.SIGSTOP)
        try:
            await back.send("40" + json.dumps({"pid": its["pid"]}), '420["echo","early"]')
            said = "is somebody new here: no answer for 5 s"
            await until(lambda: said in workers.server.text, "it is said", 20)
            packets = [str(await back.receive()) for _ in range(2)]
        finally:
            os.kill(workers.pids[0], signal.SIGCONT)
        again = json.loads(packets[0][2:])
        assert again["sid"] != its["sid"] and not again["pid"].startswith(home)
        assert packets[1] == '430["early"]'
        for one in (back, peer):
            await one.close()
        await workers.stop()
        check_ledger(workers)


async def test_a_browser_s_cookie_leads_it_to_its_own_worker() -> None:
    async with running(3, cookie=True, **RECOVERY) as workers:
        teller = await workers.peer("websocket")
        for round_ in range(4):
            first = await FakePeer(workers.url).open()
            its = await first.connect()
            await teller.send(f'42["tell",null,"before {round_}"]')
            offset = (await told(first))[-1]
            await told(teller)
            await lose(workers, first, its["sid"])
            await teller.send(f'42["tell",null,"missed {round_}"]')
            await told(teller)
            cookie = {"Cookie": f"theme=dark; io={first.handshake['sid']}"}
            transport = ("websocket", "polling")[round_ % 2]
            back = await FakePeer(workers.url, transport, headers=cookie).open()
            assert home_of(back) == home_of(first)
            again, missed = await come_back(back, {"pid": its["pid"], "offset": offset})
            assert again == its and f'"missed {round_}"' in "".join(missed)
            assert await ask(back, "echo", 1) == 1
            await back.close()
        for cookie in ("io=", "io=x", "io=" + "?" * 20, "other=" + first.handshake["sid"]):
            stranger = await FakePeer(workers.url, headers={"Cookie": cookie}).open()
            await stranger.connect()
            await stranger.close()
        await teller.close()
        await workers.stop()
        check_ledger(workers)

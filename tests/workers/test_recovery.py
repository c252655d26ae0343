"""Connection state recovery with workers, as docs/workers.md says it: by the worker that had the client, and no other.

A browser that brings the cookie of its last session is led to that worker.
"""

from __future__ import annotations

import collections
import json
from typing import Any

import pytest
from crew_process import Workers, ask, running

from harness import FakePeer, until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])
RECOVERY: dict[str, Any] = {"connection_state_recovery": {}}


def home_of(peer: FakePeer) -> str:
    """What the session's worker is called."""
    return str(peer.handshake["sid"])[:2]


async def lose(workers: Workers, peer: FakePeer, sid: str) -> None:
    """Cut a client's connection, and wait until its worker has seen it."""
    peer.abort()
    await until(lambda: sid in [one[1] for one in workers.server.of("gone")], "its end")


async def come_back(peer: FakePeer, known: dict[str, Any]) -> tuple[bool, list[str]]:
    """Join with what is known of the last connection: whether it is itself again, and what comes before that."""
    await peer.send("40" + json.dumps(known))
    missed: list[str] = []
    while not (packet := str(await peer.receive())).startswith("40"):
        missed.append(packet)
    return json.loads(packet[2:])["pid"] == known["pid"], missed


async def told(peer: FakePeer) -> str:
    """The offset of an event that comes to all."""
    packet = str(await peer.receive())
    assert packet.startswith('42["told",'), packet
    offset: str = json.loads(packet[2:])[-1]
    return offset


def check_ledger(workers: Workers) -> None:
    """As many disconnects as there were connects, for each id in each worker: who is back has the same id again."""
    came = collections.Counter((pid, sid) for pid, sid in workers.server.of("in"))
    left = collections.Counter((pid, sid) for pid, sid, _ in workers.server.of("gone"))
    assert came and came == left
    assert "Traceback" not in workers.server.text, workers.server.text


@pytest.mark.fault(
    "a client of several workers loses its connection, with connection state recovery",
    "its own worker recovers it; at another one it is somebody new, unless it brings its session's cookie, "
    "which leads it to its own",
)
async def test_a_client_is_recovered_by_its_own_worker_and_is_somebody_new_at_another() -> None:
    async with running(2, **RECOVERY) as workers:
        lost = [await FakePeer(workers.url).open()]
        while home_of(lost[-1]) != home_of(lost[0]) or len(lost) < 2:
            lost.append(await FakePeer(workers.url).open())
        strangers, lost = lost[1:-1], [lost[0], lost[-1]]
        ids = [await one.connect() for one in lost]
        teller = await workers.peer("websocket")
        await teller.send('42["tell",null,"before"]')
        offsets = [await told(one) for one in (*lost, teller)][:2]
        for one, its in zip(lost, ids, strict=True):
            await lose(workers, one, its["sid"])
        await teller.send('42["tell",null,"missed"]')
        await told(teller)
        known = [
            {"pid": its["pid"], "offset": offset} for its, offset in zip(ids, offsets, strict=True)
        ]
        back = [await at(workers, home_of(lost[0]), is_home) for is_home in (True, False)]
        is_itself, missed = await come_back(back[0], known[0])
        assert is_itself and len(missed) == 1 and '"missed"' in missed[0]
        assert await come_back(back[1], known[1]) == (False, [])
        for one in (*strangers, *back, teller):
            await one.close()
        await workers.stop()
        check_ledger(workers)
        recovered = [is_recovered for _, _, is_recovered in workers.server.of("at")]
        assert collections.Counter(recovered) == {True: 1, False: 4}


async def at(workers: Workers, home: str, is_home: bool) -> FakePeer:
    """A connection to the worker of that name, or to another one."""
    for _ in range(200):
        peer = await FakePeer(workers.url).open()
        if (home_of(peer) == home) is is_home:
            return peer
        await peer.close()
    raise AssertionError(f"200 clients, and none came to {home if is_home else 'another'}")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_browser_s_cookie_leads_it_to_the_worker_that_can_recover_it(
    transport: str,
) -> None:
    async with running(3, cookie=True, **RECOVERY) as workers:
        teller = await workers.peer("websocket")
        for round_ in range(6):
            first = await FakePeer(workers.url).open()
            its = await first.connect()
            await teller.send(f'42["tell",null,"before {round_}"]')
            offset = await told(first)
            await told(teller)
            await lose(workers, first, its["sid"])
            await teller.send(f'42["tell",null,"missed {round_}"]')
            await told(teller)
            cookie = {"Cookie": f"theme=dark; io={first.handshake['sid']}"}
            back = await FakePeer(workers.url, transport, headers=cookie).open()
            assert home_of(back) == home_of(first)
            known = {"pid": its["pid"], "offset": offset}
            is_itself, missed = await come_back(back, known)
            assert is_itself and f'"missed {round_}"' in "".join(missed)
            assert await ask(back, "echo", 1) == 1
            await back.close()
        for cookie in ("io=", "io=x", "io=" + "?" * 20, "other=" + first.handshake["sid"]):
            stranger = await FakePeer(workers.url, headers={"Cookie": cookie}).open()
            await stranger.connect()
            await stranger.close()
        await teller.close()
        await workers.stop()
        check_ledger(workers)

"""A python-socketio of before 5.14 in the cluster: it publishes pickles, which are not read, and reads what is JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .python_peers import Peer, Programs
from .servers import Redis

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

OLD, OURS = "socketio async AsyncRedisManager 5.11.4", "fastsio async AsyncRedisManager"


@pytest.fixture(scope="module")
def programs(redis: Redis) -> Iterator[Programs]:
    programs = Programs(redis.url, OLD, OURS)
    yield programs
    programs.stop()


@pytest.mark.fault(
    "a server of python-socketio 5.13 or older is in the cluster",
    "it is told what it can read, one value without bytes; what it publishes is not read, but counted and logged",
)
async def test_an_old_server_reads_one_value_and_is_not_read(programs: Programs):
    on_old = await Peer().connect(programs[OLD])
    on_ours = await Peer().connect(programs[OURS])
    # Its first client has made it listen; when it does is not told.
    while ("ready",) not in on_old.got:
        await programs[OURS].do("emit", "ready", to=on_old.sid)
        await on_old.came(0.1)
    on_old.got.clear()
    await programs[OURS].do("enter_room", on_old.sid, "club")
    await programs[OURS].do("emit", "one", {"a": ["ü", None]}, room="club")
    await programs[OURS].do("emit", "none")
    await programs[OURS].do("emit", "skipped", 1, skip_sid=on_old.sid)
    on_old.answer = "yes"
    await programs[OURS].do("emit", "several", {"$tuple": ["x", 2]}, to=on_old.sid)
    while len(on_old.got) < 3:
        await on_old.came(5)
    # Several values are a list to it, for lack of a way to say it.
    assert on_old.got == [("one", {"a": ["ü", None]}), ("none",), ("several", ["x", 2])]
    before = (await programs[OURS].do("lost"))["counts"].get("pickle", 0)
    await programs[OLD].do("emit", "from old", 1)
    await programs[OURS].do("emit", "round", to=on_old.sid)
    while (counts := (await programs[OURS].do("lost"))["counts"]).get("pickle", 0) == before:
        await on_ours.came(0.05)
    assert counts == {"pickle": before + 1}
    assert ("from old", 1) not in on_ours.got
    for client in (on_old, on_ours):
        await client.io.disconnect()

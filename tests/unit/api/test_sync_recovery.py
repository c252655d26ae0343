"""Connection state recovery of the server whose handlers run in threads."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import fastsio
from thread_stage import Stage, eventually


@pytest.fixture
def stage() -> Iterator[Stage]:
    one = Stage()
    yield one
    one.close()


def test_client_gets_what_threads_emitted_while_it_was_away(stage: Stage) -> None:
    sio = fastsio.Server(connection_state_recovery={})
    seen = []

    @sio.event
    def connect(sid, environ):
        seen.append(("connect", sid, sio.is_recovered(sid)))

    @sio.event
    def disconnect(sid, reason):
        seen.append(("disconnect", sid, reason))

    url = stage.serve(sio)
    peer = stage.peers.open(url)
    ids = peer.connect()
    sid = ids["sid"]
    sio.enter_room(sid, "room")
    sio.save_session(sid, {"name": "Ann"})
    sio.emit("known", 1)
    known = json.loads(peer.receive()[2:])
    assert known[:2] == ["known", 1]
    peer.close()
    eventually(lambda: len(seen) == 2, "the disconnect handler")
    data = {"n": 0}
    sio.emit("to all", data)
    sio.emit("to the room", data, room="room")
    sio.emit("to it", (1, b"\x00"), to=sid)
    sio.emit("not to it", data, skip_sid=sid)
    data["n"] = 1
    peer = stage.peers.open(url)
    peer.send("40" + json.dumps({"pid": ids["pid"], "offset": known[-1]}))
    packets = [peer.receive() for _ in range(5)]
    assert [json.loads(packet[2:])[:-1] for packet in packets[:2]] == [
        ["to all", {"n": 0}], ["to the room", {"n": 0}],
    ]  # fmt: skip
    assert packets[2].startswith('451-["to it",1,{"_placeholder":true,"num":0},"')
    assert packets[3:] == [b"\x00", "40" + json.dumps(ids, separators=(",", ":"))]
    assert sio.is_recovered(sid)
    assert sio.get_session(sid) == {"name": "Ann"}
    assert set(sio.rooms(sid)) == {sid, "room"}
    assert seen == [
        ("connect", sid, False), ("disconnect", sid, "transport close"), ("connect", sid, True),
    ]  # fmt: skip

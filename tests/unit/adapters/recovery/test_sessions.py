"""Sessions as they are in Redis: Node's form, what is read back of it, and what is none."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import msgspec
import pytest

from fastsio.adapters.recovery.sessions import entry_at, pack_session, position_of, read_session
from fastsio.core.recovery_store import SavedSession

SID, PID = "s" * 20, "p" * 20


def session(
    rooms: dict[Any, Any] | None = None, data: Any = None, since: Any = None
) -> SavedSession:
    return SavedSession(SID, PID, {SID: since} if rooms is None else rooms, data or {}, since)


@pytest.mark.parametrize("entry", ["0-0", "1-0", "1795510780364-0", "1795510780364-1048575"])
def test_an_entrys_id_is_a_position_and_back(entry: str):
    position = position_of(entry)
    assert position is not None and entry_at(position) == entry


def test_positions_compare_as_entries_do():
    entries = ["0-1", "1-0", "1-9", "1-10", "2-0", "10-0", "1795510780364-3", "1795510780365-0"]
    positions = [position_of(entry) for entry in entries]
    assert positions == sorted(positions)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "text",
    ["", "1", "-", "1-", "-1", "1-1-1", "a-1", "1-a", " 1-1", "1-1\n", "\u0661-1", "1" * 16 + "-1"],
)
def test_what_is_no_entry_has_no_position(text: str):
    assert position_of(text) is None


def test_a_session_is_nodes_form_to_the_byte():
    made = pack_session(session({SID: None, "room": None}, {"n": 1}))
    raw = b"\x84\xa3sid\xb4" + SID.encode() + b"\xa3pid\xb4" + PID.encode()
    raw += b"\xa5rooms\x92\xb4" + SID.encode() + b"\xa4room\xa4data\x81\xa1n\x01"
    assert base64.b64decode(made) == raw


def test_what_nodes_servers_do_not_know_comes_behind_their_fields():
    made = pack_session(session({SID: 5 << 20, "room": 7 << 20}, since=5 << 20), on="abc")
    told = msgspec.msgpack.decode(base64.b64decode(made))
    assert list(told) == ["sid", "pid", "rooms", "data", "since", "joined", "on"]
    assert (told["since"], told["joined"], told["on"]) == ("5-0", ["", "7-0"], "abc")


@pytest.mark.parametrize(
    "made",
    [
        session({SID: None, "a": None}, {"deep": [1, 2.5, None, True, {"b": b"\x00"}]}),
        session({SID: 5, "a": 5, "b": 9, 7: 5}, since=5),
        session({SID: 5, ("a", 1): 9}, since=5),
        session(data={"at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)}),
    ],
)
def test_what_is_written_is_read_back(made: SavedSession):
    read, on = read_session(pack_session(made, "uid"), PID)
    assert (read.sid, read.pid, read.rooms, read.data) == (made.sid, PID, made.rooms, made.data)
    assert (read.since, on) == (made.since, "uid")


def test_data_that_node_does_not_have_is_none():
    raw = base64.b64encode(
        msgspec.msgpack.encode({"sid": SID, "pid": PID, "rooms": [], "data": None})
    )
    assert read_session(raw, PID)[0].data == {}
    assert read_session(raw, PID)[0].rooms == {SID: None}


def test_data_that_messagepack_cannot_hold_is_refused():
    with pytest.raises(TypeError):
        pack_session(session(data={"lock": object()}))


def test_another_clients_session_is_none():
    with pytest.raises(ValueError, match="not its session"):
        read_session(pack_session(session()), "q" * 20)

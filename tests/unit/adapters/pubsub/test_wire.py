"""python-socketio's messages: what its versions write is read, and what is written they read."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from socketio.packet import Packet

from fastsio._json import Json
from fastsio.adapters.pubsub import wire

JSON = Json()

# As python-socketio's PubSubManager.emit() of these versions has published them: data, and what clients are to get.
CAPTURED: list[tuple[str, str, list[Any]]] = [
    ("5.14.0", '{"method": "emit", "event": "e", "data": {"a": [1]}, "namespace": "/", "room": null, "skip_sid": null, '
     '"callback": null, "host_id": "3b2f"}', [{"a": [1]}]),
    ("5.14.0, a tuple", '{"method": "emit", "event": "e", "data": ["x", 2], "namespace": "/", "room": null, '
     '"skip_sid": null, "callback": null, "host_id": "3b2f"}', ["x", 2]),
    ("5.14.0, nothing", '{"method": "emit", "event": "e", "data": null, "namespace": "/", "room": null, '
     '"skip_sid": null, "callback": null, "host_id": "3b2f"}', []),
    ("5.14.3, bytes", '{"method": "emit", "event": "e", "data": [{"a": {"_placeholder": true, "num": 0}}, "AQID"], '
     '"binary": true, "namespace": "/", "room": null, "skip_sid": null, "callback": null, "host_id": "3b2f"}',
     [{"a": b"\1\2\3"}]),
    ("5.18.1", '{"method": "emit", "event": "e", "data": ["na\\u00efve"], "binary": false, "namespace": "/", '
     '"room": null, "skip_sid": null, "callback": null, "host_id": "3b2f"}', ["naïve"]),
    ("5.18.1, a list", '{"method": "emit", "event": "e", "data": [[1, 2]], "binary": false, "namespace": "/", '
     '"room": null, "skip_sid": null, "callback": null, "host_id": "3b2f"}', [[1, 2]]),
    ("5.18.1, nothing", '{"method": "emit", "event": "e", "data": [null], "binary": false, "namespace": "/", '
     '"room": null, "skip_sid": null, "callback": null, "host_id": "3b2f"}', []),
    ("5.18.1, several with bytes", '{"method": "emit", "event": "e", "data": [["x", {"_placeholder": true, "num": 0}, '
     '{"y": {"_placeholder": true, "num": 1}}], "AQ==", "Ag=="], "binary": true, "namespace": "/", "room": null, '
     '"skip_sid": null, "callback": null, "host_id": "3b2f"}', ["x", b"\1", {"y": b"\2"}]),
    ("another program", '{"method":"emit","event":"e","data":5}', [5]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "args"), [one[1:] for one in CAPTURED], ids=[one[0] for one in CAPTURED]
)
@pytest.mark.parametrize("form", [str, str.encode, json.loads], ids=["text", "bytes", "read"])
def test_what_versions_have_written_is_read(text: str, args: list[Any], form: Any):
    found = wire.read(JSON, form(text))
    emit = wire.read_emit(found)
    assert (emit.event, emit.args) == ("e", args)
    assert (emit.rooms, emit.excluded, emit.callback) == (None, [], None)
    assert found["namespace"] == "/"


def theirs(data: bytes) -> tuple[Any, ...]:
    """The arguments that python-socketio since 5.15.1 would emit: its _handle_emit(), and Manager.emit()."""
    found = json.loads(data)
    value = found["data"]
    if found.get("binary"):
        value = wire.bytes_in(value)
        assert value == Packet.reconstruct_binary(
            found["data"][0], [__import__("base64").b64decode(one) for one in found["data"][1:]]
        )
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else tuple(value)
    return value if isinstance(value, tuple) else () if value is None else (value,)


ARGS: list[list[Any]] = [
    [], [1], ["x"], [{"a": 1}], [[1, 2]], [[[1]]], [[]], ["x", 2], [None, None], ["x", [b"1", {"a": b"2"}]], [b"1"],
    [[b"1"]], [{"a": b""}], [True], [2**70], ["\ud83e"], [1.5], [[None]],
]  # fmt: skip


@pytest.mark.parametrize("args", ARGS, ids=repr)
def test_what_is_written_is_read_by_them_and_by_us(args: list[Any]):
    data = wire.emit(JSON, wire.event_of(JSON, ["e", *args]), "me", "/chat", ["r"], ["s", "t"])
    assert theirs(data) == tuple(args)
    found = wire.read(JSON, data)
    assert wire.read_emit(found) == wire.Emit("e", args, ["r"], ["s", "t"], None)
    assert (found["namespace"], found["host_id"]) == ("/chat", "me")


@pytest.mark.parametrize(
    ("args", "data"),
    [([1], 1), ([{"a": 1}], {"a": 1}), ([], None), ([[1]], [[1]]), ([1, 2], [1, 2]),
     ([b"\1"], [{"_placeholder": True, "num": 0}, "AQ=="])],
)  # fmt: skip
def test_one_value_that_is_no_list_is_written_as_all_versions_read_it(args: list[Any], data: Any):
    written = wire.emit(JSON, wire.event_of(JSON, ["e", *args]), "me", "/", None)
    assert json.loads(written)["data"] == data


def test_rooms_are_one_or_a_list():
    event = wire.event_of(JSON, ["e"])

    def fields(rooms: Any, excluded: Any) -> tuple[Any, Any]:
        found = json.loads(wire.emit(JSON, event, "me", "/", rooms, excluded))
        return found["room"], found["skip_sid"]

    assert fields(None, []) == (None, None)
    assert fields(["a"], ["b"]) == ("a", "b")
    assert fields(["a", 5], ["b", "c"]) == (["a", 5], ["b", "c"])


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": object()}])
def test_what_json_cannot_hold_is_the_callers_error(value: Any):
    with pytest.raises(TypeError):
        wire.event_of(JSON, ["e", value])


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error"])
def test_reserved_names_are_the_callers_error(name: str):
    with pytest.raises(ValueError, match="reserved"):
        wire.event_of(JSON, [name])


def test_over_ten_binary_values_are_the_callers_error():
    with pytest.raises(ValueError, match="10"):
        wire.event_of(JSON, ["e", [b"x"] * 11])


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_told(protocol: int):
    assert wire.is_pickle(pickle.dumps({"method": "emit"}, protocol))


@pytest.mark.parametrize("data", [b"", b"{}", "{}", b"\x80", {"method": "emit"}])
def test_what_is_no_pickle_is_not_taken_for_one(data: Any):
    assert not wire.is_pickle(data)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"5", b"{}", b'{"method":5}', b'{"method":"x"}', b"\xff", b'{"method":"emit"},1',
             b'{"method":"emit","namespace":5}', b'{"method":"emit","host_id":[]}', b"[" * 2000],
)  # fmt: skip
def test_what_is_no_message_is_a_value_error(data: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - of many kinds
        wire.read(JSON, data)


@pytest.mark.parametrize("module", [json, None])
def test_a_json_module_may_be_given(module: Any):
    made = wire.readable_json(module)
    assert json.loads(wire.message(made, "callback", "me", "/", args=[1, "ü"]))["args"] == [1, "ü"]


def test_bytes_where_json_has_to_be_are_the_callers_error():
    with pytest.raises(TypeError, match="bytes"):
        wire.message(JSON, "enter_room", "me", "/", room=b"x")

"""python-socketio's messages between servers: one channel, JSON, a dict with a `method` each.

Pure. Read: all forms of what python-socketio since 5.14 writes, and what other programs write by its documentation.
Never read: the pickles of 5.13 and older. Written: what every version since 5.15.1 reads; of one value that is no list,
since 5.14; without bytes in it, all that ever were.

| version | `data` of an emit |
|---|---|
| 5.13 and older | a pickle; of JSON that they get, one value |
| 5.14 to 5.15.0 | one value: a tuple becomes a list. Bytes since 5.14.2: `binary` says that there are any |
| since 5.15.1 | the list of the event's arguments; read is one value that is no list, too |

With `binary` it is a list: that, with placeholders for bytes, and behind it each of these in Base64.
Source: python-socketio's PubSubManager.
"""

import base64
import json as stdlib_json
from collections.abc import Iterable
from typing import Any, NamedTuple

from fastsio._codec import check_event_name, encode_packet, split_packet
from fastsio._encoded import Encoded
from fastsio._frames import ProtocolError
from fastsio._json import Json
from fastsio.packet import Packet

# An answer's packet is a list of anything: by way of one, JSON is read and written as it is for clients.
ACK = 3
# How what pickle.dumps() has written since Python 3.0 begins: its protocol, 2 to 5.
PICKLED = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
METHODS = frozenset(
    ("emit", "callback", "disconnect", "enter_room", "leave_room", "close_room", "fastsio")
)


class Event(NamedTuple):
    """An event as emits carry it: its name, and its arguments as `data` and `binary` have them. All are JSON."""

    name: str
    data: str
    is_binary: bool

    @property
    def fields(self) -> str:
        binary = "true" if self.is_binary else "false"
        return f'"event":{self.name},"data":{self.data},"binary":{binary}'


class Emit(NamedTuple):
    """An emit that has come. rooms: None is everyone. callback: who wants answers, as its sender will know it again."""

    event: str
    args: list[Any]
    rooms: list[Any] | None
    excluded: list[Any]
    callback: list[Any] | None


# --- out ---------------------------------------------------------------------------------------------


def text_of(json: Json, value: Any) -> str:
    """JSON. Raises TypeError for what it can't hold, bytes among that, ValueError for what is nested too deeply."""
    packet = encode_packet(ACK, [value], id=0, json=json)
    if packet.has_binary:
        raise TypeError("bytes in what has to be JSON")
    return _list_in(packet)[1:-1]


def _list_in(packet: Encoded) -> str:
    """The JSON in an ACK: behind the types, the number of attachments and the id."""
    return packet.text[packet.text.index(b"[") :].decode()


def event_of(json: Json, args: list[Any]) -> Event:
    """[event, *args] for emit(). Raises TypeError for what JSON can't hold, ValueError for a reserved name, or for over
    10 binary values, which clients refuse.
    """  # fmt: skip
    check_event_name(args[0])
    packet = encode_packet(ACK, args[1:], id=0, json=json)
    name, text = text_of(json, args[0]), _list_in(packet)
    if packet.has_binary:
        attachments = [f'"{base64.b64encode(data).decode()}"' for data in packet.attachments]
        return Event(name, f"[{','.join((_shortest(args[1:], text), *attachments))}]", True)
    return Event(name, _shortest(args[1:], text), False)


def _shortest(args: list[Any], text: str) -> str:
    """One value that is no list, by itself, as every version reads it; else the list."""
    if not args:
        return "null"
    is_list = len(args) != 1 or text[1:].lstrip()[:1] == "["
    return "[null]" if text == "[null]" else text if is_list else text[1:-1]


def emit(
    json: Json, event: Event, host_id: str, namespace: str, rooms: Iterable[Any] | None,
    excluded: Iterable[Any] = (), callback: list[Any] | None = None, extra: dict[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """The message of an emit. `extra`: further fields, which python-socketio does not look at."""
    rest = {
        "namespace": namespace,
        "room": None if rooms is None else _one_or_list(rooms),
        "skip_sid": _one_or_list(excluded),
        "callback": callback,
        "host_id": host_id,
        **(extra or {}),
    }
    return f'{{"method":"emit",{event.fields},{text_of(json, rest)[1:]}'.encode()


def _one_or_list(rooms: Iterable[Any]) -> Any:
    found = list(rooms)
    return None if not found else found[0] if len(found) == 1 else found


def message(
    json: Json, method: str, host_id: str, namespace: str, event: Event | None = None, **fields: Any
) -> bytes:
    """Any other message. Raises TypeError for what JSON can't hold."""
    text = text_of(json, {"method": method, **fields, "namespace": namespace, "host_id": host_id})
    return (text if event is None else f"{{{event.fields},{text[1:]}").encode()


def with_bytes(value: Any) -> tuple[Any, bool]:
    """`value` as JSON can have it, and whether it is [value with placeholders, Base64, Base64…] now."""
    if not Packet.data_is_binary(value):
        return value, False
    plain, attachments = Packet.deconstruct_binary(value)
    return [plain, *(base64.b64encode(data).decode() for data in attachments)], True


# --- in ----------------------------------------------------------------------------------------------


def is_pickle(data: Any) -> bool:
    """Whether it is what python-socketio 5.13 and older publish."""
    return isinstance(data, bytes) and data.startswith(PICKLED)


def read(json: Json, data: Any) -> dict[str, Any]:
    """The message in what has come: bytes, text, or a dict where the transport has read it already.

    Raises ValueError for what is no message.
    """
    found = data if isinstance(data, dict) else _value_in(json, data)
    if not isinstance(found, dict) or not isinstance(found.get("method"), str):
        raise ValueError("no object with a method")
    if found["method"] not in METHODS:
        raise ValueError(f"no such method: {found['method']:.50}")
    _text(found, "host_id", "")
    _text(found, "namespace", "/")
    return found


def _value_in(json: Json, data: bytes | str) -> Any:
    text = f"{ACK}0[{data}]" if isinstance(data, str) else b"%d0[%b]" % (ACK, data)
    try:
        values = split_packet(text, json).data
    except ProtocolError as error:
        raise ValueError(error.reason) from error
    if len(values) != 1:
        raise ValueError("not one value")
    return values[0]


def _text(found: dict[str, Any], name: str, default: str) -> None:
    """Let a field be a text, in place: missing and null are the default."""
    value = found.get(name)
    if value is None:
        found[name] = default
    elif not isinstance(value, str):
        raise ValueError(f"{name} is no text: {value!r:.50}")


def read_emit(found: dict[str, Any]) -> Emit:
    """An emit. Raises ValueError for what can't be one."""
    event = found.get("event")
    check_event_name(event)
    rooms = found.get("room")
    callback = found.get("callback")
    # Of another length python-socketio takes it for none.
    is_asked = isinstance(callback, list) and len(callback) == 3
    return Emit(
        str(event), read_args(found), None if rooms is None else read_rooms(rooms),
        read_rooms(found.get("skip_sid")), callback if is_asked else None,
    )  # fmt: skip


def read_args(found: dict[str, Any]) -> list[Any]:
    """The arguments in `data`; what a null says by itself is that there are none."""
    if "data" not in found:
        raise ValueError("an emit without data")
    data = bytes_in(found["data"]) if found.get("binary") else found["data"]
    if data is None or data == [None]:
        return []
    return data if isinstance(data, list) else [data]


def bytes_in(data: Any) -> Any:
    """The value that with_bytes() has made this of. Raises ValueError."""
    if not isinstance(data, list) or not data:
        raise ValueError(f"binary data is a list: {data!r:.50}")
    if not all(isinstance(one, str) for one in data[1:]):
        raise ValueError("binary values are Base64")
    return Packet.reconstruct_binary(data[0], [base64.b64decode(one) for one in data[1:]])


def read_rooms(rooms: Any) -> list[Any]:
    """A room or a list of them, each a text or a number."""
    if rooms is None:
        return []
    found = rooms if isinstance(rooms, list) else [rooms]
    for room in found:
        if not isinstance(room, (str, int, float)):
            raise ValueError(f"no room: {room!r:.50}")
    return found


def readable_json(json: Any) -> Json:
    """The module that python-socketio's managers take as json=, or ours for None and for the standard library's."""
    return Json(None if json is stdlib_json else json)

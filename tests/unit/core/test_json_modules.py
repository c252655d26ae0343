"""`json=`: servers whose packets are written and read by a module of the application's."""

from __future__ import annotations

import datetime as dt
import json
import types
from collections import namedtuple
from typing import Any

import orjson
import pytest
import ujson

import fastsio

Point = namedtuple("Point", "x y")
NOON = dt.datetime(2024, 2, 29, 12)


def _default(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return {"$at": value.isoformat()}
    raise TypeError(f"no JSON for {value!r}")


def _hook(value: dict[str, Any]) -> Any:
    return dt.datetime.fromisoformat(value["$at"]) if "$at" in value else value


with_datetime = types.ModuleType("with_datetime")
with_datetime.dumps = lambda value, **how: json.dumps(value, default=_default, **how)  # type: ignore[attr-defined]
with_datetime.loads = lambda text, **how: json.loads(text, object_hook=_hook, **how)  # type: ignore[attr-defined]


class OnlyWhatItNeeds:
    """An object, not a module; no keyword is taken, and NaN is written."""

    def dumps(self, value: Any) -> str:
        return json.dumps(value)

    def loads(self, text: str) -> Any:
        assert type(text) is str
        return json.loads(text)


class Strict(json.JSONEncoder):
    """Writes named tuples as objects, as simplejson does."""

    @classmethod
    def dumps(cls, value: Any, **how: Any) -> str:
        return json.dumps(cls._named(value), **how)

    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return value._asdict()
        return [cls._named(item) for item in value] if isinstance(value, (list, tuple)) else value

    loads = staticmethod(json.loads)


MODULES = {
    "json": json,
    "datetime": with_datetime,
    "orjson": orjson,
    "ujson": ujson,
    "object": OnlyWhatItNeeds(),
    "class": Strict,
}


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> Any:
    return MODULES[request.param]


@pytest.mark.feature("1.2 json")
async def test_every_packet_goes_through_the_module(join, module):
    sio = fastsio.AsyncServer(json=module)
    seen = []

    @sio.event
    def connect(sid, environ, auth):
        seen.append(auth)

    @sio.event
    def echo(sid, *args):
        return args

    peer, socket = await join(sio, auth={"token": "é"})
    assert seen == [{"token": "é"}]
    await peer.send('421["echo",{"é":[1.5,null,true,-3]},"/"]')
    answer = await peer.receive()
    assert answer[:3] == "431"
    assert json.loads(answer[3:]) == [{"é": [1.5, None, True, -3]}, "/"]
    await sio.emit("news", {"a": [1, "ü"]}, to=socket.id)
    event = await peer.receive()
    assert json.loads(event[2:]) == ["news", {"a": [1, "ü"]}]


async def test_bytes_are_taken_out_before_the_module_sees_them(join, module):
    sio = fastsio.AsyncServer(json=module)
    sio.on("echo", lambda sid, *args: args)
    peer, socket = await join(sio)
    await peer.send('451-7["echo",{"file":{"_placeholder":true,"num":0}}]', b"\0\xff")
    answer = await peer.receive()
    assert answer[:5] == "461-7"
    assert json.loads(answer[5:]) == [{"file": {"_placeholder": True, "num": 0}}]
    assert await peer.receive() == b"\0\xff"
    await sio.emit("files", [bytearray(b"a"), (b"b",)], to=socket.id)
    assert json.loads((await peer.receive())[4:]) == [
        "files", [{"_placeholder": True, "num": 0}, [{"_placeholder": True, "num": 1}]],
    ]  # fmt: skip
    assert [await peer.receive(), await peer.receive()] == [b"a", b"b"]


async def test_text_that_is_no_json_closes(join, module):
    sio = fastsio.AsyncServer(json=module)
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    peer, _ = await join(sio)
    await peer.send('42["x",')
    opcode, _ = await peer.ws.receive()
    assert (opcode, reasons) == (8, ["server disconnect"])


@pytest.mark.feature("1.2 json")
async def test_module_may_write_and_read_types_of_its_own(join):
    sio = fastsio.AsyncServer(json=with_datetime)
    seen = []
    sio.on("at", lambda sid, value: seen.append(value))
    peer, socket = await join(sio)
    await sio.emit("at", {"when": NOON}, to=socket.id)
    assert await peer.receive() == '42["at",{"when":{"$at":"2024-02-29T12:00:00"}}]'
    await peer.send('42["at",{"$at":"2024-02-29T12:00:00"}]')
    await sio.emit("seen", to=socket.id)
    assert await peer.receive() == '42["seen"]'
    assert seen == [NOON]


async def test_module_sees_named_tuples_as_what_they_are(join):
    sio = fastsio.AsyncServer(json=Strict)
    peer, socket = await join(sio)
    await sio.emit("p", Point(1, 2)._replace(x=3), to=socket.id)  # a tuple: several arguments
    assert await peer.receive() == '42["p",3,2]'
    await sio.emit("p", [Point(1, 2)], to=socket.id)
    assert await peer.receive() == '42["p",[{"x":1,"y":2}]]'


async def test_orjson_writes_what_it_knows(join):
    sio = fastsio.AsyncServer(json=orjson)
    peer, socket = await join(sio)
    await sio.emit("at", NOON, to=socket.id)
    assert await peer.receive() == '42["at","2024-02-29T12:00:00"]'


async def test_what_the_module_can_not_write_is_the_emitters_error(join):
    sio = fastsio.AsyncServer(json=with_datetime)
    _, socket = await join(sio)
    with pytest.raises(TypeError, match="no JSON for"):
        await sio.emit("x", object(), to=socket.id)


async def test_module_that_returns_neither_str_nor_bytes_is_named(join):
    broken = types.SimpleNamespace(dumps=lambda value: 5, loads=json.loads)
    sio = fastsio.AsyncServer(json=broken)
    with pytest.raises(TypeError, match=r"json= returned int: str or bytes"):
        await sio.emit("x", {"a": 1})


def test_object_without_the_functions_is_refused():
    with pytest.raises(TypeError, match=r"json=.* has no dumps\(\) and loads\(\)"):
        fastsio.AsyncServer(json=object())

"""Objects of models in packets: emitted, returned, in MessagePack, with bytes as attachments."""

from __future__ import annotations

import decimal
import enum
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pydantic
import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

import fastsio
from fastsio._json import Json
from fastsio.core.parsers import make_json
from fastsio.models import as_builtins
from fastsio.options import Options
from fastsio.testing import TestServer

TOO_LARGE = 2**70


class Struct(msgspec.Struct, rename="camel"):
    first_name: str
    data: bytes = b"\x01"


@dataclass
class Data:
    at: datetime
    data: bytes


class Model(pydantic.BaseModel):
    n: int = pydantic.Field(serialization_alias="N")
    url: pydantic.AnyUrl = pydantic.AnyUrl("http://a/")
    secret: pydantic.SecretStr = pydantic.SecretStr("no")


class BinaryModel(pydantic.BaseModel):
    data: bytes
    price: decimal.Decimal = decimal.Decimal("1.5")
    tags: set[int] = {1}
    color: enum.Enum | None = None
    at: datetime | None = datetime(2026, 1, 2)


@pydantic_dataclass
class PydanticData:
    n: int


SENT = [
    (Struct("Ann"), {"firstName": "Ann", "data": b"\x01"}),
    (Data(datetime(2026, 1, 2), b"\x02"), {"at": "2026-01-02T00:00:00", "data": b"\x02"}),
    (Model(n=1), {"N": 1, "url": "http://a/", "secret": "**********"}),
    (
        BinaryModel(data=b"\xff"),
        {
            "data": b"\xff",
            "price": "1.5",
            "tags": [1],
            "color": None,
            "at": "2026-01-02T00:00:00",
        },
    ),
    (PydanticData(1), {"n": 1}),
    ([Struct("Ann"), {"in": Model(n=1)}], None),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("value", "expected"), SENT[:-1])
async def test_a_model_is_sent_with_its_bytes_as_attachments(value: Any, expected: Any) -> None:
    io = fastsio.IO()
    async with TestServer(io) as server:
        client = await server.connect()
        io.emit("a", value, [value])
        await client.expect("a", expected, [expected])


@pytest.mark.asyncio
async def test_a_model_is_sent_beside_what_orjson_refuses() -> None:
    io = fastsio.IO()
    async with TestServer(io) as server:
        client = await server.connect()
        io.emit("a", Struct("Ann"), TOO_LARGE)
        await client.expect("a", {"firstName": "Ann", "data": b"\x01"}, TOO_LARGE)


@pytest.mark.asyncio
async def test_what_a_handler_returns_may_be_a_model() -> None:
    sio = fastsio.AsyncServer()
    sio.on("ask", lambda sid: (Struct("Ann"), PydanticData(1)))
    async with TestServer(sio) as server:
        client = await server.connect()
        assert await client.call("ask") == ({"firstName": "Ann", "data": b"\x01"}, {"n": 1})


@pytest.mark.parametrize("value", [Struct("Ann"), Model(n=1), PydanticData(1)])
def test_a_module_given_as_json_gets_them_as_dicts(value: Any) -> None:
    io = fastsio.IO(json=json)
    encoded = io.sockets.encode_event(["a", value])
    assert encoded.size > 0


@pytest.mark.parametrize("value", [Struct("Ann"), Model(n=1), PydanticData(1), [Model(n=1)]])
def test_messagepack_has_a_form_for_them(value: Any) -> None:
    parser: Any = make_json(Options(serializer="msgpack"))
    packed = parser.pack(2, "/", None, ["a", value])
    read = msgspec.msgpack.decode(packed)
    expected = as_builtins(value) if not isinstance(value, list) else [as_builtins(value[0])]
    assert read["data"] == ["a", expected]


def test_what_is_no_model_is_a_type_error_that_names_it() -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        as_builtins(object())
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        fastsio.IO().emit("a", object())


def test_json_of_the_package_is_the_builtin_one() -> None:
    assert Json().is_builtin

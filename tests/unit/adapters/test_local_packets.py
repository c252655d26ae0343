"""Broadcasts between workers: JSON goes on as it is, whatever form the clients' packets have."""

from __future__ import annotations

from typing import Any

import pytest

import fastsio
from fastsio.adapters.local import SIZE, LocalBus
from fastsio.testing import TestServer


class Wire:
    """What a worker writes for another one, taken to that at once."""

    def __init__(self, other: fastsio.IO, uid: str) -> None:
        self.frames: list[bytes] = []
        self._other = other
        self._uid = uid

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._other.hub.cluster.bus.arrived(self._uid, frame[SIZE.size :])


@pytest.mark.parametrize("nsp", ["/", "/chat"])
@pytest.mark.parametrize("form", ["default", "msgpack"])
async def test_a_broadcast_reaches_the_clients_of_another_worker(form: str, nsp: str):
    a, b = ios = [fastsio.IO(adapter=LocalBus(), serializer=form) for _ in "ab"]
    for io in ios:
        io.of(nsp)
    async with TestServer(a), TestServer(b) as server:
        for io in ios:
            await io.hub.cluster.ready()
        uid = a.hub.cluster.uid
        wire = Wire(b, uid)
        b.hub.cluster.bus.added(uid, Wire(a, b.hub.cluster.uid))
        a.hub.cluster.bus.added(b.hub.cluster.uid, wire)
        client = await server.connect(nsp)
        sent: list[tuple[Any, ...]] = [
            ("plain",),
            ("json", {"é": [1, None]}),
            ("bin", b"\x00", {"b": b"1"}),
        ]
        for event, *args in sent:
            a.of(nsp).emit(event, *args)
        await server.settle()
        got = [(event.name, *event.args) for event in await client.received()]
        assert got == sent
        assert any(b'["json"' in frame for frame in wire.frames) == (form == "default")
        b.hub.cluster.bus.removed(uid)

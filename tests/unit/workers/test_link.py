"""The stream between two workers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from fastsio.adapters.local import framed
from fastsio.workers.link import Link
from harness import until


class End:
    """A link, and what has come."""

    def __init__(self) -> None:
        self.came: list[Any] = []
        self.lost = 0

    async def on(self, sock: socket.socket) -> End:
        self.link = Link(
            lambda: self.came.append("made"), self.came.append, self.came.append, self._lost
        )  # fmt: skip
        await asyncio.get_running_loop().create_unix_connection(lambda: self.link, sock=sock)
        return self

    def _lost(self) -> None:
        self.lost += 1


async def pair() -> tuple[End, End]:
    a, b = socket.socketpair()
    return await End().on(a), await End().on(b)


async def test_frames_and_words_come_in_their_order() -> None:
    a, b = await pair()
    a.link.transport.write(framed(3, [b"/", b"{}"]))
    a.link.tell({"leaves": True})
    a.link.transport.write(framed(4, [b"x" * 300_000]))
    await until(lambda: len(b.came) == 4, "all have come")
    sizes = framed(4, [b"x" * 300_000])[4:]
    assert b.came == ["made", framed(3, [b"/", b"{}"])[4:], {"leaves": True}, sizes]
    a.link.close()
    await until(lambda: a.lost == b.lost == 1, "both have ended")


async def test_frames_in_single_bytes_are_the_same() -> None:
    ours, theirs = socket.socketpair()
    end = await End().on(ours)
    for byte in framed(3, [b"/", b"{}"]) + framed(5, []):
        end.link.data_received(bytes((byte,)))
    assert end.came == ["made", framed(3, [b"/", b"{}"])[4:], b"\x05"]
    theirs.close()
    await until(lambda: end.lost, "its end")


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", framed(0, [b"[]"]), framed(0, []), framed(0, [b"x"])]
)
async def test_what_is_no_frame_ends_it(data: bytes, caplog: Any) -> None:
    ours, theirs = socket.socketpair()
    end = await End().on(ours)
    theirs.send(data)
    await until(lambda: end.lost, "its end")
    assert "is no frame" in caplog.text
    end.link.tell({"late": 1})  # nothing happens
    theirs.close()

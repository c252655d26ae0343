"""Ways to misbehave: what they are made of, and all of them by name.

A way is a function that plays one connection's part and says how it ended. What is expected of the server is that it
ends the connection in time, or answers as it must, or only that it lives on without this client: a way that does not
see what it expects raises AssertionError. Nothing in the ways is of fastsio.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness import frame_bytes as frame
from wire import Wire, get

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
CLOSED, REFUSED, LEFT = "closed by the server", "refused", "left"
# The options' defaults, and what a loaded machine may take longer.
HEAD_S, UPGRADE_S, CONNECT_S, HEARTBEAT_S, LATE_S = 10.0, 10.0, 45.0, 45.0, 30.0
DRIP_S = 0.5
# A slow reader's kernel keeps this; the rest stays with the server.
SMALL_BUFFER = 4096


@dataclass
class Arena:
    """Where the server is. `dice` makes every run the same."""

    url: str
    dice: random.Random


Way = Callable[[Arena], Awaitable[str]]
WAYS: dict[str, Way] = {}
MODULES = ("tests.soak.ways_in_time", "tests.soak.ways_of_bytes")


def way(name: str) -> Callable[[Way], Way]:
    def register(fn: Way) -> Way:
        assert name not in WAYS, name
        WAYS[name] = fn
        return fn

    return register


# --- what they are made of ---------------------------------------------------------------------


async def until_closed(wire: Wire, within_s: float, what: str) -> str:
    """Read on, whatever comes, to the server's close; AssertionError if it lets this be for so long."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within_s):
            while await loop.sock_recv(wire.sock, 1 << 16):
                pass
    except ConnectionError:
        pass  # a reset is an end too
    except TimeoutError:
        raise AssertionError(f"not closed within {within_s:g} s: {what}") from None
    finally:
        wire.close()
    return CLOSED


async def drip(wire: Wire, data: bytes, within_s: float, what: str) -> str:
    """Send a byte at a time until the server closes."""
    closing = asyncio.ensure_future(until_closed(wire, within_s, what))
    for byte in data:
        if (await asyncio.wait([closing], timeout=DRIP_S))[0]:
            break
        try:
            wire.sock.send(bytes([byte]))
        except (ConnectionError, BlockingIOError):
            break
    return await closing


async def opened(arena: Arena, transport: str = "websocket", eio: int = 4) -> tuple[Wire, str]:
    """A session that has joined nothing: its connection, and its sid in a query."""
    wire = await Wire.open(arena.url)
    query = f"EIO={eio}&transport={transport}"
    if transport == "websocket":
        await wire.open_websocket(query)
        packet = (await wire.read_frame()).decode("latin-1")
    else:
        await wire.send(get(query))
        packet = (await wire.read_answer()).body.decode()
    return wire, f"{query}&sid={packet.split(chr(34))[3]}"


async def joined(arena: Arena, small_buffer: bool = False) -> Wire:
    """A WebSocket that has joined "/"."""
    wire, _ = await opened(arena)
    if small_buffer:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    await wire.send(frame(TEXT, b"40"))
    answer = await wire.read_frame()
    assert b'40{"sid"' in answer, answer
    return wire


async def refused(arena: Arena, data: bytes, statuses: tuple[str, ...], what: str) -> str:
    """Send a request that must be answered with one of these statuses, or be cut off."""
    wire = await Wire.open(arena.url)
    await wire.send(data)
    answer = b""
    try:
        answer = await wire.read_until(b"\r\n")
    except AssertionError:
        assert wire.is_ended, f"neither answered nor closed: {what}"
    finally:
        wire.close()
    assert not answer or answer[9:12].decode() in statuses, f"{answer!r} for {what}"
    return REFUSED if answer else CLOSED


async def breaks(arena: Arena, *frames: bytes, what: str) -> str:
    """A joined client sends what ends its connection."""
    wire = await joined(arena)
    await wire.send(b"".join(frames))
    return await until_closed(wire, LATE_S, what)


def names() -> list[str]:
    """All ways, in the order of their modules."""
    for module in MODULES:
        importlib.import_module(module)
    return list(WAYS)


async def play(name: str, arena: Arena) -> str:
    """How it ended; AssertionError, with the way's name, if the server has not done what it must."""
    try:
        return await WAYS[name](arena)
    except (AssertionError, OSError) as error:
        raise AssertionError(f"{name}: {error!r}") from error

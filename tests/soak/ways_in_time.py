"""Ways to misbehave in time: slow and silent clients, clients that vanish, two transports at once (see ways.py)."""

from __future__ import annotations

import asyncio

from harness import frame_bytes as frame
from tests.soak.ways import (
    CLOSED,
    CONNECT_S,
    DRIP_S,
    HEAD_S,
    HEARTBEAT_S,
    LATE_S,
    LEFT,
    TEXT,
    UPGRADE_S,
    Arena,
    drip,
    joined,
    opened,
    refused,
    until_closed,
    way,
)
from wire import Wire, get, post, upgrade

FIREHOSE = "firehose"
STOPPED_S = 60.0
# What may still come to one who was cut off: the server's buffer and the kernel's.
MOST_LEFT_BYTES = 64 << 20

# --- slow ones ---------------------------------------------------------------------------------


@way("says nothing")
async def says_nothing(arena: Arena) -> str:
    wire = await Wire.open(arena.url)
    return await until_closed(wire, HEAD_S + LATE_S, "a connection that says nothing")


@way("slowloris on the head")
async def slow_head(arena: Arena) -> str:
    wire = await Wire.open(arena.url)
    head = get("EIO=4&transport=polling", *[f"X-{i}: y" for i in range(200)])
    return await drip(wire, head, HEAD_S + LATE_S, "a head that drips in")


@way("slowloris on the body")
async def slow_body(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    head, _, body = post(query, b"4" * 1000).partition(b"\r\n\r\n")
    await wire.send(head + b"\r\n\r\n")
    return await drip(wire, body, HEAD_S + LATE_S, "a body that drips in")


@way("slow frame")
async def slow_frame(arena: Arena) -> str:
    """A message that drips in counts as life, so it ends itself after a while."""
    wire = await joined(arena)
    for byte in frame(TEXT, b'42["echo","%s"]' % (b"x" * 20)):
        await wire.send(bytes([byte]))
        await asyncio.sleep(DRIP_S / 2)
    wire.end(is_reset=True)
    return LEFT


async def _drinks(arena: Arena) -> Wire:
    wire = await joined(arena, small_buffer=True)
    await wire.send(frame(TEXT, b'42["join","%s"]' % FIREHOSE.encode()))
    return wire


async def _drain(wire: Wire) -> str:
    """Read on at last: the server has cut this off, so there is an end."""
    loop, got = asyncio.get_running_loop(), 0
    try:
        async with asyncio.timeout(2 * LATE_S):
            while data := await loop.sock_recv(wire.sock, 1 << 18):
                got += len(data)
                assert got < MOST_LEFT_BYTES, "one who did not read was not cut off"
    except ConnectionError:
        pass
    finally:
        wire.close()
    return CLOSED


@way("stopped reader")
async def stopped_reader(arena: Arena) -> str:
    wire = await _drinks(arena)
    await asyncio.sleep(STOPPED_S)
    return await _drain(wire)


@way("reads a byte a second")
async def slow_reader(arena: Arena) -> str:
    wire, loop = await _drinks(arena), asyncio.get_running_loop()
    until = loop.time() + STOPPED_S
    while loop.time() < until:
        try:
            await loop.sock_recv(wire.sock, 1)
        except ConnectionError:
            break
        await asyncio.sleep(1)
    return await _drain(wire)


@way("never answers pings")
async def silent(arena: Arena) -> str:
    wire = await joined(arena)
    return await until_closed(wire, HEARTBEAT_S + LATE_S, "a client that answers no ping")


@way("never answers pings, Engine.IO 3")
async def silent_eio3(arena: Arena) -> str:
    wire, _ = await opened(arena, eio=3)
    return await until_closed(wire, HEARTBEAT_S + LATE_S, "a client of v3 that sends no ping")


@way("joins no namespace")
async def joins_nothing(arena: Arena) -> str:
    wire, _ = await opened(arena)
    answering = asyncio.ensure_future(until_closed(wire, CONNECT_S + LATE_S, "who joins nothing"))
    while not (await asyncio.wait([answering], timeout=5.0))[0]:
        try:
            wire.sock.send(frame(TEXT, b"3"))
        except (ConnectionError, BlockingIOError):
            break
    return await answering


@way("polls once and never again")
async def polls_once(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    await wire.send(post(query, b"40"))
    await wire.read_answer()
    wire.close()
    return LEFT


@way("never answers acks")
async def owes_acks(arena: Arena) -> str:
    wire = await joined(arena)
    await wire.send(b"".join(frame(TEXT, b'42%d["ask",1]' % i) for i in range(20)))
    answers = 0
    while answers < 20:
        said = await wire.read_frame()
        if said[2:] == b"2":  # it is no client that is silent
            await wire.send(frame(TEXT, b"3"))
        answers += b"no answer: TimeoutError" in said
    wire.close()
    return LEFT


# --- those who vanish --------------------------------------------------------------------------


@way("cuts the connection at any byte of connecting")
async def cuts_connecting(arena: Arena) -> str:
    wire = await Wire.open(arena.url)
    whole = (
        upgrade("EIO=4&transport=websocket") + frame(TEXT, b"40") + frame(TEXT, b'421["echo",1]')
    )
    await wire.send(whole[: arena.dice.randrange(len(whole))])
    wire.end(is_reset=True)
    return LEFT


@way("cuts the connection of a held GET")
async def cuts_poll(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    await wire.send(get(query))
    await asyncio.sleep(0.05)
    wire.end(is_reset=True)
    return LEFT


@way("cuts the connection in the middle of a POST")
async def cuts_post(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    await wire.send(post(query, b"40" + b"x" * 1000)[:-500])
    wire.end(is_reset=True)
    return LEFT


@way("goes while it is asked about")
async def goes_while_joining(arena: Arena) -> str:
    wire, _ = await opened(arena)
    await wire.send(frame(TEXT, b'40/chat,{"wait":0.5}'))
    await asyncio.sleep(0.1)
    wire.end(is_reset=arena.dice.random() < 0.5)
    wire.close()
    return LEFT


@way("goes while its handlers hang")
async def goes_while_hanging(arena: Arena) -> str:
    wire = await joined(arena)
    await wire.send(frame(TEXT, b'421["hang"]') * 3)
    await asyncio.sleep(0.1)
    wire.end(is_reset=True)
    return LEFT


@way("lets handlers raise")
async def lets_fail(arena: Arena) -> str:
    wire = await joined(arena)
    await wire.send(frame(TEXT, b'421["fail"]') * 5 + frame(TEXT, b'427["echo",1]'))
    assert b"437[1]" in await wire.read_frame(), "a handler's failure is the client's end"
    wire.close()
    return LEFT


@way("connects and is gone")
async def comes_and_goes(arena: Arena) -> str:
    for _ in range(10):
        (await joined(arena)).close()
    return LEFT


# --- two transports ----------------------------------------------------------------------------


@way("stops half way through an upgrade")
async def half_upgrade(arena: Arena) -> str:
    first, query = await opened(arena, "polling")
    ws = await Wire.open(arena.url)
    await ws.open_websocket(query.replace("polling", "websocket"))
    await ws.send(frame(TEXT, b"2probe"))
    assert b"3probe" in await ws.read_frame()
    ended = await until_closed(ws, UPGRADE_S + LATE_S, "an upgrade that stops half way")
    first.close()
    return ended


@way("two WebSockets for one session")
async def two_upgrades(arena: Arena) -> str:
    first, query = await opened(arena, "polling")
    sockets = [await Wire.open(arena.url) for _ in range(2)]
    for ws in sockets:
        await ws.open_websocket(query.replace("polling", "websocket"))
        await ws.send(frame(TEXT, b"2probe"))
    ended = await until_closed(sockets[1], LATE_S, "the second WebSocket of a session")
    sockets[0].end(is_reset=True)
    first.close()
    return ended


@way("two GETs at once")
async def two_gets(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    await wire.send(get(query))
    await asyncio.sleep(0.05)
    ended = await refused(arena, get(query), ("400", "200"), "a second GET")
    wire.close()
    return ended


@way("two POSTs at once")
async def two_posts(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    await wire.send(post(query, b"40" + b"x" * 1000)[:-500])
    await asyncio.sleep(0.05)
    ended = await refused(arena, post(query, b"40"), ("400",), "a second POST")
    wire.close()
    return ended

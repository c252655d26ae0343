"""Ways to misbehave by what is sent: HTTP, payloads, frames and packets that are none, and too much of what is one.

See ways.py.
"""

from __future__ import annotations

import asyncio
import socket
import zlib

from harness import frame_bytes as frame
from tests.soak.ways import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LATE_S,
    LEFT,
    PING,
    SMALL_BUFFER,
    TEXT,
    Arena,
    breaks,
    joined,
    opened,
    refused,
    until_closed,
    way,
)
from wire import Wire, get, request, upgrade

# --- HTTP that is none -------------------------------------------------------------------------

BAD = ("400", "403", "404", "405", "408", "413", "414", "429", "431", "500", "501", "503")


@way("random bytes")
async def random_bytes(arena: Arena) -> str:
    data = arena.dice.randbytes(200) + b"\r\n\r\n"
    return await refused(arena, data, BAD, "random bytes")


@way("TLS to a plain port")
async def tls_hello(arena: Arena) -> str:
    hello = bytes.fromhex("16030100c8010000c40303") + arena.dice.randbytes(190) + b"\r\n\r\n"
    return await refused(arena, hello, BAD, "TLS")


@way("huge head")
async def huge_head(arena: Arena) -> str:
    return await refused(arena, get("EIO=4", f"X: {'y' * 100_000}"), BAD, "a head of 100 kB")


@way("many headers")
async def many_headers(arena: Arena) -> str:
    headers = [f"X-{i}: y" for i in range(20_000)]
    return await refused(arena, get("EIO=4", *headers), BAD, "20,000 headers")


@way("claims an endless body")
async def endless_body(arena: Arena) -> str:
    wire, query = await opened(arena, "polling")
    wire.close()
    head = request("POST", f"/socket.io/?{query}", "Content-Length: 1000000000000")
    return await refused(arena, head, ("413",), "a body of a terabyte")


@way("body with two lengths")
async def two_lengths(arena: Arena) -> str:
    """What request smuggling is made of (RFC 9112 6.3)."""
    data = request(
        "POST",
        "/socket.io/?EIO=4&transport=polling",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
    )
    return await refused(arena, data + b"0\r\n\r\n", BAD, "a body with two lengths")


@way("unknown session, transport and protocol")
async def unknown_everything(arena: Arena) -> str:
    query = arena.dice.choice(
        (
            "EIO=4&transport=polling&sid=nobody",
            "EIO=4&transport=pigeon",
            "transport=%00",
            "EIO=4&transport=websocket",
        )
    )
    return await refused(arena, get(query), BAD, query)


@way("pipelines requests and reads no answer")
async def pipelines(arena: Arena) -> str:
    wire = await Wire.open(arena.url)
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5.0):
            await loop.sock_sendall(wire.sock, get("transport=x") * 20_000)
    except (TimeoutError, ConnectionError):
        pass  # it is not read any more, or cut off: both keep the answers few
    wire.end(is_reset=True)
    return LEFT


# --- payloads that are none --------------------------------------------------------------------


async def _posts(
    arena: Arena, body: bytes, what: str, kind: str = "text/plain", eio: int = 4
) -> str:
    wire, query = await opened(arena, "polling", eio)
    data = request("POST", f"/socket.io/?{query}", f"Content-Type: {kind}", body=body)
    ended = await refused(arena, data, ("200", *BAD), what)
    wire.close()
    return ended


@way("payload of separators")
async def separators(arena: Arena) -> str:
    return await _posts(arena, b"\x1e" * 50_000, "a payload of separators")


@way("payload of wrong packets")
async def wrong_packets(arena: Arena) -> str:
    return await _posts(
        arena,
        arena.dice.choice((b"9", b"b!!!!", b"4" + b"\xff" * 10, b"")),
        "a payload that is none",
    )


@way("payload of Engine.IO 3 that lies about its length")
async def wrong_lengths(arena: Arena) -> str:
    return await _posts(arena, b"99999999:40", "a payload of v3", eio=3)


@way("JSONP form without a payload")
async def empty_form(arena: Arena) -> str:
    return await _posts(arena, b"e=1&" * 100, "a form", "application/x-www-form-urlencoded")


# --- frames that break RFC 6455 ----------------------------------------------------------------

WRONG_FRAMES = {
    "a reserved bit": frame(TEXT, b"40", reserved=1),
    "no mask": frame(TEXT, b"40", mask=None),
    "an opcode that is none": frame(0x3, b"40"),
    "a large control frame": frame(PING, b"x" * 126),
    "a control frame in pieces": frame(PING, b"x", fin=False),
    "the end of no message": frame(CONTINUATION, b"x"),
    "a message in a message": frame(TEXT, b"4", fin=False) + frame(TEXT, b"4"),
    "a length of 2**63": b"\x81\xff" + b"\xff" * 8 + b"mask",
    "text that is not UTF-8": frame(TEXT, b"42\xff\xfe"),
    "a close code that is none": frame(CLOSE, b"\x00\x01"),
    "a message over the limit": b"\x82\xff" + (1 << 30).to_bytes(8, "big") + b"mask",
}


@way("frames that break RFC 6455")
async def wrong_frames(arena: Arena) -> str:
    name = arena.dice.choice(list(WRONG_FRAMES))
    return await breaks(arena, WRONG_FRAMES[name], what=name)


@way("endless fragments")
async def endless_fragments(arena: Arena) -> str:
    piece = frame(CONTINUATION, b"x" * 1000, fin=False)
    return await breaks(
        arena, frame(BINARY, b"x", fin=False), piece * 1100, what="endless fragments"
    )


@way("decompression bomb")
async def bomb(arena: Arena) -> str:
    wire = await Wire.open(arena.url)
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    await wire.send(upgrade("EIO=4&transport=websocket", offer))
    answer = await wire.read_answer()
    assert "permessage-deflate" in answer.headers.get("sec-websocket-extensions", ""), answer
    await wire.send(frame(TEXT, BOMB, reserved=4))
    return await until_closed(wire, LATE_S, "a decompression bomb")


def _deflated(data: bytes) -> bytes:
    """RFC 7692 7.2.1: a raw deflate stream without the last four bytes of its flush."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


BOMB = _deflated(b"4" * (64 << 20))


@way("goes on behind its close frame")
async def after_close(arena: Arena) -> str:
    return await breaks(
        arena, frame(CLOSE, b"\x03\xe8"), frame(TEXT, b'421["echo",1]') * 10, what="a close frame"
    )


# --- packets that are none ---------------------------------------------------------------------

WRONG_PACKETS = {
    "no type": frame(TEXT, b"4"),
    "an unknown type": frame(TEXT, b"49"),
    "an unknown Engine.IO type": frame(TEXT, b"x"),
    "JSON that is none": frame(TEXT, b'42["a"'),
    "an event that is none": frame(TEXT, b'42{"a":1}'),
    "an event of the server": frame(TEXT, b'42["connect"]'),
    "JSON that is deep": frame(TEXT, b"42" + b"[" * 100_000),
    "a second connect": frame(TEXT, b"40"),
    "an error of the server": frame(TEXT, b"44"),
    "an event of no namespace": frame(TEXT, b'42/nowhere,["a"]'),
    "a ping of the server": frame(TEXT, b"2"),
}


@way("packets that are none")
async def wrong_sio_packets(arena: Arena) -> str:
    name = arena.dice.choice(list(WRONG_PACKETS))
    return await breaks(arena, WRONG_PACKETS[name], what=name)


@way("binary event without its attachments")
async def no_attachments(arena: Arena) -> str:
    header = frame(TEXT, b'451-["echo",{"_placeholder":true,"num":0}]')
    return await breaks(arena, header, frame(TEXT, b'42["echo",1]'), what="an event within another")


@way("attachments that never come")
async def waits_for_attachments(arena: Arena) -> str:
    wire = await joined(arena)
    await wire.send(
        frame(TEXT, b'455-["echo",{"_placeholder":true,"num":0}]') + frame(BINARY, b"x" * 1000)
    )
    await asyncio.sleep(1)
    wire.end(is_reset=True)
    return LEFT


@way("attachment that nobody announced")
async def stray_attachment(arena: Arena) -> str:
    return await breaks(arena, frame(BINARY, b"x"), what="an attachment that nobody announced")


@way("a billion attachments")
async def billion_attachments(arena: Arena) -> str:
    return await breaks(arena, frame(TEXT, b'451000000000-["echo"]'), what="a billion attachments")


# --- too much of what is allowed ---------------------------------------------------------------


async def _much(wire: Wire, data: bytes, seconds: float) -> str:
    """Send all of it, unless the server cuts this off or reads no more; nothing is read."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_sendall(wire.sock, data)
            await asyncio.sleep(0.1)
    except (TimeoutError, ConnectionError):
        pass
    wire.end(is_reset=True)
    return LEFT


@way("floods events and reads no answer")
async def floods_events(arena: Arena) -> str:
    wire = await joined(arena, small_buffer=True)
    return await _much(wire, frame(TEXT, b'421["echo","flood"]') * 500, 5.0)


@way("floods pings and reads nothing")
async def floods_pings(arena: Arena) -> str:
    wire = await joined(arena, small_buffer=True)
    return await _much(wire, frame(PING, b"x" * 125) * 500, 5.0)


@way("endless empty fragments")
async def empty_fragments(arena: Arena) -> str:
    wire = await joined(arena)
    return await _much(
        wire, frame(TEXT, b"4", fin=False) + frame(CONTINUATION, fin=False) * 20_000, 5.0
    )


@way("joins a thousand rooms")
async def many_rooms(arena: Arena) -> str:
    wire = await joined(arena)
    return await _much(
        wire, b"".join(frame(TEXT, b'42["join","of-mine-%d"]' % i) for i in range(1000)), 5.0
    )


@way("joins namespaces that are not there")
async def many_namespaces(arena: Arena) -> str:
    wire = await joined(arena)
    return await _much(wire, b"".join(frame(TEXT, b"40/nobody-%d," % i) for i in range(200)), 5.0)

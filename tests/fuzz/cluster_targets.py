"""Targets: what other servers of a cluster send, and the framing of WebTransport's streams."""

from __future__ import annotations

import functools
from typing import Any

from fastsio._encoded import encode_messages
from fastsio._frames import ProtocolError
from fastsio.adapters import wire
from fastsio.adapters.memory import MemoryHub
from fastsio.webtransport.framing import PacketReader, handshake_sid, stream_bytes
from fuzz.session_targets import Stage
from fuzz.tools import pieces

# What a wrong message makes wire.decode() raise, and buses catch.
WRONG = (TypeError, ValueError, KeyError, AttributeError, IndexError)
STREAM_LIMITS = (1000, 0, 70_000)
PATIENCE_S = 60


@functools.cache
def server() -> Stage:
    """A server with an adapter."""
    made = Stage({"adapter": MemoryHub().bus()})
    made.io.on("news", lambda *args: None)
    return made


def cluster(data: bytes) -> None:
    """Any message, to a server with two clients: it does what it says or is logged, and the server serves on."""
    played = server()
    with played.failures.watching():
        tell(played, data)


def tell(played: Stage, data: bytes) -> None:
    """Two clients come, the messages too, and one client more."""
    played.connections = [None] * 4
    played.loop.call_soon(played.join4, 0, b"")
    played.loop.call_soon(played.join4, 1, b"/chat,")
    played._spin()
    assert len(played.here) == 2
    hub = played.io.hub
    for one in data.split(b"\xc1"):  # which MessagePack never uses
        try:
            message = wire.decode(one, hub.json)
        except WRONG:
            continue
        played.loop.call_soon(hub.cluster.receive, message)
        played._spin()
    played.pass_time(PATIENCE_S)
    played.loop.call_soon(played.join4, 2, b"")
    played._spin()
    assert any(socket.namespace.name == "/" for socket in played.here), "nobody can join any more"
    played._end()


def stream(data: bytes) -> None:
    """A WebTransport stream: the same packets however it is cut, and what is written is read."""
    if len(data) < 2:
        return
    flags, how, content = data[0], data[1], data[2:]
    limit = STREAM_LIMITS[flags % 3]
    whole = packets_of([content], limit)
    assert packets_of(pieces(content, how), limit) == whole
    for is_binary, packet in whole[0]:
        sid = handshake_sid(is_binary, packet)
        assert sid is None or (packet[:1] == b"0" and not is_binary)
        if not is_binary and packet[:1] == b"4":
            text = packet[1:].decode("utf-8", "replace")
            written = stream_bytes(encode_messages([text, packet]))
            assert packets_of([written], 1 << 20) == (
                [(False, b"4" + text.encode()), (True, packet)],
                None,
            )


def packets_of(cut: list[bytes], limit: int) -> tuple[list[Any], str | None]:
    reader = PacketReader(limit)
    found: list[Any] = []
    for piece in cut:
        reader.feed(piece)
        try:
            while (packet := reader.next()) is not None:
                found.append(packet)
        except ProtocolError as error:
            return found, str(error)
        # At most one packet that is not whole, and its head.
        assert len(reader) <= limit + 9
    return found, None

"""The targets by name: what is fuzzed, from which inputs on, and which words help."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fuzz import (
    frame_targets,
    http_targets,
    packet_targets,
    payload_targets,
    seeds,
    session_targets,
    shared_targets,
)


class Target(NamedTuple):
    """`run(data)` raises for what must not be. max_len: bytes of an input. words: tokens of the language.

    parts_at: where the parts begin (tools.parts()) that an input is made of, -1 if it is not.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    max_len: int
    words: tuple[str, ...] = ()
    parts_at: int = -1


JSON = (
    '{"_placeholder":true,"num":0}',
    "null",
    "true",
    "1e400",
    '"connect"',
    "\\ud800",
    "[[[[",
    "NaN",
    "999999999999999999",
)
HEADERS = (
    "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Host: x\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n", "Connection: close\r\n", "Connection: Upgrade\r\n", "Upgrade: websocket\r\n",
    "\r\n\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "permessage-deflate", "Sec-WebSocket-Extensions: ", "client_max_window_bits", "Forwarded: for=",
    "X-Forwarded-For: ", "HTTP/1.0",
)  # fmt: skip
QUERY = (
    "EIO=4", "EIO=3", "&transport=polling", "&transport=websocket", "&sid=$S", "&sid=$O", "&j=0", "&b64=1", "2probe",
    "40", '42["e"]', '42["join"]', '42["all"]', '42["ask"]', '42["bye"]', "41", "/chat,", "451-", "430[]",
)  # fmt: skip

TARGETS = {
    "frames": Target(frame_targets.frames, seeds.of_frames, 600),
    "builder": Target(frame_targets.builder, seeds.of_builder, 300),
    "deflate": Target(frame_targets.deflate, seeds.of_deflate, 600, parts_at=3),
    "client": Target(frame_targets.client, seeds.of_client, 400, JSON),
    "packets": Target(packet_targets.packets, seeds.of_packets, 400, JSON),
    "msgpack": Target(packet_targets.msgpack_packets, seeds.of_msgpack, 400, ("type", "data", "nsp", "id")),
    "payload4": Target(payload_targets.payload4, seeds.of_payload4, 400),
    "payload3": Target(payload_targets.payload3, seeds.of_payload3, 400),
    "dialects": Target(payload_targets.dialects, seeds.of_dialects, 400, parts_at=0),
    "http": Target(http_targets.http, seeds.of_http, 1200, HEADERS),
    "shared": Target(shared_targets.shared, seeds.of_shared, 600, ("/ours/", *HEADERS)),
    "sessions": Target(
        session_targets.sessions, seeds.of_sessions, 800, (*QUERY, *HEADERS), parts_at=1
    ),
}  # fmt: skip

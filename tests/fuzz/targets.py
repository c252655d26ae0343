"""The targets by name: what is fuzzed, from which inputs on, and which words help."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple


class Target(NamedTuple):
    """What is fuzzed. max_len: bytes of an input. words: tokens of the language.

    module, function: `run`. It is imported when it is asked for: each compiled module that is loaded costs a run of
    the fuzzer a look at all its counters. parts_at: where the parts begin (tools.parts()) that an input is made of, -1
    if it is not.
    """

    module: str
    function: str
    max_len: int
    words: tuple[str, ...] = ()
    parts_at: int = -1

    @property
    def run(self) -> Callable[[bytes], None]:
        """Raises for what must not be."""
        found: Any = getattr(importlib.import_module(f"fuzz.{self.module}"), self.function)
        return found

    @property
    def quick(self) -> Callable[[bytes], None]:
        """The same code is run, and what is made of the input compared with less: what takes long is left out."""
        module = importlib.import_module(f"fuzz.{self.module}")
        found: Any = getattr(module, f"quick_{self.function}")
        return found

    def seeds(self) -> list[bytes]:
        """Inputs to begin with."""
        made: Any = getattr(importlib.import_module("fuzz.seeds"), f"of_{self.function}")
        return made()


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

MESSAGES = (
    "type",
    "data",
    "uid",
    "nsp",
    "opts",
    "rooms",
    "flags",
    "requestId",
    "packet",
    "timeout",
)

TARGETS = {
    "frames": Target("frame_targets", "frames", 600),
    "builder": Target("frame_targets", "builder", 300),
    "deflate": Target("frame_targets", "deflate", 600, parts_at=3),
    "client": Target("frame_targets", "client", 400, JSON),
    "packets": Target("packet_targets", "packets", 400, JSON),
    "msgpack": Target("packet_targets", "msgpacks", 400, ("type", "data", "nsp", "id")),
    "payload4": Target("payload_targets", "payload4", 400),
    "payload3": Target("payload_targets", "payload3", 400),
    "dialects": Target("payload_targets", "dialects", 400, parts_at=0),
    "http": Target("http_targets", "http", 1200, HEADERS),
    "shared": Target("shared_targets", "shared", 600, ("/ours/", *HEADERS)),
    "stream": Target("stream_targets", "stream", 400),
    "cluster": Target("cluster_targets", "cluster", 600, MESSAGES),
    "sessions": Target("session_targets", "sessions", 800, (*QUERY, *HEADERS), parts_at=1
    ),
}  # fmt: skip

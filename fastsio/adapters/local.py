"""LocalBus: workers of one machine as a cluster, without a broker. Each has a socket to each of the others.

Who makes the sockets is told here of what comes and goes (fastsio/workers); this makes messages of bytes and bytes of
messages. A frame is its size (4 bytes, network order, without these), the message's kind (1 byte), and parts with 4
bytes of size each: the namespace, the data as JSON; of a broadcast the packet's first message as its clients get it
(1 byte before it: whether that is text); then binary values, which stand in JSON and packets as Socket.IO has them,
as {"_placeholder": true, "num": n}. Both ends are of one version: they are started by the same process.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._codec import Decoder, Parser
from fastsio._json import Json
from fastsio.adapters.cluster.bus import Bus
from fastsio.adapters.protocol.messages import Kind, Message, json_of

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.adapters")

MAX_WAITING_BYTES = 16 * 1024 * 1024
SIZE = struct.Struct("!I")
KIND = struct.Struct("!B")
# How a packet in parts begins that is text, and an event without binary values.
PLAIN_EVENT = b"\x012"


class Packed:
    """A broadcast's packet: as messages, the first one text or binary, all others binary."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: "Encoded") -> None:
        self.encoded = encoded

    @property
    def parts(self) -> list[bytes]:
        encoded = self.encoded
        # Without Engine.IO's type, which a binary message does not have.
        first = b"\0" + encoded.text if encoded.is_binary else b"\1" + encoded.text[1:]
        return [first, *encoded.attachments]


class LocalBus(Bus):
    """The bus of workers, made for an application without `adapter`; `IO(adapter=LocalBus(…))` says more.

    max_waiting_bytes: what may wait for a worker that does not read; what comes beyond it is lost to it, and counted
    (`lost`). request_timeout: as of other adapters.
    A worker that ends is gone at once, as its sockets end; one that hangs, when it has not been heard of for
    heartbeat_timeout seconds. Without workers its server is the only one.
    """

    def __init__(
        self, *, max_waiting_bytes: int = MAX_WAITING_BYTES, request_timeout: float = 5.0
    ) -> None:  # fmt: skip
        super().__init__()
        self.request_timeout = request_timeout
        self._max_waiting_bytes = max_waiting_bytes
        # Set once the workers that were here are linked; None: nobody makes links.
        self._joined: asyncio.Event | None = None
        # What comes before start() has ended, by uid; None from then on.
        self._early: list[tuple[str, bytes]] | None = None
        self._transports: dict[str, Any] = {}
        self._lost = 0
        self._is_full: set[str] = set()

    # --- the workers -------------------------------------------------------------------------

    def expect(self) -> None:
        """Somebody will link the workers, and calls joined() then: before that there is nobody to speak to."""
        self._joined = asyncio.Event()
        self._early = []

    def joined(self) -> None:
        """Those that are here are linked."""
        if self._joined is not None:
            self._joined.set()

    def added(self, uid: str, transport: Any) -> None:
        """There is a worker whose cluster has this uid: what is for it is written to `transport`."""
        self._transports[uid] = transport
        self.receive(Message(Kind.HEARTBEAT, uid, "/"))

    def removed(self, uid: str) -> None:
        """It has ended: nobody waits for it, or has its clients, any more."""
        if self._transports.pop(uid, None) is not None:
            self._is_full.discard(uid)
            self.receive(Message(Kind.ADAPTER_CLOSE, uid, "/"))

    def arrived(self, uid: str, frame: bytes) -> None:
        """A frame has come from it, without its size. Raises ValueError for what is none."""
        if self._early is not None:
            self._early.append((uid, frame))
            return
        self.receive(decode(frame, uid, self.cluster.json, self.cluster.hub.json))

    # --- the bus -----------------------------------------------------------------------------

    async def start(self) -> None:
        if self._joined is not None:
            await self._joined.wait()
            # Behind what the server does next, which is to begin.
            self.loop.call_soon(self._take_early)

    def _take_early(self) -> None:
        early, self._early = self._early, None
        for uid, frame in early or ():
            self.arrived(uid, frame)

    async def stop(self) -> None:
        """Whoever made the sockets closes them, behind what was written."""

    async def presence_peers(self) -> int:
        return len(self._transports)

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return Packed(encoded)

    def publish(self, message: Message) -> None:
        if self._transports:
            frame = encode(message, self.cluster.json)
            for uid, transport in list(self._transports.items()):
                self._write(uid, transport, frame)

    def respond(self, uid: str, message: Message) -> None:
        transport = self._transports.get(uid)
        if transport is not None:  # else it has ended, and nobody waits for this
            self._write(uid, transport, encode(message, self.cluster.json))

    def _write(self, uid: str, transport: Any, frame: bytes) -> None:
        if transport.get_write_buffer_size() + len(frame) <= self._max_waiting_bytes:
            self._is_full.discard(uid)
            transport.write(frame)
            return
        self._lost += 1
        if uid not in self._is_full:  # told once for each time
            self._is_full.add(uid)
            logger.warning(
                "the worker of uid %s does not read: %d bytes wait for it, more is lost (%d messages so far)",
                uid, transport.get_write_buffer_size(), self._lost,
            )  # fmt: skip

    @property
    def lost(self) -> int:
        return self._lost

    @property
    def is_behind(self) -> bool:
        return any(one.get_write_buffer_size() > 0 for one in self._transports.values())


# --- messages as bytes ---------------------------------------------------------------------------


def encode(message: Message, json: Json) -> bytes:
    """A frame with its size."""
    buffers: list[bytes] = []
    data = json.dumps(take_out(message.data, buffers))
    parts = [message.nsp.encode(), data.encode() if isinstance(data, str) else data]
    if message.packet is not None:
        parts += message.packet.parts
    return framed(message.kind, parts + buffers)


def framed(kind: int, parts: list[bytes]) -> bytes:
    """Parts as a frame with its size."""
    pieces = [KIND.pack(kind)]
    for part in parts:
        pieces += (SIZE.pack(len(part)), part)
    return SIZE.pack(sum(map(len, pieces))) + b"".join(pieces)


def parts_of(frame: bytes) -> tuple[int, list[bytes]]:
    """The kind and the parts of a frame without its size. Raises ValueError for what is none."""
    try:
        (kind,) = KIND.unpack_from(frame)
        parts, at = [], KIND.size
        while at < len(frame):
            (size,) = SIZE.unpack_from(frame, at)
            at += SIZE.size + size
            if at > len(frame):
                raise ValueError(f"a part of {size} bytes ends behind its frame")
            parts.append(frame[at - size : at])
    except struct.error as error:
        raise ValueError(f"no frame: {error}") from None
    return kind, parts


def decode(frame: bytes, uid: str, json: Json, packets: Json | None = None) -> Message:
    """The message of the worker `uid` that is in a frame. Raises ValueError for what is none.

    `packets`: the form of packets, where that is another one than `json`.
    """
    kind, parts = parts_of(frame)
    try:
        nsp, data, *rest = parts
    except ValueError:
        raise ValueError(f"a message of {len(parts)} parts") from None
    read = json.loads(data)
    if kind == Kind.BROADCAST:
        return Message(Kind(kind), uid, nsp.decode(), read, packet_of(rest, packets or json))
    return Message(Kind(kind), uid, nsp.decode(), put_back(read, rest) if rest else read)


def packet_of(messages: list[bytes], packets: Json) -> Any:
    """[event, *args] of a packet in messages: its JSON as it is, where it is text and nothing else."""
    first = messages[0] if len(messages) == 1 else b""
    if first.startswith(PLAIN_EVENT) and not isinstance(packets, Parser):
        return json_of(first[len(PLAIN_EVENT) :])
    return args_of(messages, packets)


def args_of(messages: list[bytes], json: Json) -> list[Any]:
    """[event, *args] of a packet in messages. Raises ValueError for less, or more, than one packet."""
    first, *attachments = messages
    text: str | bytes = first[1:].decode() if first[:1] == b"\1" else first[1:]
    if isinstance(json, Parser):
        add: Callable[[Any], Any] = json.new_decoder().decode
        packet = add(text)
    else:
        decoder = Decoder(json)
        add, packet = decoder.add_binary, decoder.add_text(text)
    for one in attachments:
        packet = add(one)
    if packet is None:
        raise ValueError("a packet that is not complete")
    return list(packet.data)


def take_out(value: Any, buffers: list[bytes]) -> Any:
    """`value` with placeholders where it has bytes, which are added to `buffers`; itself where it has none."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        buffers.append(bytes(value))
        return {"_placeholder": True, "num": len(buffers) - 1}
    if isinstance(value, dict):
        return {key: take_out(one, buffers) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [take_out(one, buffers) for one in value]
    return value


def put_back(value: Any, buffers: list[bytes]) -> Any:
    """The other way. Raises ValueError for a placeholder of what is not there."""
    if isinstance(value, dict):
        if value.get("_placeholder") is True and len(value) == 2:
            num = value.get("num")
            if not isinstance(num, int) or not 0 <= num < len(buffers):
                raise ValueError(f"binary value {num!r} of {len(buffers)}")
            return buffers[num]
        return {key: put_back(one, buffers) for key, one in value.items()}
    if isinstance(value, list):
        return [put_back(one, buffers) for one in value]
    return value

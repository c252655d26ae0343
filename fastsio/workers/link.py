"""The stream between two workers: frames of the bus, and what workers tell each other.

A frame is as in adapters/local.py; one of kind 0 is a worker's own, with one part: JSON.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from fastsio._frames import ProtocolError
from fastsio.adapters.local import SIZE, framed, parts_of

logger = logging.getLogger("fastsio.workers")

TOLD = 0
# A message of a gigabyte is a mistake; what the bus lets wait is far less.
MAX_FRAME_BYTES = 1 << 30


class Link(asyncio.Protocol):
    """One end of it. `on_made()` comes first, then `on_frame(frame)` gets the bus's frames without their sizes.

    `on_told(what)` gets the other's words. It ends when the other end closes, or has sent what is no frame: then
    `closed` is done, and `on_lost()` is called.
    """

    def __init__(
        self, on_made: Callable[[], None], on_frame: Callable[[bytes], None],
        on_told: Callable[[dict[str, Any]], None], on_lost: Callable[[], None],
    ) -> None:  # fmt: skip
        self.transport: Any = None
        self._on_made = on_made
        self._on_frame = on_frame
        self._on_told = on_told
        self._on_lost = on_lost
        self._data = bytearray()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._on_made()

    def data_received(self, data: bytes) -> None:
        self._data += data
        at = 0
        try:
            while len(self._data) - at >= SIZE.size:
                (size,) = SIZE.unpack_from(self._data, at)
                if size > MAX_FRAME_BYTES:
                    raise ValueError(f"a frame of {size} bytes")
                end = at + SIZE.size + size
                if end > len(self._data):
                    break
                frame, at = bytes(self._data[at + SIZE.size : end]), end
                self._take(frame)
        except (ValueError, ProtocolError) as error:
            logger.error("what another worker sends is no frame: %s", error)
            self._data.clear()
            self.transport.abort()
            return
        del self._data[:at]

    def _take(self, frame: bytes) -> None:
        if frame[:1] != b"\0":
            self._on_frame(frame)
            return
        _, parts = parts_of(frame)
        told = json.loads(parts[0]) if len(parts) == 1 else None
        if not isinstance(told, dict):
            raise ValueError(f"{told!r}")
        self._on_told(told)

    def tell(self, what: dict[str, Any]) -> None:
        """Tell the other worker."""
        if not self.transport.is_closing():
            self.transport.write(framed(TOLD, [json.dumps(what).encode()]))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._on_lost()

    def close(self) -> None:
        """End it, behind what was sent."""
        self.transport.close()

"""An echo server of nothing but our WebSocket connection, for Autobahn's test suite: `python ws_echo.py [--port N]`.

Prints the port that it listens on; without --port it takes a free one. No Engine.IO: any request is a handshake, each
message comes back as it came, in fragments or not, compressed if the client has agreed. A message may have 64 MiB.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from typing import Any

import uvloop

from fastsio._conn import Conn
from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._fanout import Flusher
from fastsio._http import Request
from fastsio._wheel import Wheel
from fastsio.engine.deflate import Deflation
from fastsio.options import Options
from fastsio.rarely import RareLog

MESSAGE_BYTES = 64 * 1024 * 1024


class Echo:
    """A connection's receiver."""

    def websocket_message(self, conn: Conn, is_text: bool, data: bytes) -> None:
        conn.send(encode_engine_packet(data) if is_text else encode_messages([data]))

    def websocket_closed(self, conn: Conn, code: int) -> None:
        """The connection answers by itself."""

    def websocket_failed(self, conn: Conn, error: Exception) -> None:
        """It has said so to the client."""

    def connection_lost(self, conn: Conn, error: Exception | None) -> None:
        """Nothing belongs to it."""

    def connection_overflowed(self, conn: Conn) -> None:
        """It is dropped."""


class EchoRouter:
    """What a Conn asks for; see _conn.pyx."""

    max_message_bytes = MESSAGE_BYTES
    max_buffered_bytes = 4 * MESSAGE_BYTES
    max_head_bytes = 65536
    max_headers = 256
    max_frames = 1 << 20
    rare_log = RareLog(logging.getLogger("fastsio.conn"))
    head_timeout_s = 10.0

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.flusher = Flusher(loop.call_soon, loop)
        wheel = Wheel(loop, 1.0)
        self.watch, self.unwatch = wheel.add, wheel.remove
        settings = Options(per_message_deflate={"threshold": 0}).per_message_deflate
        assert isinstance(settings, dict)
        self.deflate = Deflation(settings)
        self.receiver = Echo()

    def handle(self, conn: Conn, request: Request) -> None:
        conn.accept_websocket(request, [], self.receiver)

    def announce(self, conn: Conn, request: Request) -> None:
        """A body that is still coming means nothing here."""

    def cut_off(self, conn: Conn, request: Request) -> None:
        """Nor does one that is lost."""

    def opened(self, conn: Conn) -> None:
        """The wheel and the loop hold the connections."""

    def closed(self, conn: Conn) -> None:
        """They let go of it by themselves."""


async def serve(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    router = EchoRouter(loop)
    make: Any = lambda: Conn(router)  # noqa: E731
    server = await loop.create_server(make, host, port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A WebSocket echo server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    given = parser.parse_args()
    uvloop.run(serve(given.host, given.port))

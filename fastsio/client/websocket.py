"""A WebSocket connection of a client, on an asyncio transport of its own.

The fast way: no task and no timer of its own, one write per loop turn. Proxies and aiohttp sessions go through
aiohttp_websocket.py instead.
Source: RFC 6455 4.1 (handshake), 5.5.1 (closing), 7.1.
"""

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping
from typing import Any

from fastsio._client import masked_frame, masked_packets
from fastsio._encoded import Encoded
from fastsio._frames import ProtocolError
from fastsio.client.errors import OpenError
from fastsio.client.handshake import Answer, check_upgrade, parse_head, request_bytes
from fastsio.client.transport import CLOSE_TIMEOUT_S, FramedTransport, TransportOwner
from fastsio.client.urls import ServerUrl

CLOSE, PING = 0x8, 0x9
NORMAL = b"\x03\xe8"
MAX_HEAD_BYTES = 65_536


class WebSocket(FramedTransport, asyncio.Protocol):
    """One connection: open(), then send() and the owner's methods, until transport_lost or close()."""

    def __init__(self, owner: TransportOwner) -> None:
        super().__init__(owner)
        self.is_writable = False
        self._transport: Any = None
        self._opened: asyncio.Future[Answer] | None = None
        self._closed: asyncio.Future[None] | None = None
        self._is_closing = False
        self._head = b""

    # --- opening -----------------------------------------------------------------------------

    async def open(
        self,
        url: ServerUrl,
        target: str,
        headers: Mapping[str, str],
        context: ssl.SSLContext | None,
    ) -> None:
        """Connect and shake hands. Raises OpenError or OSError; nothing is left open then."""
        loop = asyncio.get_running_loop()
        key = base64.b64encode(os.urandom(16)).decode()
        request = request_bytes(url, target, headers, key)
        self._opened = loop.create_future()
        try:
            await loop.create_connection(lambda: self, url.host, url.port, ssl=context)
            if self._transport is None:
                raise OpenError("connection lost: closed by the server")
            self._transport.write(request)
            check_upgrade(await self._opened, key)
        except BaseException:
            self._opened.cancel()
            self.abort()
            raise
        if self._transport is None:
            raise OpenError("connection lost: closed by the server")
        self._opened = None
        self.is_writable = True
        loop.call_soon(self._feed_rest)

    def _feed_rest(self) -> None:
        """What the server sent right behind its answer; not before the owner knows that it is open."""
        rest, self._head = self._head, b""
        if rest:
            self._feed(rest)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def _take_head(self, data: bytes) -> None:
        opened = self._opened
        self._head += data
        if opened is None or opened.done():
            return
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found:
            self._head = rest
            try:
                opened.set_result(parse_head(head))
            except OpenError as error:
                opened.set_exception(error)
        elif len(self._head) > MAX_HEAD_BYTES:
            opened.set_exception(OpenError(f"the answer's head is over {MAX_HEAD_BYTES} bytes"))

    # --- reading -----------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._opened is not None or self._head:
            self._take_head(data)
        else:
            self._feed(data)

    def _feed(self, data: bytes) -> None:
        if self.reader is None:
            return
        self.owner.is_heard = True
        try:
            self.reader.feed(data)
        except ProtocolError as error:
            self.fail(error)

    def fail(self, error: ProtocolError) -> None:
        """The server broke the protocol: tell it so, and the owner that it is over."""
        if not self._is_closing:
            self._send_close(error.close_code.to_bytes(2, "big"))
        self._lose(f"protocol error: {error}")

    def receive_control(self, opcode: int, payload: Any) -> None:
        if opcode == PING:
            self._transport.write(masked_frame(0xA, payload))
        elif opcode == CLOSE:
            code, reason = payload
            if not self._is_closing:
                self._send_close(b"" if code is None else code.to_bytes(2, "big"))
            self._lose(f"closed by the server ({code}{' ' + reason if reason else ''})")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.is_writable = False
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._opened is not None:
            if not self._opened.done():
                self._opened.set_exception(OpenError(f"connection closed: {error or 'no answer'}"))
            return
        self._feed_rest()
        self._lose(f"connection lost: {error or 'closed by the server'}")

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- writing -----------------------------------------------------------------------------

    def send(self, packets: list[Encoded | bytes]) -> None:
        """Write packets; they are joined into one write."""
        if self._transport is not None:
            self._transport.write(masked_packets(packets))

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        self.owner.transport_ready(self)

    def _send_close(self, payload: bytes) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.write(masked_frame(CLOSE, payload))

    # --- closing -----------------------------------------------------------------------------

    async def close(self) -> None:
        """Say goodbye and wait until the server has closed, CLOSE_TIMEOUT_S at most.

        Closing at once would throw away what the server has not read yet, if it has sent something meanwhile.
        """
        if self._transport is None:
            return
        self._stop_reading()
        if not self._is_closing:
            self._send_close(NORMAL)
        self._closed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._closed
        except TimeoutError:
            pass  # The server does not answer: cut.
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._stop_reading()
        if self._transport is not None:
            self._transport.abort()

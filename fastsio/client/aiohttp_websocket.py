"""A WebSocket connection through aiohttp: for an application's session, for proxies and aiohttp's options.

The same face as websocket.WebSocket, with two tasks per connection.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastsio._encoded import Encoded
from fastsio._frames import ProtocolError
from fastsio.client.http import Http, import_aiohttp
from fastsio.client.transport import CLOSE_TIMEOUT_S, FramedTransport, TransportOwner


class AiohttpWebSocket(FramedTransport):
    """open(), then send() and the owner's methods, until transport_lost or close()."""

    def __init__(self, owner: TransportOwner) -> None:
        super().__init__(owner)
        self._socket: Any = None
        self._reading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_writable(self) -> bool:
        return self._socket is not None and self._writing is None

    async def open(
        self,
        http: Http,
        url: str,
        headers: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        """Connect and shake hands. Raises OpenError."""
        self._socket = await http.websocket(url, headers, **options)
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        kinds = import_aiohttp().WSMsgType
        why = "closed by the server"
        try:
            async for message in self._socket:
                if self.reader is None:
                    return
                self.owner.is_heard = True
                if message.type is kinds.TEXT:
                    self.reader.take_text(message.data.encode())
                elif message.type is kinds.BINARY:
                    self.reader.take_binary(message.data)
                elif message.type is kinds.ERROR:
                    why = f"connection lost: {message.data}"
        except ProtocolError as error:
            why = f"protocol error: {error}"
            await self._socket.close(code=error.close_code)
        self._lose(why)

    def _cut(self) -> None:
        """aiohttp has closed already."""

    def send(self, packets: list[Encoded | bytes]) -> None:
        """Send packets in a task; is_writable is False until they are with the transport."""
        if self._socket is not None:
            assert self._writing is None, "send() while is_writable was False"
            self._writing = asyncio.get_running_loop().create_task(self._write(packets))

    async def _write(self, packets: list[Encoded | bytes]) -> None:
        try:
            for packet in packets:
                if isinstance(packet, bytes):
                    await self._socket.send_bytes(packet)
                    continue
                await self._socket.send_str(packet.text.decode())
                for data in packet.attachments:
                    await self._socket.send_bytes(data)
        except (OSError, import_aiohttp().ClientError) as error:
            self._writing = None
            self._lose(f"connection lost: {error}")
            return
        self._writing = None
        self.owner.transport_ready(self)

    async def close(self) -> None:
        """Say goodbye, behind what was sent; CLOSE_TIMEOUT_S at most."""
        self._stop_reading()
        if self._socket is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._writing is not None:
                    await self._writing
                # The reading task sees the end of its iteration and returns.
                await self._socket.close()
        except TimeoutError:
            pass  # The server does not answer: cut.
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._stop_reading()
        for task in (self._reading, self._writing):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._socket is not None:
            response, self._socket = self._socket, None
            # aiohttp has no public abort(): its response's connection is closed.
            response._response.close()

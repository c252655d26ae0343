"""A test client's transports: Engine.IO's WebSocket and HTTP long-polling over links in memory.

Knows nothing of Socket.IO. Source: engine.io-protocol v4; RFC 6455 1.3 (handshake), 5.5.1 (close).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from fastsio._client import masked_frame, masked_packets
from fastsio._encoded import Encoded, encode_engine_packet
from fastsio._payload import decode_payload
from fastsio.testing.errors import ConnectionRefused
from fastsio.testing.link import Link

CLOSE = 8
NORMAL_CLOSURE = b"\x03\xe8"
GOODBYE = encode_engine_packet(b"1")
PONG = encode_engine_packet(b"3")
# RFC 6455 1.3: its own example of a key.
WEBSOCKET_FIELDS = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

MakeLink = Callable[[Callable[[bytes], None]], Link]


class Receiver(Protocol):
    """Who owns a wire: `reader` takes what comes, wire_lost() is called once, when the connection has ended."""

    reader: Any

    def wire_lost(self) -> None: ...


@dataclass(frozen=True)
class Target:
    """Where a client's requests go, and what they have in their heads."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]

    def head(self, method: str, fields: dict[str, str], **query: str) -> bytes:
        """A request's head, its empty line included."""
        arguments = urlencode({"EIO": "4", **query, **self.query})
        lines = [f"{method} {quote(self.path)}?{arguments} HTTP/1.1", "Host: testserver"]
        for name, value in {**fields, **self.headers}.items():
            if "\r" in value or "\n" in value:
                raise ValueError(f"header {name}: {value!r} has a line break")
            lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Answer:
    """An HTTP answer as it comes: `status` and `body` once is_whole; what is behind a 101's head is in `body`."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.is_whole = False
        self._data = b""

    def take(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        self.status = int(lines[0].split()[1])
        size = int(fields.get("content-length", 0))
        self.is_whole = self.status == 101 or len(body) >= size
        self.body = body if self.status == 101 else body[:size]


class WebSocketWire:
    """open(), send(), close(), lose()."""

    def __init__(self, make_link: MakeLink, target: Target, owner: Receiver) -> None:
        self._owner = owner
        self._target = target
        self._answer: Answer | None = Answer()
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_closing = False
        self._link = make_link(self._take)

    async def open(self) -> None:
        """Raises ConnectionRefused if the server does not answer with 101."""
        self._link.send(self._target.head("GET", WEBSOCKET_FIELDS, transport="websocket"))
        await self._opened

    def begin(self, eio_sid: str) -> None:
        """The session has that id."""

    def ended(self) -> None:
        """The server has closed the session; its WebSocket ends by itself."""

    def _take(self, data: bytes) -> None:
        if self._answer is not None:
            self._take_answer(self._answer, data)
        elif data:
            self._owner.reader.feed(data)
        else:
            self._link.lose()
            self._owner.wire_lost()

    def _take_answer(self, answer: Answer, data: bytes) -> None:
        answer.take(data)
        if self._opened.done() or (data and not answer.is_whole):
            return
        if answer.status != 101:
            self._link.lose()
            self._opened.set_exception(refusal(answer))
            return
        self._answer = None
        self._opened.set_result(None)
        if answer.body:
            self._owner.reader.feed(answer.body)

    def send(self, packet: Encoded) -> None:
        parts: list[Encoded | bytes] = [packet]
        if packet.is_binary:
            parts = [packet.text, *packet.attachments]
        self._link.send(masked_packets(parts))

    def close(self) -> None:
        """Behind all that was sent; wire_lost() follows. Also the answer to the server's close."""
        if not self._is_closing:
            self._is_closing = True
            self._link.send(masked_frame(CLOSE, NORMAL_CLOSURE))

    def lose(self) -> None:
        self._link.lose(ConnectionResetError("lost by the test"))


class PollingWire:
    """open(), send(), close(), lose(): a GET that is always under way, and one POST after the other."""

    def __init__(self, make_link: MakeLink, target: Target, owner: Receiver) -> None:
        self._make_link = make_link
        self._target = target
        self._owner = owner
        self._session: dict[str, str] = {}
        self._unsent: list[Encoded] = []
        self._is_posting = self._is_closing = self._is_over = False
        self._links: set[Link] = set()

    async def open(self) -> None:
        """Raises ConnectionRefused if the server does not answer with 200."""
        opened: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._request("GET", b"", opened.set_result)
        answer = await opened
        if answer.status != 200:
            raise refusal(answer)
        self._take_payload(answer.body)

    def begin(self, eio_sid: str) -> None:
        """The session has that id: poll from now on."""
        self._session = {"sid": eio_sid}
        self._poll()

    def _request(self, method: str, body: bytes, done: Callable[[Answer], None]) -> None:
        answer = Answer()

        def take(data: bytes) -> None:
            if answer.is_whole:
                return
            answer.take(data)
            if answer.is_whole or not data:
                answer.is_whole = True
                self._links.discard(link)
                link.lose()
                done(answer)

        link = self._make_link(take)
        self._links.add(link)
        fields = {"Content-Type": "text/plain;charset=UTF-8", "Content-Length": str(len(body))}
        head = self._target.head(
            method, fields if body else {}, transport="polling", **self._session
        )
        link.send(head + body)

    def _poll(self) -> None:
        if not self._is_over:
            self._request("GET", b"", self._polled)

    def _polled(self, answer: Answer) -> None:
        if answer.status == 200:
            self._take_payload(answer.body)
        elif not self._is_over:
            self._end()
        self._poll()

    def _take_payload(self, body: bytes) -> None:
        for kind, data in decode_payload(body):
            if kind == "b":
                self._owner.reader.take_binary(data)
            else:
                self._owner.reader.take_text(kind.encode() + data)

    def send(self, packet: Encoded) -> None:
        self._unsent.append(packet)
        self._post_next()

    def _post_next(self) -> None:
        if self._unsent and not self._is_posting and not self._is_over:
            self._is_posting = True
            self._request("POST", self._unsent.pop(0).payload, self._posted)

    def _posted(self, answer: Answer) -> None:
        self._is_posting = False
        if answer.status != 200 or (self._is_closing and not self._unsent):
            self._end()
        self._post_next()

    def close(self) -> None:
        """Behind all that was sent; wire_lost() follows."""
        if not self._is_closing:
            self._is_closing = True
            self.send(GOODBYE)

    def ended(self) -> None:
        """The server has closed the session."""
        self._end()

    def lose(self) -> None:
        self._end()
        for link in list(self._links):
            link.lose(ConnectionResetError("lost by the test"))

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._owner.wire_lost()


def refusal(answer: Answer) -> ConnectionRefused:
    text = answer.body.decode("utf-8", "replace")
    return ConnectionRefused(text or "the connection was closed", status=answer.status or None)

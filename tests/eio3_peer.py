"""A client of Engine.IO v3 by hand, and its payloads: nothing of fastsio inside.

Source: engine.io-protocol v3, "Payload encoding"; engineio.md 13.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from harness import BINARY, TEXT, FakePeer, Response
from memory_conn import MemoryPeer

Packet = str | bytes
OCTETS = "application/octet-stream"


def text_payload(*packets: Packet) -> bytes:
    """Packets with their lengths before them, binary ones in Base64."""
    texts = [
        packet if isinstance(packet, str) else "b4" + base64.b64encode(packet).decode()
        for packet in packets
    ]
    return "".join(f"{js_length(text)}:{text}" for text in texts).encode()


def js_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def text_packets(body: bytes) -> list[Packet]:
    """A text payload taken apart."""
    rest = body.decode().encode("utf-16-le")
    packets: list[Packet] = []
    while rest:
        length, colon, rest = rest.partition(":".encode("utf-16-le"))
        assert colon and length.decode("utf-16-le").isdigit(), body
        size = 2 * int(length.decode("utf-16-le"))
        assert len(rest) >= size, body
        text, rest = rest[:size].decode("utf-16-le"), rest[size:]
        packets.append(base64.b64decode(text[2:]) if text.startswith("b4") else text)
    return packets


def octets(*packets: Packet) -> bytes:
    """A binary payload."""
    body = b""
    for packet in packets:
        data = packet.encode() if isinstance(packet, str) else b"\x04" + packet
        digits = bytes(int(digit) for digit in str(len(data)))
        body += bytes([isinstance(packet, bytes)]) + digits + b"\xff" + data
    return body


def octet_packets(body: bytes) -> list[Packet]:
    """A binary payload taken apart."""
    packets: list[Packet] = []
    while body:
        is_binary, end = body[0], body.index(b"\xff")
        size = int("".join(map(str, body[1:end])))
        data, body = body[end + 1 : end + 1 + size], body[end + 1 + size :]
        assert len(data) == size
        assert not is_binary or data[0] == 4
        packets.append(data[1:] if is_binary else data.decode())
    return packets


def jsonp_form(payload: bytes) -> bytes:
    """What the official clients' form has of a payload: line feeds so that a browser leaves them alone."""
    text = payload.decode().replace("\\n", "\\\n").replace("\n", "\\n")
    return b"d=" + quote_plus(text).encode()


def jsonp_payload(script: bytes, index: int = 0) -> bytes:
    """The payload that a JSONP answer calls its function with."""
    match = re.fullmatch(rb"___eio\[%d\]\((\".*\")\);" % index, script, re.DOTALL)
    assert match, script
    for end in (b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\n", b"\r"):
        assert end not in match[1], "a line of the script would end in its string"
    return json.loads(match[1]).encode()


class SpeaksEio3:
    """A FakePeer that speaks v3. `query` may have `b64`, or `j` and `b64` for JSONP."""

    transport: str
    ws: Any
    query: dict[str, str]
    handshake: dict[str, Any]
    _queued: list[Packet]

    @property
    def is_jsonp(self) -> bool:
        return "j" in self.query

    async def send(self, *packets: Packet) -> None:
        if self.ws is not None and self.transport == "websocket":
            for packet in packets:
                is_text = isinstance(packet, str)
                self.ws.send(
                    TEXT if is_text else BINARY, packet.encode() if is_text else b"\x04" + packet
                )
            return
        if self.is_jsonp:
            response = await self.post_as(
                jsonp_form(text_payload(*packets)), "application/x-www-form-urlencoded"
            )
        elif "b64" not in self.query and any(isinstance(packet, bytes) for packet in packets):
            response = await self.post_as(octets(*packets), OCTETS)
        else:
            response = await self.post_as(text_payload(*packets), "text/plain;charset=UTF-8")
        assert (response.status, response.body) == (200, b"ok"), response

    async def post_as(self, body: bytes, content_type: str) -> Response:
        raise NotImplementedError

    async def close(self) -> None:
        """Leave as a browser tab does that is closed."""
        if self.ws is not None:
            await self.ws.connection.close()
        elif "sid" in self.handshake:
            await self.send("1")

    async def receive(self) -> Packet:
        """The next packet but noop; nothing is answered."""
        while (packet := await self._next_packet()) == "6":
            pass
        return packet

    async def _next_packet(self) -> Packet:
        if self.ws is not None and self.transport == "websocket":
            opcode, payload = await self.ws.receive()
            assert opcode in (TEXT, BINARY), f"frame {opcode:#x} {payload!r} instead of a packet"
            if opcode == BINARY:
                assert payload[0] == 4, payload
                return payload[1:]
            return payload.decode()
        if not self._queued:
            self._queued = self.packets_of(await self.get())  # type: ignore[attr-defined]
        return self._queued.pop(0)

    def packets_of(self, response: Response) -> list[Packet]:
        """The packets of an answer to a GET."""
        assert response.status == 200, response
        if response.headers["content-type"] == OCTETS:
            return octet_packets(response.body)
        return text_packets(jsonp_payload(response.body) if self.is_jsonp else response.body)


@dataclass
class Eio3Peer(SpeaksEio3, FakePeer):
    """Over the network: `await Eio3Peer(url, "polling").open()`."""

    def __post_init__(self) -> None:
        self.query = {"EIO": "3", **self.query}

    async def post_as(self, body: bytes, content_type: str) -> Response:
        self.headers, before = {**self.headers, "Content-Type": content_type}, self.headers
        try:
            return await FakePeer.post(self, body)
        finally:
            self.headers = before


@dataclass
class MemoryEio3Peer(SpeaksEio3, MemoryPeer):
    """In memory: `await MemoryEio3Peer.of(server).open()`."""

    def __post_init__(self) -> None:
        self.query = {"EIO": "3", **self.query}

    async def post_as(self, body: bytes, content_type: str) -> Response:
        return await self._ask("POST", body, {"Content-Type": content_type, **self.headers})

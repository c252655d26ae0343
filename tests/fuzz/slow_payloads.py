"""Polling payloads of Engine.IO v3 once more, slow and obvious: the oracle for `fastsio._dialects`.

Written from engine.io-protocol v3, "Payload encoding", and from what engine.io-parser 2 was seen to do: a text
payload is "length:packet" in UTF-16 code units, in a binary one each packet has a head of single decimal digits.
"""

from __future__ import annotations

import re

from reference import decode_base64

Packets = list[tuple[str, bytes]]
TYPES = "0123456"
# A longer number than this is no length.
MAX_DIGITS = 12


class RefusedError(Exception):
    """Not a payload; `packets` are those before the mistake."""

    def __init__(self, packets: Packets) -> None:
        super().__init__("refused")
        self.packets = packets


def decode_text_payload(body: bytes) -> Packets:
    packets: Packets = []
    units = body.decode("utf-8", "replace").encode("utf-16-le")
    if not units:
        raise RefusedError(packets)
    while units:
        text = units.decode("utf-16-le")
        head = re.match(r"([0-9]{1,12}):", text)
        if head is None:
            raise RefusedError(packets)
        size, units = 2 * int(head[1]), units[2 * head.end() :]
        try:
            packet = units[:size].decode("utf-16-le")
        except UnicodeDecodeError:  # the end is inside a pair of surrogates
            raise RefusedError(packets) from None
        if len(units) < size:
            raise RefusedError(packets)
        units = units[size:]
        if packet:
            _add_text(packet, packets)
    return packets


def _add_text(packet: str, packets: Packets) -> None:
    if packet[0] == "b":
        if packet[1:2] and packet[1] in TYPES:
            kind = "b" if packet[1] == "4" else packet[1]
            packets.append((kind, decode_base64(packet[2:])))
    elif packet[0] in TYPES:
        packets.append((packet[0], packet[1:].encode()))
    else:
        raise RefusedError(packets)


def decode_octets(body: bytes) -> Packets:
    packets: Packets = []
    while body:
        is_text, body = body[0] == 0, body[1:]
        digits = re.match(rb"[\0-\x09]{1,12}", body)
        if digits is None or body[digits.end() : digits.end() + 1] != b"\xff":
            raise RefusedError(packets)
        size = int("".join(map(str, digits[0])))
        body = body[digits.end() + 1 :]
        packet, body = body[:size], body[size:]
        if is_text:
            _add_text_of_octets(packet, packets)
        elif packet and packet[0] <= 6:
            packets.append(("b" if packet[0] == 4 else str(packet[0]), packet[1:]))
    return packets


def _add_text_of_octets(packet: bytes, packets: Packets) -> None:
    """Half a pair of surrogates may be there as three bytes; JavaScript's strings have it, ours have U+FFFD."""
    try:
        text = packet.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise RefusedError(packets) from None
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not text:
        raise RefusedError(packets)
    _add_text(text, packets)

"""Targets: the bodies of polling requests, of Engine.IO v4 and v3, and JSONP's forms around them."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import quote_from_bytes

import reference
from fastsio._codec import encode_packet
from fastsio._dialects import decode_octets, decode_text_payload, dialect_of
from fastsio._encoded import Encoded, encode_messages
from fastsio._frames import ProtocolError
from fastsio._payload import decode_payload
from fastsio.engine.payloads import JsonpPayloads, TextPayloads
from fuzz import slow_payloads
from fuzz.frame_targets import is_utf8, read
from fuzz.tools import parts

JSONP = JsonpPayloads(TextPayloads(), "0")
LARGEST = 1 << 20
KINDS = "b0123456"
DIALECTS = tuple((protocol, in_base64) for protocol in (3, 4) for in_base64 in (False, True))


def verdict(
    decode: Any, error: type[Exception], body: bytes
) -> tuple[list[tuple[str, bytes]], bool]:
    """The packets of a body, and whether all of it is right."""
    try:
        return decode(body), True
    except error as refused:
        return refused.packets, False  # type: ignore[attr-defined]


def payload4(data: bytes) -> None:
    """A POST's body as Engine.IO v4 has it: what the reference reads, and the same out of a JSONP form."""
    ours = quick_payload4(data)
    assert ours == verdict(reference.decode_payload, reference.ProtocolError, data)


def quick_payload4(data: bytes) -> tuple[list[tuple[str, bytes]], bool]:
    """The same without the reference."""
    ours = verdict(decode_payload, ProtocolError, data)
    # "\" before a line feed is what the forms can't tell from "\n" (nor can the official server).
    if len(data) % 4 == 0 and b"\\\n" not in data:
        escaped = data.replace(b"\\n", b"\\\\n").replace(b"\n", b"\\n")
        form = b"x=1&d=" + quote_from_bytes(escaped).encode() + b"&y"
        assert verdict(lambda body: JSONP.decode(body, None), ProtocolError, form) == ours
    if b"d=" in data:
        verdict(lambda body: JSONP.decode(body, None), ProtocolError, data)
    return ours


def payload3(data: bytes) -> None:
    """The same of Engine.IO v3, the first byte says which form: what the slow reader reads in it."""
    form, body = data[:1], data[1:]
    if form < b"\x80":
        ours = verdict(decode_text_payload, ProtocolError, body)
        assert ours == verdict(slow_payloads.decode_text_payload, slow_payloads.RefusedError, body)
    else:
        ours = verdict(decode_octets, ProtocolError, body)
        assert ours == verdict(slow_payloads.decode_octets, slow_payloads.RefusedError, body)


def quick_payload3(data: bytes) -> None:
    """The same without the slow reader: packets of the seven types, and each within the body."""
    body = data[1:]
    decode = decode_text_payload if data[:1] < b"\x80" else decode_octets
    packets, _ = verdict(decode, ProtocolError, body)
    # A byte that is no UTF-8 is read as a character of three.
    assert sum([len(content) for _, content in packets]) <= 3 * len(body)
    assert all(kind in KINDS for kind, _ in packets)


# --- what goes out -----------------------------------------------------------------------------


def dialects(data: bytes) -> None:
    """Packets as every form of them has them: each reads back as the messages that went in."""
    packets = [packet_of(kind, content) for kind, content in parts(data)]
    messages = [message for packet in packets for message in messages_of(packet)]
    assert decode_octets(b"".join([packet.octets3 for packet in packets])) == messages
    text3 = b"".join([packet.payload3 for packet in packets])
    assert verdict(decode_text_payload, ProtocolError, text3) == (messages, bool(packets))
    text4 = b"\x1e".join([packet.payload for packet in packets])
    if packets and b"\x1e" not in b"".join([data for kind, data in messages if kind != "b"]):
        assert decode_payload(text4) == messages
    for protocol, in_base64 in DIALECTS:
        spoken_by_websockets(packets, messages, protocol, in_base64)


def quick_dialects(data: bytes) -> None:
    """The same in one form of each input's, and eight packets."""
    packets = [packet_of(kind, content) for kind, content in itertools.islice(parts(data), 8)]
    messages = [message for packet in packets for message in messages_of(packet)]
    form = sum(data) % 7
    if form == 4:
        assert decode_octets(b"".join([packet.octets3 for packet in packets])) == messages
    elif form == 5:
        text3 = b"".join([packet.payload3 for packet in packets])
        assert verdict(decode_text_payload, ProtocolError, text3) == (messages, bool(packets))
    elif form == 6:
        text4 = b"\x1e".join([packet.payload for packet in packets])
        if packets and not any(b"\x1e" in content for kind, content in messages if kind != "b"):
            assert decode_payload(text4) == messages
    else:
        spoken_by_websockets(packets, messages, *DIALECTS[form])


def packet_of(kind: int, content: bytes) -> Encoded:
    """An event with text and binary values, a binary message, or an Engine.IO message as it is."""
    if kind & 3 == 0:
        return encode_messages([content])
    text = content.decode("utf-8", "replace")
    if kind & 3 == 1:
        return encode_messages([text, *[content] * (kind >> 2 & 3)])
    return encode_packet(2, ["e", text, *[content] * (kind >> 2 & 3)])


def messages_of(packet: Encoded) -> list[tuple[str, bytes]]:
    first = ("b", packet.text) if packet.is_binary else ("4", packet.text[1:])
    return [first, *(("b", item) for item in packet.attachments)]


def spoken_by_websockets(
    packets: list[Encoded], messages: list[tuple[str, bytes]], protocol: int, in_base64: bool
) -> None:
    dialect = dialect_of(protocol, in_base64)
    frames = b"".join([packet.in_dialect(dialect).frames for packet in packets])
    events, error = read([frames], LARGEST, False)
    assert error is None
    found = []
    for kind, data in events:
        if kind == "text" and data[:1] == b"b":
            assert in_base64
            text = data[2 if protocol == 3 else 1 :]
            assert is_utf8(text)
            found.append(("b", reference.decode_base64(text.decode())))
        elif kind == "text":
            found.append(("4", data[1:]))
        else:
            assert not in_base64
            found.append(("b", data[1:] if protocol == 3 else data))
    assert found == messages

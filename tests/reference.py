"""The protocols once more, slow and obvious: the oracle for the compiled modules.

Knows nothing of fastsio and optimises nothing: everything is read from its whole input, rule by rule,
so that it can be read beside the specification. Names and shapes are those of `fastsio._frames` and
`fastsio._codec`, so that a test can take either.
Source: RFC 6455 5 and 7.4; RFC 3629 4; engine.io-protocol v4, "Packet encoding"; socket.io-protocol v5
as its JavaScript parser 4.2.7 reads it, but for three stricter points (an empty packet or a blank for
the type, blanks in ids, ids over 18 digits), each refused with a reason that starts with "stricter".
"""

import base64
import json
import re
from typing import Any, NamedTuple


class ProtocolError(Exception):
    """A rule that the peer broke: the WebSocket close code that answers it, and which rule."""

    def __init__(self, close_code: int, reason: str, packets: tuple = ()) -> None:
        super().__init__(close_code, reason)
        self.close_code = close_code
        self.reason = reason
        self.packets = list(packets)  # decode_payload: the good packets before the bad one


# ---------------------------------------------------------------------------------------------------------------- UTF-8

# RFC 3629 4: the well-formed sequences, one row each, as the range of every byte. What is not here
# (surrogates, overlong forms, more than U+10FFFF, stray continuation bytes) is not UTF-8.
UTF8_SEQUENCES = [
    [(0x00, 0x7F)],
    [(0xC2, 0xDF), (0x80, 0xBF)],
    [(0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)],
    [(0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)],
    [(0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    [(0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)],
]


def utf8_scan(data: bytes) -> tuple[int | None, bool]:
    """(index of the first byte that can't be part of a text, or None; whether it ends with a code point)"""
    at = 0
    while at < len(data):
        row = next((row for row in UTF8_SEQUENCES if row[0][0] <= data[at] <= row[0][1]), None)
        if row is None:
            return at, False
        for lowest, highest in row:
            if at == len(data):
                return None, False
            if not lowest <= data[at] <= highest:
                return at, False
            at += 1
    return None, True


def utf8_valid(data: bytes) -> bool:
    return utf8_scan(data) == (None, True)


# ------------------------------------------------------------------------------------------------------------ WebSocket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KINDS = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}


def close_code_is_receivable(code: int) -> bool:
    """RFC 6455 7.4 and the IANA registry: what a peer may put into a Close frame."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def read_frames(
    data: bytes, max_message_bytes: int, expect_mask: bool = True
) -> tuple[list[tuple], ProtocolError | None]:
    """The events in `data`, which is all that a peer sent so far, and the rule that it broke, if any.

    An unfinished frame at the end is judged by the bytes that are there: the error comes with the first
    byte that can't be right.
    Events: (kind, payload), or ("close", code or None, reason). Nothing is read after a Close or an error.
    """
    events: list[tuple] = []
    try:
        _read_frames(bytes(data), max_message_bytes, expect_mask, events)
    except ProtocolError as error:
        return events, error
    return events, None


def _read_frames(
    data: bytes, max_message_bytes: int, expect_mask: bool, events: list[tuple]
) -> None:
    message_opcode, message = CONTINUATION, b""  # CONTINUATION: no message is open
    at = 0
    while at < len(data):
        is_last, reserved_bits, opcode = bool(data[at] & 0x80), data[at] & 0x70, data[at] & 0x0F
        _check_first_byte(is_last, reserved_bits, opcode, message_opcode)
        if at + 1 == len(data):
            return
        is_masked, length = bool(data[at + 1] & 0x80), data[at + 1] & 0x7F
        _check_second_byte(opcode, is_masked, expect_mask, length)
        at += 2

        length_bytes = {126: 2, 127: 8}.get(length, 0)
        if length_bytes:
            # RFC 6455 5.2: the most significant bit of a 64-bit length must be 0.
            # It also wants the shortest form; `ws` reads any, and so does this.
            if length == 127 and at < len(data) and data[at] & 0x80:
                raise ProtocolError(1002, "length over 63 bits")
            if len(data) - at < length_bytes:
                return
            length = int.from_bytes(data[at : at + length_bytes], "big")
            at += length_bytes
        if opcode < CLOSE and len(message) + length > max_message_bytes:
            raise ProtocolError(1009, "message too big")

        key = bytes(4)
        if is_masked:
            if len(data) - at < 4:
                return
            key = data[at : at + 4]
            at += 4
        payload = apply_mask(data[at : at + length], key)
        is_whole = len(payload) == length
        at += length

        if opcode < CLOSE:
            message_opcode = message_opcode or opcode
            message += payload
            if message_opcode == TEXT:
                _check_text(message, is_finished=is_whole and is_last)
        if not is_whole:
            return
        if opcode == CLOSE:
            events.append(("close", *_read_close(payload)))
            return
        if opcode > CLOSE:
            events.append((KINDS[opcode], payload))
        elif is_last:
            events.append((KINDS[message_opcode], message))
            message_opcode, message = CONTINUATION, b""


def _check_first_byte(is_last: bool, reserved_bits: int, opcode: int, message_opcode: int) -> None:
    if reserved_bits:
        raise ProtocolError(1002, "reserved bits set")
    if opcode != CONTINUATION and opcode not in KINDS:
        raise ProtocolError(1002, "reserved opcode")
    # RFC 6455 5.5: control frames must not be fragmented.
    if opcode >= CLOSE and not is_last:
        raise ProtocolError(1002, "fragmented control frame")
    # RFC 6455 5.4: the fragments of one message may not be interleaved with another's.
    if opcode == CONTINUATION and message_opcode == CONTINUATION:
        raise ProtocolError(1002, "continuation of nothing")
    if opcode in (TEXT, BINARY) and message_opcode != CONTINUATION:
        raise ProtocolError(1002, "new message inside a message")


def _check_second_byte(opcode: int, is_masked: bool, expect_mask: bool, length: int) -> None:
    # RFC 6455 5.1: a client masks every frame, a server none.
    if is_masked != expect_mask:
        raise ProtocolError(1002, "mask bit is wrong")
    # RFC 6455 5.5: control frames carry at most 125 bytes.
    if opcode >= CLOSE and length > 125:
        raise ProtocolError(1002, "control frame too long")
    # RFC 6455 5.5.1: a Close body, if any, starts with a 2-byte code.
    if opcode == CLOSE and length == 1:
        raise ProtocolError(1002, "close payload of one byte")


def _check_text(text: bytes, is_finished: bool) -> None:
    first_bad, ends_well = utf8_scan(text)
    if first_bad is not None or (is_finished and not ends_well):
        raise ProtocolError(1007, "text is not UTF-8")


def _read_close(payload: bytes) -> tuple[int | None, str]:
    if not payload:
        return None, ""
    code = int.from_bytes(payload[:2], "big")
    if not close_code_is_receivable(code):
        raise ProtocolError(1002, "close code must not be sent")
    if not utf8_valid(payload[2:]):
        raise ProtocolError(1007, "close reason is not UTF-8")
    return code, payload[2:].decode()


def apply_mask(data: bytes, key: bytes) -> bytes:
    """RFC 6455 5.3; its own inverse."""
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


def build_frame(opcode: int, payload: bytes, mask: bytes | None = None, fin: bool = True) -> bytes:
    """RFC 6455 5.2: first byte, mask bit and shortest length, mask key, payload."""
    mask_bit = 0x80 if mask is not None else 0
    if len(payload) <= 125:
        length = bytes([mask_bit | len(payload)])
    elif len(payload) <= 0xFFFF:
        length = bytes([mask_bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        length = bytes([mask_bit | 127]) + len(payload).to_bytes(8, "big")
    body = payload if mask is None else mask + apply_mask(payload, mask)
    return bytes([(0x80 if fin else 0) | opcode]) + length + body


class FrameReader:
    """`read_frames`, fed piece by piece: reads everything again at each piece."""

    def __init__(self, max_message_bytes: int, expect_mask: bool = True) -> None:
        self.events: list[tuple] = []
        self._limits = max_message_bytes, expect_mask
        self._received = b""
        self._has_failed = False

    def feed(self, data: bytes) -> None:
        if self._has_failed:
            return
        self._received += data
        self.events, error = read_frames(self._received, *self._limits)
        if error is not None:
            self._has_failed = True
            raise error


# ------------------------------------------------------------------------------------------------------------ Engine.IO


def decode_payload(body: bytes) -> list[tuple[str, bytes]]:
    """The packets of a POST: (type digit, data), or ("b", bytes) for a binary message."""
    packets: list[tuple[str, bytes]] = []
    # Bad UTF-8 is replaced, not refused, as Node does; so 0x1E always separates.
    for packet in body.decode("utf-8", "replace").split("\x1e"):
        kind, data = packet[:1], packet[1:]
        if kind == "b":
            packets.append(("b", decode_base64(data)))
        elif kind and kind in "0123456":
            packets.append((kind, data.encode()))
        else:
            raise ProtocolError(1002, f"engine packet type {kind!r}", tuple(packets))
    return packets


def decode_base64(text: str) -> bytes:
    """As Node's Buffer: either alphabet, foreign characters skipped, the end at the first `=`, a lone last
    character dropped.
    """
    letters = re.sub(r"[^A-Za-z0-9+/]", "", text.split("=")[0].replace("-", "+").replace("_", "/"))
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return base64.b64decode(letters + "=" * (-len(letters) % 4))


# ------------------------------------------------------------------------------------------------------------ Socket.IO

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
RESERVED_EVENTS = {
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
}
# What JavaScript's Number() takes for white space: blanks count as digits there.
JS_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
JS_BLANKS += "\u2028\u2029\u202f\u205f\u3000\ufeff"


class _NoData:
    def __repr__(self) -> str:
        return "NO_DATA"


NO_DATA = _NoData()  # the packet has no JSON part


class Packet(NamedTuple):
    type: int
    namespace: str
    id: int | None
    data: Any
    attachments: int = 0


class Decoder:
    """Socket.IO packets out of the messages of one connection."""

    def __init__(self, max_attachments: int = 10) -> None:
        self._max_attachments = max_attachments
        self._pending: Packet | None = None
        self._received: list[bytes] = []

    def add_text(self, data: bytes | str) -> Packet | None:
        if self._pending is not None:
            raise ProtocolError(1002, "text while attachments are missing")
        packet = decode_header(
            data if isinstance(data, str) else data.decode(), self._max_attachments
        )
        if packet.attachments:
            self._pending, self._received = packet, []
            return None
        return packet

    def add_binary(self, data: bytes) -> Packet | None:
        if self._pending is None:
            raise ProtocolError(1002, "binary while none is expected")
        self._received.append(bytes(data))
        if len(self._received) < self._pending.attachments:
            return None
        packet, self._pending = self._pending, None
        return packet._replace(data=fill_placeholders(packet.data, self._received))


def decode_header(text: str, max_attachments: int = 10) -> Packet:
    """type [count "-"] [namespace ","] [id] [JSON]"""
    # JavaScript's Number("") and Number(" ") are 0. But Node throws on an Engine.IO packet "4" without
    # data, which is the only source of "".
    if not text or text[0] in JS_BLANKS:
        raise ProtocolError(1002, "stricter: no packet type")
    if text[0] not in "0123456":
        raise ProtocolError(1002, "unknown packet type")
    packet_type, rest = int(text[0]), text[1:]

    attachments = 0
    if packet_type in (BINARY_EVENT, BINARY_ACK):
        count, dash, rest = rest.partition("-")
        attachments = _read_count(count, dash, max_attachments)

    namespace = "/"
    if rest.startswith("/"):
        namespace, _, rest = rest.partition(",")  # without a comma everything is the namespace

    digits = re.match("[0-9]*", rest).group()
    rest = rest[len(digits) :]
    if len(digits) > 18:
        raise ProtocolError(1002, "stricter: id over 18 digits")
    if rest[:1] and rest[0] in JS_BLANKS:
        raise ProtocolError(1002, "stricter: blank in an id")

    data = decode_json(rest) if rest else NO_DATA
    if data is not NO_DATA and not _data_fits(packet_type, data):
        raise ProtocolError(1002, "invalid payload")
    return Packet(packet_type, namespace, int(digits) if digits else None, data, attachments)


def _read_count(count: str, dash: str, max_attachments: int) -> int:
    number = js_number(count)
    if not dash or number is None or number != number // 1 or number < 1:
        raise ProtocolError(1002, "illegal attachments")
    if number > max_attachments:
        raise ProtocolError(1002, "too many attachments")
    return int(number)


def js_number(text: str) -> float | None:
    """JavaScript's Number(text), None for NaN."""
    text = text.strip(JS_BLANKS)
    if not text:
        return 0.0
    if re.fullmatch("0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+", text):
        return float(int(text, 0))
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?Infinity", text):
        return float(text)
    return None


def _data_fits(packet_type: int, data: Any) -> bool:
    if packet_type == CONNECT:
        return isinstance(data, dict)
    if packet_type in (EVENT, BINARY_EVENT):
        if not isinstance(data, list) or not data:
            return False
        name = data[0]
        return name not in RESERVED_EVENTS if isinstance(name, str) else _is_number(name)
    if packet_type in (ACK, BINARY_ACK):
        return isinstance(data, list)
    if packet_type == CONNECT_ERROR:
        return isinstance(data, (str, dict))
    return False  # DISCONNECT takes none


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _refuse(literal: str) -> None:
    raise ValueError(f"{literal} is not JSON")


def _read_integer(digits: str) -> int | float:
    """As JavaScript: an integer of any length is a number, perhaps a rounded one."""
    return int(digits) if len(digits) < 400 else float(digits)


# One for all: CPython 3.11 does not free every one that has met an error, which the tests for leaks would see.
_JSON_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_read_integer)


def decode_json(text: str) -> Any:
    try:
        return _JSON_DECODER.decode(text)
    except ValueError:
        raise ProtocolError(1002, "invalid JSON") from None


def fill_placeholders(data: Any, attachments: list[bytes]) -> Any:
    if isinstance(data, list):
        return [fill_placeholders(item, attachments) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: fill_placeholders(value, attachments) for key, value in data.items()}
    number = data.get("num")
    if not _is_number(number) or not 0 <= number < len(attachments):
        raise ProtocolError(1002, "illegal attachments")
    # JavaScript: buffers[0.5] is undefined.
    return attachments[int(number)] if number == int(number) else None


class Encoded(NamedTuple):
    text: bytes  # an Engine.IO packet
    attachments: list[bytes]

    @property
    def frames(self) -> bytes:
        return build_frame(TEXT, self.text) + b"".join(
            build_frame(BINARY, item) for item in self.attachments
        )

    @property
    def payload(self) -> bytes:
        return b"\x1e".join(
            [self.text, *(b"b" + base64.b64encode(item) for item in self.attachments)]
        )


def encode_packet(
    packet_type: int, data: Any = NO_DATA, namespace: str = "/", id: int | None = None
) -> Encoded:
    attachments: list[bytes] = []
    if data is not NO_DATA:
        data = take_attachments(data, attachments)
    if len(attachments) > 10:
        raise ValueError("more than 10 attachments")  # the JavaScript clients refuse such a packet
    text = f"4{packet_type + 3}{len(attachments)}-" if attachments else f"4{packet_type}"
    if namespace != "/":
        text += namespace + ","
    if id is not None:
        text += str(id)
    if data is not NO_DATA:
        text += encode_json(data)
    return Encoded(text.encode(), attachments)


def take_attachments(data: Any, attachments: list[bytes]) -> Any:
    """`data` with placeholders for its bytes, which go to `attachments` depth first; NaN and infinities become null."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        attachments.append(bytes(data))
        return {"_placeholder": True, "num": len(attachments) - 1}
    if isinstance(data, (list, tuple)):
        return [take_attachments(item, attachments) for item in data]
    if isinstance(data, dict):
        return {key: take_attachments(value, attachments) for key, value in data.items()}
    if isinstance(data, float) and data - data != 0:  # NaN, Infinity, -Infinity
        return None
    return data


def encode_json(data: Any) -> str:
    """JSON.stringify: no blanks, nothing escaped that need not be, but lone surrogates, which UTF-8 cannot carry."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", text)

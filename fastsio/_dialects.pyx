"""What packets look like to clients that do not speak plain Engine.IO v4: v3's payloads and frames, binary as Base64.

Pure. A dialect is what a WebSocket's client wants; polling has its forms. Text payloads of v3 are "length:packet" one
after the other, with lengths in UTF-16 code units, as JavaScript counts; in binary ones (XHR2) each packet has a head
of its own. Source: engine.io-protocol v3, "Payload encoding"; what it leaves open as engine.io-parser 2 decides it.
Stricter than that, because no client sends it: lengths are decimal digits.
"""
import binascii

from cpython.bytes cimport PyBytes_AS_STRING

from fastsio._frames import ProtocolError
from fastsio._payload import decode_base64

cdef enum:
    INVALID_DATA = 1007
    # No body is as long as a number of more digits says.
    MAX_LENGTH_DIGITS = 12
    # Ends a length in a binary payload.
    END_OF_LENGTH = 0xFF


# --- out -------------------------------------------------------------------------------------

def dialect_of(int protocol, bint in_base64) -> int:
    """Outlet.dialect for a client of that Engine.IO protocol, 3 or 4; in_base64: it takes no binary messages."""
    return (EIO3 if protocol == 3 else EIO4) | (IN_BASE64 if in_base64 else EIO4)


cdef bytes payload_of(bytes text, list buffers, int form):
    """A packet's text, None if it has none, and its binary messages, as a payload of v3 has them."""
    cdef list pieces
    if form == TEXT_PAYLOAD:
        pieces = [text_piece(binary_in(data, EIO3 | IN_BASE64)) for data in buffers]
        return b"".join(pieces if text is None else [text_piece(text)] + pieces)
    pieces = [octets_piece(binary_in(data, EIO3), True) for data in buffers]
    return b"".join(pieces if text is None else [octets_piece(text, False)] + pieces)


cdef bytes binary_in(bytes data, int dialect):
    """A binary message as a dialect has it; with IN_BASE64 it is a text."""
    if dialect & IN_BASE64:
        return (b"b4" if dialect & EIO3 else b"b") + binascii.b2a_base64(data, newline=False)
    return b"\x04" + data if dialect & EIO3 else data


cdef bytes text_piece(bytes packet):
    """A packet's text in a text payload: its length and itself."""
    return b"%d:%s" % (utf16_units(<const unsigned char*> PyBytes_AS_STRING(packet), len(packet)), packet)


cdef bytes octets_piece(bytes packet, bint is_binary):
    """A packet in a binary payload; of a binary one its first byte is the type."""
    digits = b"%d" % len(packet)
    return bytes([is_binary, *[digit - 48 for digit in digits], END_OF_LENGTH]) + packet


cdef Py_ssize_t utf16_units(const unsigned char* p, Py_ssize_t n) noexcept:
    """How long JavaScript finds a text, given as UTF-8."""
    cdef Py_ssize_t units = 0
    cdef Py_ssize_t i
    for i in range(n):
        # Every byte but a continuation begins a character; one of four bytes is two units.
        units += (p[i] & 0xC0) != 0x80
        units += p[i] >= 0xF0
    return units


# --- in --------------------------------------------------------------------------------------

def decode_text_payload(body: bytes) -> list:
    """The packets of a text body: (type, data) with type "0" to "6", or "b" for a binary message.

    Bytes that are not UTF-8 are replaced, as Node does. Raises ProtocolError at the first packet that
    is none; its attribute `packets` has those before it, which count.
    """
    cdef list packets = []
    cdef Py_ssize_t at = 0
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    try:
        if not body:
            raise ProtocolError(INVALID_DATA, "empty payload")
        while at < len(body):
            at = next_text(body, at, packets)
    except ProtocolError as error:
        error.packets = packets
        raise
    return packets


cdef Py_ssize_t next_text(bytes body, Py_ssize_t at, list packets) except -1:
    """Take the packet at `at`; returns where the next one begins."""
    cdef const unsigned char* p = <const unsigned char*> PyBytes_AS_STRING(body)
    cdef Py_ssize_t end = len(body)
    cdef Py_ssize_t left = 0
    cdef Py_ssize_t start = at
    while at < end and c"0" <= p[at] <= c"9" and at - start < MAX_LENGTH_DIGITS:
        left = left * 10 + (p[at] - c"0")
        at += 1
    if at == start or at == end or p[at] != c":":
        raise ProtocolError(INVALID_DATA, f"payload without a packet's length: {body[start : start + 20]!r}")
    start = at = at + 1
    while left > 0 and at < end:
        left -= 2 if p[at] >= 0xF0 else 1
        at += 1
        while at < end and p[at] & 0xC0 == 0x80:
            at += 1
    if left != 0:
        raise ProtocolError(INVALID_DATA, "payload shorter than a packet's length says")
    if at > start:
        add_text(body[start:at], packets)
    return at


cdef int add_text(bytes packet, list packets) except -1:
    """One packet's text. Base64 that names no known type is left out, as Node does."""
    if packet[:1] == b"b":
        if packet[1:2] == b"4":
            packets.append(("b", decode_base64(packet[2:])))
        elif is_type(packet[1:2]):
            packets.append((chr(packet[1]), decode_base64(packet[2:])))
        return 0
    if not is_type(packet[:1]):
        raise ProtocolError(INVALID_DATA, f"unknown Engine.IO packet {packet[:1]!r}")
    packets.append((chr(packet[0]), packet[1:]))
    return 0


cdef bint is_type(bytes letter) noexcept:
    return len(letter) == 1 and c"0" <= PyBytes_AS_STRING(letter)[0] <= c"6"


def decode_octets(body: bytes) -> list:
    """The packets of a binary body, as decode_text_payload() gives them. A length beyond the body is cut."""
    cdef list packets = []
    cdef Py_ssize_t at = 0
    try:
        while at < len(body):
            at = next_octets(body, at, packets)
    except ProtocolError as error:
        error.packets = packets
        raise
    return packets


cdef Py_ssize_t next_octets(bytes body, Py_ssize_t at, list packets) except -1:
    """Take the packet at `at`; returns where the next one begins."""
    cdef const unsigned char* p = <const unsigned char*> PyBytes_AS_STRING(body)
    cdef Py_ssize_t end = len(body)
    cdef bint is_text = p[at] == 0
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t start
    at += 1
    start = at
    while at < end and p[at] <= 9 and at - start < MAX_LENGTH_DIGITS:
        size = size * 10 + p[at]
        at += 1
    if at == start or at == end or p[at] != END_OF_LENGTH:
        raise ProtocolError(INVALID_DATA, "binary payload without a packet's length")
    at += 1
    packet = body[at : at + size]
    if is_text:
        add_text(utf8_of(packet), packets)
    elif packet[:1] == b"\x04":
        packets.append(("b", packet[1:]))
    elif packet and packet[0] <= 6:
        packets.append((chr(48 + packet[0]), packet[1:]))
    return at + len(packet)


cdef bytes utf8_of(bytes packet):
    """The text of a binary payload. Clients put half a pair of surrogates through; it has no UTF-8."""
    try:
        text = packet.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ProtocolError(INVALID_DATA, "packet that is not UTF-8") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()

"""Engine.IO v4 payloads: the body of a POST as its packets.

Pure. The way out is Encoded.payload (_codec).
Source: engine.io-protocol v4, "HTTP long-polling"; what it leaves open as engine.io-parser 5 decides it.
"""
import binascii

from fastsio._frames import ProtocolError

cdef enum:
    INVALID_DATA = 1007

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))


def decode_base64(data: bytes) -> bytes:
    """Base64 as Node's Buffer reads it: padding may be missing, the url-safe alphabet is taken, the rest skipped."""
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        data = data.partition(b"=")[0].translate(_URL_SAFE).translate(None, _NOT_BASE64)
        if len(data) % 4 == 1:
            data = data[: len(data) - 1]
        return binascii.a2b_base64(data + b"===")


def decode_payload(body: bytes) -> list:
    """The Engine.IO v4 packets of a POST body: (type, data) with type "0" to "6", or "b" for binary.

    Bytes that are not UTF-8 are replaced, as Node does. Raises ProtocolError at the first packet that
    is none; its attribute `packets` has those before it, which count.
    """
    cdef list packets = []
    cdef bytes packet
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    for packet in body.split(b"\x1e"):
        if packet[:1] == b"b":
            packets.append(("b", decode_base64(packet[1:])))
        elif packet[:1] in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"):
            packets.append((chr(packet[0]), packet[1:]))
        else:
            error = ProtocolError(INVALID_DATA, f"unknown Engine.IO packet {packet[:1]!r}")
            error.packets = packets
            raise error
    return packets

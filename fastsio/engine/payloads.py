"""How a polling session writes its payloads, where that is not Engine.IO v4's text: v3's ways, and JSONP.

Source: engine.io-protocol v3, "Payload encoding"; JSONP as engine.io 6.6 speaks it, for both revisions.
"""

import re
from typing import Protocol
from urllib.parse import unquote_to_bytes, urlsplit

import orjson

from fastsio._dialects import decode_octets, decode_text_payload
from fastsio._encoded import Encoded
from fastsio._payload import decode_payload
from fastsio.engine.ports import Request

TEXT = "text/plain; charset=UTF-8"
OCTETS = "application/octet-stream"
# ECMA-262 before 2019 ends a line, and so a string, at these; in JSON they may stand as they are.
LINE_ENDS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
_NOT_DIGITS = re.compile("[^0-9]")
_LINE_FEED = re.compile(rb"(\\)?\\n")


class Payloads(Protocol):
    """The bodies of a session's GETs and POSTs."""

    def encode(self, packets: list[Encoded]) -> tuple[bytes, str]:
        """An answer's body and its Content-Type."""

    def decode(self, body: bytes, content_type: str | None) -> list[tuple[str, bytes]]:
        """A POST's packets, as decode_payload() gives them. Raises ProtocolError with those before the mistake."""


class TextPayloads:
    """Engine.IO v4's own way, for what wraps it."""

    def encode(self, packets: list[Encoded]) -> tuple[bytes, str]:
        return b"\x1e".join([packet.payload for packet in packets]), TEXT

    def decode(self, body: bytes, content_type: str | None) -> list[tuple[str, bytes]]:
        return decode_payload(body)


class Eio3Payloads:
    """Engine.IO v3: binary packets in Base64, or with `takes_octets` in binary payloads (XHR2)."""

    __slots__ = ("_takes_octets",)

    def __init__(self, takes_octets: bool) -> None:
        self._takes_octets = takes_octets

    def encode(self, packets: list[Encoded]) -> tuple[bytes, str]:
        # One binary packet makes the whole answer binary.
        if self._takes_octets and any(packet.has_binary for packet in packets):
            return b"".join([packet.octets3 for packet in packets]), OCTETS
        return b"".join([packet.payload3 for packet in packets]), TEXT

    def decode(self, body: bytes, content_type: str | None) -> list[tuple[str, bytes]]:
        return decode_octets(body) if content_type == OCTETS else decode_text_payload(body)


class JsonpPayloads:
    """A script that calls the page's function `___eio[index]` with what `inner` writes; POSTs are forms."""

    __slots__ = ("_head", "_inner")

    def __init__(self, inner: Payloads, index: str) -> None:
        self._inner = inner
        # Digits alone: whatever else a page names here would be run.
        self._head = b"___eio[%s](" % _NOT_DIGITS.sub("", index).encode()

    def encode(self, packets: list[Encoded]) -> tuple[bytes, str]:
        script = orjson.dumps(self._inner.encode(packets)[0].decode())
        for raw, escaped in LINE_ENDS:
            script = script.replace(raw, escaped)
        return self._head + script + b");", TEXT

    def decode(self, body: bytes, content_type: str | None) -> list[tuple[str, bytes]]:
        data = _field_d(body)
        # Node answers a form without it with "ok", too.
        return [] if data is None else self._inner.decode(_LINE_FEED.sub(_unescape, data), TEXT)


def origin_of_script(request: Request) -> str | None:
    """Whose page loads a JSONP handshake as a script, for check_origin; None for other requests, or if nothing tells.

    Browsers name no Origin with scripts, whose contents every page can read: without a look at this, JSONP would let
    the pages in that the check is to keep out, with the cookies of whoever reads them.
    """
    if request.argument("j") is None:
        return None
    page = urlsplit(request.header("referer") or "")
    if page.netloc:
        return f"{page.scheme}://{page.netloc}"
    # Fetch Metadata, for pages that keep their Referer to themselves. "null" is the Origin of who has none.
    is_elsewhere = request.header("sec-fetch-site") in ("cross-site", "same-site")
    return "null" if is_elsewhere else None


def _field_d(body: bytes) -> bytes | None:
    """The form's field "d"; None if it is not there exactly once."""
    found = [
        value
        for name, _, value in (pair.partition(b"=") for pair in body.split(b"&"))
        if name == b"d"
    ]
    return unquote_to_bytes(found[0].replace(b"+", b" ")) if len(found) == 1 else None


def _unescape(match: "re.Match[bytes]") -> bytes:
    """The client writes a line feed as backslash and n, so that a browser does not make it CRLF in the form.

    Those two characters themselves have one backslash more.
    """
    return b"\\n" if match[1] else b"\n"


V4_TEXT = TextPayloads()
V3_BASE64 = Eio3Payloads(takes_octets=False)
V3_OCTETS = Eio3Payloads(takes_octets=True)


def payloads_of(protocol: int, handshake: Request) -> Payloads | None:
    """What a session's handshake asks for; None for Engine.IO v4's text.

    `b64`: the client can't take binary bodies (v4 never sends any). `j`: it reads scripts (JSONP).
    """
    payloads: Payloads = V4_TEXT
    if protocol == 3:
        payloads = V3_BASE64 if handshake.argument("b64") else V3_OCTETS
    index = handshake.argument("j")
    if index is not None:
        return JsonpPayloads(V3_BASE64 if protocol == 3 else payloads, index)
    return None if protocol != 3 else payloads

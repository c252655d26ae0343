"""Headers of Engine.IO's HTTP responses: the session cookie, compression, what Node sends. CORS: see cors.py.

Source: engine.io 6.6 on the wire.
"""

import zlib

from fastsio.engine.ports import Headers, Request
from fastsio.options import Options


def cookie_header(options: Options, sid: str) -> Headers:
    """Set-Cookie with the session's id, if the `cookie` option asks for it."""
    cookie = options.cookie
    if cookie is None:
        return []
    assert isinstance(cookie, dict)
    parts = [f"{cookie['name']}={sid}"]
    for name, value in cookie.items():
        if callable(value):
            value = value()
        if name != "name" and value is not False and value is not None:
            parts.append(name if value is True else f"{name}={value}")
    return [("Set-Cookie", "; ".join(parts))]


def payload_headers(request: Request, content_type: str = "text/plain; charset=UTF-8") -> Headers:
    """What goes with every polling payload."""
    headers = [("Content-Type", content_type), ("Cache-Control", "no-store")]
    agent = request.header("user-agent") or ""
    if ";MSIE" in agent or "Trident/" in agent:
        headers.append(("X-XSS-Protection", "0"))
    return headers


def compress(options: Options, request: Request, body: bytes) -> tuple[Headers, bytes]:
    """The body gzipped or deflated where that is wanted and worth it, with the header that says so."""
    if not options.http_compression or len(body) < options.compression_threshold:
        return [], body
    accepted = _accepted_encodings(request.header("accept-encoding") or "")
    if "gzip" in accepted:
        return [("Content-Encoding", "gzip")], _deflate(body, 31)
    if "deflate" in accepted:
        return [("Content-Encoding", "deflate")], _deflate(body, 15)
    return [], body


def _accepted_encodings(header: str) -> set[str]:
    """The codings that an Accept-Encoding names, without those it refuses with q=0."""
    accepted = set()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return accepted


def _deflate(body: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(body) + compressor.flush()

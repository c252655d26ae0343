"""Headers of Engine.IO's HTTP responses: the session cookie, compression, what Node sends. CORS: see cors.py.

Source: engine.io 6.6 on the wire.
"""

import logging
import zlib

from fastsio.engine.codings import best_coding
from fastsio.engine.ports import Headers, Request
from fastsio.options import Options

logger = logging.getLogger("fastsio.engine")

# The codings of polling answers, the preferred one first, as zlib names their forms.
WINDOW_BITS = {"gzip": 31, "deflate": 15}


def cookie_header(options: Options, sid: str, is_secure: bool = False) -> Headers:
    """Set-Cookie with the session's id, if the `cookie` option asks for it.

    `is_secure`: the client came over TLS. Then the cookie is never sent without (Secure, RFC 6265 4.1.2.5), unless the
    option says otherwise: who reads the id can speak as the client.
    """
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
    if is_secure and "Secure" not in cookie:
        parts.append("Secure")
    header = "; ".join(parts)
    if not (header.isascii() and header.isprintable()):  # what a function has returned
        logger.error("not sent: a cookie with %r", parts[1:])
        return []
    return [("Set-Cookie", header)]


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
    coding = best_coding(request.header("accept-encoding") or "", tuple(WINDOW_BITS))
    if coding is None:
        return [], body
    return [("Content-Encoding", coding)], _deflate(body, WINDOW_BITS[coding])


def _deflate(body: bytes, wbits: int) -> bytes:
    compressor = zlib.compressobj(wbits=wbits)
    return compressor.compress(body) + compressor.flush()

"""What a socket's application sees of the request that opened its session: Node's handshake, and a WSGI environ."""

import io
import sys
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote


class Handshake:
    """Node's `socket.handshake`.

    headers: dict, lower-case names. query: dict of the URL's fields. auth: what the client sent along to
    this namespace, {} if nothing. address: the peer's, as Node has it; behind proxies of trusted_proxies the
    client's, and secure: whether the client came over TLS. issued: Unix time in milliseconds; time: the same as
    text. xdomain: the request names an Origin.
    """

    __slots__ = ("address", "auth", "headers", "issued", "query", "secure", "url", "xdomain")

    def __init__(self, session: Any, auth: dict[str, Any], issued_s: float) -> None:
        request = session.request
        self.headers: dict[str, str] = request.headers
        self.query: dict[str, str] = request.query
        self.url: str = request.url
        self.address: str = session.origin.address
        self.secure: bool = session.origin.scheme == "https"
        self.xdomain: bool = "origin" in request.headers
        self.issued: int = int(issued_s * 1000)
        self.auth = auth

    @property
    def time(self) -> str:
        # JavaScript's new Date() + "", in UTC and in English whatever the locale.
        weekday, date = formatdate(self.issued / 1000, usegmt=True).split(", ")
        day, month, year, clock, _ = date.split(" ")
        return f"{weekday} {month} {day} {year} {clock} GMT+0000 (Coordinated Universal Time)"


def make_environ(session: Any) -> dict[str, Any]:
    """The handshake request as python-socketio's handlers get it: a WSGI environ.

    What the request has as `environ` (a door's own entries, such as "asgi.scope") is put over the rest.
    """
    request, origin = session.request, session.origin
    name, port = _name_and_port(origin.host or "", origin.scheme == "https")
    environ: dict[str, Any] = {
        "wsgi.version": (1, 0),
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.async": True,
        "wsgi.run_once": False,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "SERVER_SOFTWARE": "fastsio",
        "SERVER_NAME": name or "fastsio",
        "SERVER_PORT": port,
        "REMOTE_PORT": "0",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(request.path),
        "QUERY_STRING": request.query_string,
        "RAW_URI": request.url,
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = _as_text(
            value
        )
    environ.update(getattr(request, "environ", None) or {})
    environ["REMOTE_ADDR"] = origin.address
    environ["wsgi.url_scheme"] = origin.scheme
    return environ


def _name_and_port(host: str, is_secure: bool) -> tuple[str, str]:
    """What a Host header says; the port may be left out of it."""
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdigit() else (host, "443" if is_secure else "80")


def _as_text(value: str) -> str:
    """A header's value, which is Latin-1 here, as UTF-8 if it is that: so python-socketio has it under ASGI."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value

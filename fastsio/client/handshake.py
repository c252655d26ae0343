"""The request that opens a WebSocket, and the server's answer to it.

Source: RFC 6455 4.1; RFC 9112 (HTTP/1.1 heads).
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from fastsio.client.errors import OpenError
from fastsio.client.urls import ServerUrl

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Answer(NamedTuple):
    """The head of a response; the names of `headers` are lower-case, repeated ones joined by ", "."""

    status: int
    headers: dict[str, str]


def request_bytes(url: ServerUrl, target: str, headers: Mapping[str, str], key: str) -> bytes:
    """The upgrade request. Raises ValueError for a header that would break out of its line."""
    fields = {"Host": url.authority, "User-Agent": "fastsio"}
    if url.authorization is not None:
        fields["Authorization"] = url.authorization
    names = {name.lower(): name for name in fields}
    for name, value in headers.items():
        line = f"{name}{value}"
        if "\r" in line or "\n" in line or "\0" in line:
            raise ValueError(f"header {name!r}: {value!r} has a line break in it")
        fields.pop(names.get(name.lower(), ""), None)
        fields[name] = str(value)
    fields |= {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parse_head(head: bytes) -> Answer:
    """A response's head without its last blank line. Raises OpenError for what is none."""
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isascii() or not status.isdigit():
        raise OpenError(f"not an HTTP answer: {status_line[:100]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(int(status), headers)


def check_upgrade(answer: Answer, key: str) -> None:
    """Raises OpenError unless the server agreed to `key` (RFC 6455 4.1, the client's last five points)."""
    if answer.status != 101:
        raise OpenError(f"the server answered {answer.status} to the WebSocket request")
    if answer.headers.get("upgrade", "").lower() != "websocket":
        raise OpenError(f"the server upgrades to {answer.headers.get('upgrade')!r}")
    if "upgrade" not in answer.headers.get("connection", "").lower():
        raise OpenError(f"Connection: {answer.headers.get('connection')!r} instead of Upgrade")
    # SHA-1 proves that the server speaks WebSocket, and protects nothing.
    digest = hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()
    if answer.headers.get("sec-websocket-accept") != base64.b64encode(digest).decode():
        raise OpenError("the server's Sec-WebSocket-Accept does not fit our key")
    if answer.headers.get("sec-websocket-extensions"):
        raise OpenError("the server agreed to an extension that was not offered")

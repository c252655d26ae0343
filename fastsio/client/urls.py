"""A server's URL, and the Engine.IO requests made of it.

Source: engine.io-protocol v4 "HTTP long-polling" (the query); RFC 3986.
"""

import base64
import time
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

SECURE = ("https", "wss")


class ServerUrl(NamedTuple):
    """What a connection needs of a URL. `query` ends in "&" unless it is empty."""

    is_secure: bool
    host: str
    port: int
    authority: str
    target: str
    query: str
    authorization: str | None

    @classmethod
    def parse(cls, url: str, path: str) -> "ServerUrl":
        """Raises ValueError for what is no http(s) or ws(s) URL with a host.

        As in python-socketio the URL's own path names nothing: it is `path` (socketio_path) that is asked for.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
            raise ValueError(f"url {url!r}: give http://host or https://host")
        is_secure = parts.scheme in SECURE
        host = parts.hostname
        shown = f"[{host}]" if ":" in host else host
        authorization = None
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(user.encode()).decode()
        return cls(
            is_secure=is_secure,
            host=host,
            port=parts.port or (443 if is_secure else 80),
            authority=shown if parts.port is None else f"{shown}:{parts.port}",
            target=f"/{path.strip('/')}/",
            query=parts.query + "&" if parts.query else "",
            authorization=authorization,
        )

    def request_target(self, transport: str, sid: str | None, has_timestamp: bool) -> str:
        """Path and query of one request."""
        target = f"{self.target}?{self.query}transport={transport}&EIO=4"
        if sid is not None:
            target += f"&sid={sid}"
        if has_timestamp:
            target += f"&t={time.time()}"
        return target

    def of(self, transport: str, sid: str | None = None, has_timestamp: bool = False) -> str:
        """The whole URL of a request, with http(s) for polling and ws(s) for websocket."""
        scheme = ("http" if transport == "polling" else "ws") + ("s" if self.is_secure else "")
        return f"{scheme}://{self.authority}{self.request_target(transport, sid, has_timestamp)}"

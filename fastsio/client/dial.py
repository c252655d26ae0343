"""How a client's transports are opened: the requests, the handshake, the probe of an upgrade.

Source: engine.io-protocol v4, "Handshake" and "Upgrade".
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastsio._encoded import encode_engine_packet
from fastsio.client.aiohttp_websocket import AiohttpWebSocket
from fastsio.client.errors import OpenError
from fastsio.client.http import Http
from fastsio.client.polling import Polling
from fastsio.client.tls import shared_context
from fastsio.client.transport import FramedTransport, TransportOwner
from fastsio.client.urls import ServerUrl
from fastsio.client.websocket import WebSocket

PROBE = encode_engine_packet(b"2probe")
# websocket_extra_options that our own WebSocket knows; with any other it goes through aiohttp.
KNOWN_OPTIONS = {"headers", "ssl", "origin"}


class Handshake(NamedTuple):
    """The server's open packet; times in seconds."""

    sid: str
    upgrades: list[str]
    ping_interval_s: float
    ping_timeout_s: float
    max_payload_bytes: int

    @classmethod
    def parse(cls, data: bytes) -> "Handshake":
        """Raises OpenError if it is no JSON or lacks something."""
        try:
            values = json.loads(data)
            return cls(
                str(values["sid"]),
                list(values["upgrades"]),
                int(values["pingInterval"]) / 1000,
                int(values["pingTimeout"]) / 1000,
                int(values.get("maxPayload", 1_000_000)),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise OpenError(f"Unexpected response from server: {data!r}") from error


class Dialer:
    """Opens transports with one client's settings. What fails is an OpenError with python-socketio's text."""

    def __init__(
        self, http: Http, request_timeout: float | None, websocket_options: dict[str, Any],
        has_timestamps: bool,
    ) -> None:  # fmt: skip
        self.http = http
        self.request_timeout_s = request_timeout
        self.websocket_options = websocket_options
        self.has_timestamps = has_timestamps

    async def polling(
        self, owner: TransportOwner, server: ServerUrl, headers: Mapping[str, str]
    ) -> tuple[Polling, Handshake, list[tuple[str, bytes]]]:
        """A polling transport that has not started, the handshake, and the packets that came with it."""
        polling = Polling(
            owner, self.http, server, headers, self.request_timeout_s, self.has_timestamps
        )
        packets = await polling.open()
        handshake = Handshake.parse(packets[0][1])
        polling.sid = handshake.sid
        polling.max_payload_bytes = handshake.max_payload_bytes
        polling.poll_timeout_s = handshake.ping_interval_s + handshake.ping_timeout_s + 5
        return polling, handshake, packets[1:]

    async def websocket(
        self, owner: TransportOwner, server: ServerUrl, headers: Mapping[str, str]
    ) -> tuple[FramedTransport, Handshake]:
        """A WebSocket with a new session on it."""
        try:
            async with asyncio.timeout(self.request_timeout_s):
                transport, first = await self._open(owner, server, headers, None)
                with abort_on_failure(transport):
                    kind, data = await first
        except (OpenError, OSError) as error:
            raise OpenError("Connection error") from error
        with abort_on_failure(transport):
            if kind != "0":
                raise OpenError("no OPEN packet")
            return transport, Handshake.parse(data)

    async def upgrade(
        self, owner: TransportOwner, server: ServerUrl, headers: Mapping[str, str], sid: str
    ) -> FramedTransport:
        """A WebSocket that the server agreed to take session `sid` to. Raises OpenError or OSError."""
        async with asyncio.timeout(self.request_timeout_s):
            transport, first = await self._open(owner, server, headers, sid)
            with abort_on_failure(transport):
                transport.send([PROBE])
                kind, data = await first
                if (kind, data) != ("3", b"probe"):
                    raise OpenError(f"no PONG packet but {kind}{data!r}")
                return transport

    async def _open(
        self, owner: TransportOwner, server: ServerUrl, headers: Mapping[str, str], sid: str | None
    ) -> tuple[FramedTransport, asyncio.Future[tuple[str, bytes]]]:
        """An open WebSocket, and its first packet when it comes."""
        options = dict(self.websocket_options)
        merged = {**headers, **(options.pop("headers", None) or {})}
        if self.http.is_custom or not KNOWN_OPTIONS.issuperset(options):
            through_aiohttp = AiohttpWebSocket(owner)
            first = through_aiohttp.expect()
            url = server.of("websocket", sid, self.has_timestamps)
            await through_aiohttp.open(self.http, url, merged, options)
            return through_aiohttp, first
        if options.get("origin") is not None:
            merged["Origin"] = options["origin"]
        self._add_cookies(server, merged)
        transport = WebSocket(owner)
        first = transport.expect()
        target = server.request_target("websocket", sid, self.has_timestamps)
        context = self._context(options.get("ssl")) if server.is_secure else None
        await transport.open(server, target, merged, context)
        return transport, first

    def _add_cookies(self, server: ServerUrl, headers: dict[str, str]) -> None:
        """What the server set while polling: a balancer knows the session by it."""
        cookies = self.http.cookie_header(server.of("polling"))
        if not cookies:
            return
        name = next((name for name in headers if name.lower() == "cookie"), "Cookie")
        headers[name] = "; ".join(filter(None, [headers.get(name), cookies]))

    def _context(self, given: Any) -> ssl.SSLContext:
        if isinstance(given, ssl.SSLContext):
            return given
        # aiohttp's meaning: False is no check, True and None the usual one.
        return shared_context(self.http.ssl_verify and given is not False)


@contextlib.contextmanager
def abort_on_failure(transport: FramedTransport) -> Iterator[None]:
    """Cut a transport's connection if the block fails."""
    try:
        yield
    except BaseException:
        transport.abort()
        raise

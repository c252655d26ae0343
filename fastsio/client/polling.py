"""HTTP long-polling of a client: one GET that is held, POSTs for what goes out.

Source: engine.io-protocol v4, "HTTP long-polling". A POST is kept below the server's maxPayload, as Node's client does.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from fastsio._encoded import Encoded
from fastsio._frames import ProtocolError
from fastsio._payload import decode_payload
from fastsio.client.errors import OpenError
from fastsio.client.http import Http, HttpAnswer
from fastsio.client.transport import CLOSE_TIMEOUT_S, Transport, TransportOwner
from fastsio.client.urls import ServerUrl

SEPARATOR = b"\x1e"
# python-engineio's servers drop a POST that holds more, and answer "ok" all the same.
MAX_PACKETS = 16


class Polling(Transport):
    """open(), then start() and send(), until transport_lost or close()."""

    name = "polling"

    def __init__(
        self, owner: TransportOwner, http: Http, url: ServerUrl, headers: Mapping[str, str],
        request_timeout_s: float | None, has_timestamps: bool,
    ) -> None:  # fmt: skip
        super().__init__(owner)
        self.sid: str | None = None
        self.max_payload_bytes = 1_000_000
        # How long a GET may be held; set when the server has said when it pings.
        self.poll_timeout_s = 60.0
        self._http = http
        self._url = url
        self._headers = headers
        self._request_timeout_s = request_timeout_s
        self._has_timestamps = has_timestamps
        self._is_started = False
        self._reading: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_writable(self) -> bool:
        return self._is_started and self._writing is None and self.reader is not None

    async def open(self) -> list[tuple[str, bytes]]:
        """The first GET: the server's open packet and what came with it, as (type, data).

        Raises OpenError with python-socketio's texts.
        """
        answer = await self._get(self._request_timeout_s)
        if not 200 <= answer.status < 300:
            raise OpenError(_status_text(answer), _json_of(answer))
        try:
            packets = decode_payload(answer.body)
        except ProtocolError as error:
            raise OpenError("Unexpected response from server") from error
        if packets[0][0] != "0":
            raise OpenError("OPEN packet not returned by server")
        return packets

    def start(self, packets: list[tuple[str, bytes]]) -> None:
        """Take what came with the open packet, and poll from now on."""
        self._is_started = True
        self._reading = asyncio.get_running_loop().create_task(self._read(packets))

    # --- reading -----------------------------------------------------------------------------

    async def _read(self, packets: list[tuple[str, bytes]]) -> None:
        try:
            self.take(packets)
            while self.reader is not None:
                answer = await self._get(self.poll_timeout_s)
                if not 200 <= answer.status < 300:
                    raise OpenError(_status_text(answer))
                self._take_payload(answer.body)
        except (OpenError, ProtocolError) as error:
            self._lose(str(error))

    def _take_payload(self, body: bytes) -> None:
        try:
            packets = decode_payload(body)
        except ProtocolError as error:
            self.take(error.packets)  # those before the one that is none count
            raise
        self.take(packets)

    def take(self, packets: list[tuple[str, bytes]]) -> None:
        self.owner.is_heard = True
        for kind, data in packets:
            if self.reader is None:
                return
            if kind == "b":
                self.reader.take_binary(data)
            else:
                self.reader.take_text(kind.encode() + data)

    async def _get(self, timeout_s: float | None) -> HttpAnswer:
        url = self._url.of("polling", self.sid, self._has_timestamps)
        return await self._http.request("GET", url, self._headers, timeout_s)

    # --- writing -----------------------------------------------------------------------------

    def send(self, packets: list[Encoded | bytes]) -> None:
        """POST packets, in order; is_writable is False until the server has them."""
        assert self._writing is None, "send() while is_writable was False"
        self._writing = asyncio.get_running_loop().create_task(self._write(packets))

    async def _write(self, packets: list[Encoded | bytes]) -> None:
        try:
            for body in bodies_of(packets, self.max_payload_bytes):
                await self._post(body)
        except OpenError as error:
            self._writing = None
            self._lose(str(error))
            return
        self._writing = None
        self.owner.transport_ready(self)

    async def _post(self, body: bytes) -> None:
        url = self._url.of("polling", self.sid)
        headers = {**self._headers, "Content-Type": "text/plain;charset=UTF-8"}
        answer = await self._http.request("POST", url, headers, self._request_timeout_s, body)
        if not 200 <= answer.status < 300:
            raise OpenError(_status_text(answer))

    # --- closing -----------------------------------------------------------------------------

    async def give_up(self) -> None:
        """End a session that was not started."""
        self._stop_reading()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._post(b"1")
        except (OpenError, TimeoutError):
            pass  # It ends by itself then.

    async def close(self) -> None:
        """Wait for the POST under way, which has our goodbye, and let go of the GET."""
        self._stop_reading()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self.abort()

    def abort(self) -> None:
        """Stop, without a word."""
        self._stop_reading()
        for task in (self._reading, self._writing):
            if task is not None and task is not asyncio.current_task():
                task.cancel()


def bodies_of(packets: list[Encoded | bytes], max_bytes: int) -> list[bytes]:
    """POST bodies with all packets in order, MAX_PACKETS and `max_bytes` in each unless one alone has more.

    A packet and its attachments stay together.
    """
    groups: list[list[bytes]] = [[]]
    size = count = 0
    for packet in packets:
        one = b"b" + base64.b64encode(packet) if isinstance(packet, bytes) else packet.payload
        parts = 1 + one.count(SEPARATOR)
        if groups[-1] and (size + 1 + len(one) > max_bytes or count + parts > MAX_PACKETS):
            groups.append([])
            size = count = 0
        groups[-1].append(one)
        size += 1 + len(one)
        count += parts
    return [SEPARATOR.join(group) for group in groups if group]


def _status_text(answer: HttpAnswer) -> str:
    return f"Unexpected status code {answer.status} in server response"


def _json_of(answer: HttpAnswer) -> Any:
    """What a server says of its refusal, None if it is no JSON."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None

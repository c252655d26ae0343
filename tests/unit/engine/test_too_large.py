"""Messages over max_http_buffer_size: what the log and the disconnect's description say of them.

On the wire nothing differs from Node: 1009 on a WebSocket, 413 to a POST.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

import fastsio
from clock_loop import pass_time
from harness import BINARY, TEXT, FakePeer, RawConnection, RawWebSocket, until
from memory_conn import MemoryPeer

LIMIT = 1000
ON_A_CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


class Ends:
    """An application that notes how its clients went: (reason, description)."""

    def __init__(self, serve: Any) -> None:
        self._serve = serve
        self.noted: list[tuple[str, str | None]] = []
        self.heard: list[Any] = []

    async def start(self, **options: Any) -> Any:
        io = fastsio.IO(max_http_buffer_size=LIMIT, **options)

        @io.on("connection")
        def connection(socket: Any) -> None:
            socket.on("disconnect", lambda reason, why: self.noted.append((reason, why)))
            socket.on("n", self.heard.append)

        return await self._serve(io)


@pytest.fixture
def ends(serve):
    return Ends(serve)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert {record.name for record in found} <= {"fastsio.engine"}
    return [record.getMessage() for record in found]


def named(text: str, peer: FakePeer, address: str = "127.0.0.1") -> str:
    return f"{text} (session {peer.handshake['sid'][:6]}…, from {address})"


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.fault(
    "a message is over max_http_buffer_size",
    "closed with 1009; reason and log name the option and both sizes",
)
async def test_websocket_message_is_named_with_its_size(ends, caplog, opcode):
    server = await ends.start()
    peer = await FakePeer(server.url).open()
    await peer.connect()
    peer.ws.send(opcode, b"4" * 1500)
    assert await peer.ws.receive_close() == (1009, b"")
    text = "message too large: 1500 > max_http_buffer_size 1000"
    await until(lambda: ends.noted, "the session has ended")
    assert ends.noted == [("transport error", text)]
    assert warnings_of(caplog) == [named(text, peer)]
    await peer.close()


async def test_fragments_count_as_far_as_they_came(ends, caplog):
    server = await ends.start()
    peer = await FakePeer(server.url).open()
    await peer.connect()
    peer.ws.send(TEXT, b"4" * 600, fin=False)
    peer.ws.send(0, b"4" * 700)
    assert await peer.ws.receive_close() == (1009, b"")
    await until(lambda: ends.noted, "the session has ended")
    assert ends.noted == [
        ("transport error", "message too large: 1300 > max_http_buffer_size 1000")
    ]
    await peer.close()


async def test_other_errors_of_a_websocket_are_not_called_so(ends, caplog):
    server = await ends.start()
    peer = await FakePeer(server.url).open()
    await peer.connect()
    peer.ws.send(TEXT, b"\xff")
    assert await peer.ws.receive_close() == (1007, b"")
    await until(lambda: ends.noted, "the session has ended")
    assert ends.noted == [("transport error", "text is not UTF-8 (1007)")]
    assert warnings_of(caplog) == []
    await peer.close()


@pytest.mark.fault(
    "a POST is over max_http_buffer_size",
    "413 before it is read; the session stays",
)
async def test_post_is_named_with_its_size_and_the_session_stays(ends, caplog):
    server = await ends.start()
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    assert (await peer.post(b"4" * 1500)).status == 413
    text = "message too large: 1500 > max_http_buffer_size 1000"
    assert warnings_of(caplog) == [named(text, peer)]
    await peer.send('42["n",1]')
    await peer.close()
    await until(lambda: ends.noted, "the session has ended")
    assert ends.heard == [1]
    assert ends.noted == [("transport close", None)]  # what came after it was well


async def test_post_in_chunks_has_no_size_to_name(ends, caplog):
    server = await ends.start()
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    connection = await RawConnection.open(server.url)
    head = f"POST {peer.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.write(head.encode() + b"5dc\r\n" + b"4" * 1500 + b"\r\n0\r\n\r\n")
    assert (await connection.read_response("POST")).status == 413
    assert warnings_of(caplog) == [named("message too large: over max_http_buffer_size 1000", peer)]
    await connection.close()
    await peer.close()


@ON_A_CLOCK
async def test_client_that_gives_up_over_it_ends_with_that_description(ends, caplog):
    """engine.io-client takes the 413 for the end and says nothing more."""
    server = await ends.start(ping_interval=1.0, ping_timeout=1.0)
    peer = await MemoryPeer.of(server, "polling").open()
    await peer.connect()
    assert (await peer.post(b"4" * 1500)).status == 413
    await pass_time(4.0)
    assert ends.noted == [("ping timeout", "message too large: 1500 > max_http_buffer_size 1000")]


async def test_probe_with_a_large_message_is_named_and_the_session_polls_on(ends, caplog):
    server = await ends.start()
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    probe = await RawWebSocket.open(server.url, peer.target("websocket"))
    probe.send(TEXT, b"2" * 1500)
    assert await probe.receive_close() == (1009, b"")
    text = "message too large: 1500 > max_http_buffer_size 1000"
    assert warnings_of(caplog) == [named(text, peer)]
    await peer.send('42["n",1]')
    assert ends.heard == [1]
    await peer.close()


async def test_log_names_the_client_behind_a_trusted_proxy(ends, caplog):
    server = await ends.start(trusted_proxies="127.0.0.1")
    peer = FakePeer(server.url, headers={"X-Forwarded-For": "203.0.113.9"})
    await peer.open()
    await peer.connect()
    peer.ws.send(TEXT, b"4" * 1500)
    await peer.ws.receive_close()
    text = "message too large: 1500 > max_http_buffer_size 1000"
    await until(lambda: ends.noted, "the session has ended")
    assert warnings_of(caplog) == [named(text, peer, "203.0.113.9")]
    await peer.close()


async def test_two_hundred_packets_in_one_post_arrive_in_order(serve):
    """python-engineio refuses more than 16."""
    io, heard = fastsio.IO(), []
    io.on("connection", lambda socket: socket.on("n", heard.append))
    server = await serve(io)
    peer = await FakePeer(server.url, "polling").open()
    await peer.connect()
    await peer.send(*(f'42["n",{n}]' for n in range(200)))
    assert heard == list(range(200))
    await peer.close()

"""A Socket.IO server of the standard library alone that lies on request: what the load generator must catch.

It runs the benchmark's application over WebSocket and polling, but knows one client at a time: what goes to many goes
to the sender alone.
Before an answer goes out `lie` may change it: it gets the packets (text or an attachment) and all the answers that
it got before for this client, and returns the packets that are sent instead; None closes the connection.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import queue
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from frame_tools import BINARY, CLOSE, TEXT, client_frame

Packets = list[str | bytes]
Lie = Callable[[Packets, list[Packets]], Packets | None]

SEPARATOR = "\x1e"
OPEN = '0{"sid":"s%d","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
CONNECT = re.compile(r"40(/\w+,)?")
EVENT = re.compile(r'(42|451-)(/\w+,)?(\d*)\["(\w+)",(.*)\]', re.DOTALL)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
STATUS_OK = "200 OK"


class Session:
    """One client: its packets in, the answers out."""

    def __init__(self, lie: Lie) -> None:
        self._lie = lie
        self._announced = ""
        self._before: list[Packets] = []
        self.outbox: queue.SimpleQueue[Packets | None] = queue.SimpleQueue()  # polling's

    def answers(self, packet: str | bytes) -> Packets | None:
        if isinstance(packet, bytes):
            packet, attachment = self._announced, [packet]
        elif packet.startswith("45"):
            self._announced = packet
            return []
        else:
            attachment = []
        honest = [*self._honest(packet), *attachment]
        lie = self._lie(honest, self._before)
        self._before.append(honest)
        return lie

    @staticmethod
    def _honest(packet: str) -> Packets:
        if CONNECT.fullmatch(packet):
            return [packet + '{"sid":"of-the-socket"}']
        if packet == "3":  # the answer to a heartbeat
            return []
        event = EVENT.fullmatch(packet)
        assert event is not None, packet
        kind, namespace, ack_id, name, data = event.groups()
        ack = f"{'43' if kind == '42' else '461-'}{namespace or ''}{ack_id}"
        first, _, second = data.partition(",")
        match name:
            case "say":
                return [f'42["said",{data}]']
            case "broadcast":
                return [f'42["news",{data}]']
            case "burst":
                return [f'42["news",{second}]'] * int(first)
            case "join":
                return [f"{ack}[]"]
            case "to_room":
                return [f'42["news",{second}]']
            case "chat":
                return [f'42["news",{second}]', f"{ack}[]"]
        return [f"{ack}[{data}]"]


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    server: LyingServer

    def handle(self) -> None:
        while request := self._read_request():
            method, url, headers, body = request
            if "sec-websocket-key" in headers:
                return self._websocket(headers["sec-websocket-key"])
            found = re.search(r"sid=s(\d+)", url)
            if found is None:
                number, _ = self.server.new_session()
                self._respond(STATUS_OK, OPEN % number)
            elif method == "POST":
                self._read_payload(self.server.sessions[int(found[1])], body.decode())
            else:
                self._answer_poll(self.server.sessions[int(found[1])])
        return None

    def _read_request(self) -> tuple[str, str, dict[str, str], bytes] | None:
        line = self.rfile.readline().decode()
        if not line:
            return None
        headers = {}
        while (header := self.rfile.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        method, url, _ = line.split()
        return method, url, headers, self.rfile.read(int(headers.get("content-length", 0)))

    def _respond(self, status: str, body: str) -> None:
        content = body.encode()
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(content))
        self._write(head + content)

    def _respond_chunked(self, body: str) -> None:
        """RFC 9112 7.1; some servers send every body like this."""
        half = len(body) // 2
        chunks = [chunk.encode() for chunk in (body[:half], body[half:]) if chunk]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        self._write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n" % framed)

    def _write(self, data: bytes) -> None:
        step = self.server.piece_bytes or len(data)
        for start in range(0, len(data), step):
            self.wfile.write(data[start : start + step])

    # -- polling -----------------------------------------------------------------------------------

    def _read_payload(self, session: Session, payload: str) -> None:
        for packet in payload.split(SEPARATOR):
            if packet == "1":
                session.outbox.put(["6"])
            elif (answers := session.answers(decoded(packet))) != []:
                session.outbox.put(answers)
        self._respond(STATUS_OK, "ok")

    def _answer_poll(self, session: Session) -> None:
        packets = session.outbox.get()
        if packets is None:
            self._respond("400 Bad Request", '{"code":1,"message":"Session ID unknown"}')
        else:
            self._respond_chunked(SEPARATOR.join(map(encoded, packets)))

    # -- WebSocket ---------------------------------------------------------------------------------

    def _websocket(self, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
        self._write(
            b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
        )
        number, session = self.server.new_session()
        self._send(OPEN % number)
        while (packet := self._read_message()) is not None:
            answers = session.answers(packet)
            if answers is None:
                return
            for answer in answers:
                self._send(answer)

    def _send(self, packet: str | bytes) -> None:
        opcode, payload = (BINARY, packet) if isinstance(packet, bytes) else (TEXT, packet.encode())
        self._write(client_frame(opcode, payload, mask=None))

    def _read_message(self) -> str | bytes | None:
        """A masked frame of less than 64 kB; None when the client closes."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == CLOSE:
            return None
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(self.rfile.read(2), "big")
        mask = self.rfile.read(4)
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(length)))
        return payload if head[0] & 0x0F == BINARY else payload.decode()


def decoded(packet: str) -> str | bytes:
    return base64.b64decode(packet[1:]) if packet.startswith("b") else packet


def encoded(packet: str | bytes) -> str:
    return packet if isinstance(packet, str) else "b" + base64.b64encode(packet).decode()


class LyingServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, lie: Lie, piece_bytes: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._lie = lie
        self.piece_bytes = piece_bytes
        self._numbers = itertools.count()
        self.sessions: dict[int, Session] = {}
        self.port: int = self.server_address[1]

    def new_session(self) -> tuple[int, Session]:
        number = next(self._numbers)
        self.sessions[number] = Session(self._lie)
        return number, self.sessions[number]

    def end(self) -> None:
        self.shutdown()
        for session in self.sessions.values():
            session.outbox.put(None)  # lets go of the GET that is held

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The load generator is gone at its first wrong answer: nobody is left to be told."""


@contextmanager
def lying_server(lie: Lie, piece_bytes: int = 0) -> Iterator[int]:
    """The port of a server that runs in a thread until the block ends.

    `piece_bytes`: it never writes more at once; 0: no limit.
    """
    with LyingServer(lie, piece_bytes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.port
        finally:
            server.end()
            thread.join()

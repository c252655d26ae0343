"""One operation of fastsio each, with fixed input: what `make gate` counts and test_server.py times.

A maker is called while a loop runs and returns an Operation.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from null import JOIN, MASK, TEXT, UPGRADE, NullServer, masked, request

from fastsio._codec import Decoder, encode_packet
from fastsio._frames import FrameReader, build_frame
from fastsio._payload import decode_payload

BINARY = 2
EVENT = 2
TEXT_32 = "x" * 32
EVENT_32 = b'2["chat","%s"]' % TEXT_32.encode()
BINARY_256 = bytes(range(256))
MEMBERS = 1000
BURST = 100


class Point(msgspec.Struct):
    """What a typed handler gets."""

    x: int
    y: int
    label: str


@dataclass(frozen=True)
class Operation:
    run: Callable[[], Any]
    is_correct: Callable[[], bool]  # asked after a run
    units: int = 1  # a run does this many of what is counted
    runs: int = 100  # how often it is run to be counted


def install(sio) -> None:
    """The handlers of bench/servers, as far as they are used here."""

    @sio.event
    def echo(sid, data):
        return data

    @sio.event
    async def echo_async(sid, data):
        return data

    @sio.event(typed=True)
    def echo_typed(sid, data: str):
        return data

    @sio.event(typed=True)
    def echo_struct(sid, point: Point):
        return point.label

    @sio.event
    def echo_dict(sid, point):
        return point["label"]

    @sio.event
    async def broadcast(sid, data):
        await sio.emit("news", data)

    @sio.event
    async def burst(sid, data):
        for _ in range(BURST):
            await sio.emit("news", data, to=sid)


# --- the pure layers -------------------------------------------------------------------------


def frame_parse(size: int) -> Operation:
    payload = b"x" * size
    frame = masked(payload.decode())
    reader = FrameReader(1_000_000)
    events = reader.events

    def run() -> None:
        events.clear()
        reader.feed(frame)

    return Operation(run, lambda: events == [("text", payload)])


def packet_decode(size: int) -> Operation:
    wire = b'217["chat","%s"]' % (b"x" * size)
    decoder = Decoder()

    def is_correct() -> bool:
        packet = decoder.add_text(wire)
        return packet is not None and (packet.id, packet.data) == (17, ["chat", "x" * size])

    return Operation(lambda: decoder.add_text(wire), is_correct)


def packet_encode(size: int) -> Operation:
    """To the frame, which is made on first use."""
    data = ["chat", "x" * size]
    wire = b'4217["chat","%s"]' % (b"x" * size)
    return Operation(
        lambda: encode_packet(EVENT, data, id=17).frames,
        lambda: encode_packet(EVENT, data, id=17).frames.endswith(wire),
    )


def payload_decode() -> Operation:
    """Eight packets, one of them binary, as a POST brings them."""
    body = b"\x1e".join([b"4" + EVENT_32] * 7 + [b"b" + base64.b64encode(BINARY_256)])
    packets = [("4", EVENT_32)] * 7 + [("b", BINARY_256)]
    return Operation(lambda: decode_payload(body), lambda: decode_payload(body) == packets)


def payload_encode() -> Operation:
    """Seven events, one with an attachment, as a GET takes them: eight packets."""
    events = [["chat", TEXT_32]] * 6 + [["file", BINARY_256]]
    wire = [b"4" + EVENT_32] * 6 + [
        b'451-["file",{"_placeholder":true,"num":0}]',
        b"b" + base64.b64encode(BINARY_256),
    ]

    def run() -> bytes:
        return b"\x1e".join([encode_packet(EVENT, event).payload for event in events])

    return Operation(run, lambda: run() == b"\x1e".join(wire))


# --- the whole server, between bytes and bytes -----------------------------------------------


def dispatch(event: str, has_ack: bool = True) -> Operation:
    """An event that a handler answers: from the frame that is received to the frame that is written."""
    server = NullServer(install)
    conn, transport = server.join()
    transport.written.clear()
    frame = masked(f'42{17 if has_ack else ""}["{event}","{TEXT_32}"]')
    answer = b'4317["%s"]' % TEXT_32.encode()

    def is_correct() -> bool:
        answers = [frame[2:] for frame in transport.written]
        return answers == ([answer] * 2 if has_ack else []) and not server.has_failed()

    return Operation(lambda: conn.data_received(frame), is_correct)


def dispatch_object(event: str) -> Operation:
    """An event with an object, of which the handler answers a field: a dict, or made into a Struct."""
    server = NullServer(install)
    conn, transport = server.join()
    frame = masked('4217["%s",{"x":1,"y":2,"label":"%s"}]' % (event, TEXT_32))
    answer = b'4317["%s"]' % TEXT_32.encode()
    return Operation(
        lambda: conn.data_received(frame),
        lambda: transport.written[-1][2:] == answer and not server.has_failed(),
    )


def dispatch_binary() -> Operation:
    """A kilobyte that a coroutine handler gives back: two frames in, two frames out."""
    server = NullServer(install)
    conn, transport = server.join()
    blob = bytes(1024)
    placeholder = '{"_placeholder":true,"num":0}'
    frames = masked(f'451-17["echo_async",{placeholder}]') + build_frame(BINARY, blob, mask=MASK)
    text = f"461-17[{placeholder}]".encode()
    answer = build_frame(TEXT, text) + build_frame(BINARY, blob)
    return Operation(
        lambda: conn.data_received(frames),
        lambda: transport.written[-1] == answer and not server.has_failed(),
    )


def fan_out() -> Operation:
    """A broadcast that a handler makes when a client asks for it, for each of its recipients."""
    server = NullServer(install)
    members = [server.join() for _ in range(MEMBERS)]
    frame = masked(f'42["broadcast","{TEXT_32}"]')
    news = b'42["news","%s"]' % TEXT_32.encode()

    def run() -> None:
        members[0][0].data_received(frame)
        server.end_turn()

    return Operation(
        run, lambda: all(t.written[-1][2:] == news for _, t in members), units=MEMBERS, runs=5
    )


def emit() -> Operation:
    """One of many emits of a handler to its own client, which share one write."""
    server = NullServer(install)
    conn, transport = server.join()
    frame = masked(f'42["burst","{TEXT_32}"]')
    news = b'42["news","%s"]' % TEXT_32.encode()

    def run() -> None:
        transport.written.clear()
        conn.data_received(frame)
        server.end_turn()

    def is_correct() -> bool:
        (written,) = transport.written
        return written == (bytes((0x81, len(news))) + news) * BURST

    return Operation(run, is_correct, units=BURST, runs=20)


def connect() -> Operation:
    """From the request for an upgrade to the CONNECT reply, and the loss of the connection."""
    server = NullServer(install)
    answers: list[bytes] = []

    def run() -> None:
        conn, transport = server.connect()
        conn.data_received(UPGRADE)
        conn.data_received(JOIN)
        server.end_turn()
        answers[:] = transport.written
        conn.connection_lost(None)
        server.end_turn()

    def is_correct() -> bool:
        opened, joined = answers
        is_gone = not (server.server.connections or server.server.engine.sessions)
        return b"HTTP/1.1 101 " in opened and joined[2:].startswith(b'40{"sid":"') and is_gone

    return Operation(run, is_correct, runs=20)


def poll() -> Operation:
    """A GET that is held, and the POST of an event whose ack answers it."""
    server = NullServer(install)
    sid = server.open_polling()
    (held, held_transport), (posting, post_transport) = server.connect(), server.connect()
    answer = b'4317["%s"]' % TEXT_32.encode()
    get = request("GET", sid)
    post = request("POST", sid, b'4217["echo_async","%s"]' % TEXT_32.encode())

    def run() -> None:
        held.data_received(get)
        posting.data_received(post)
        server.end_turn()

    def is_correct() -> bool:
        got, posted = held_transport.written[-1], post_transport.written[-1]
        return got.endswith(b"\r\n\r\n" + answer) and posted.endswith(b"\r\n\r\nok")

    return Operation(run, is_correct, runs=20)


OPERATIONS: dict[str, Callable[[], Operation]] = {
    "frame_parse_32B": lambda: frame_parse(32),
    "frame_parse_64kB": lambda: frame_parse(65536),
    "packet_decode_32B": lambda: packet_decode(32),
    "packet_decode_1kB": lambda: packet_decode(1024),
    "packet_encode_32B": lambda: packet_encode(32),
    "packet_encode_1kB": lambda: packet_encode(1024),
    "payload_decode": payload_decode,
    "payload_encode": payload_encode,
    "dispatch_plain": lambda: dispatch("echo"),
    "dispatch_plain_no_ack": lambda: dispatch("echo", has_ack=False),
    "dispatch_coroutine": lambda: dispatch("echo_async"),
    "dispatch_coroutine_no_ack": lambda: dispatch("echo_async", has_ack=False),
    "dispatch_typed": lambda: dispatch("echo_typed"),
    "dispatch_dict": lambda: dispatch_object("echo_dict"),
    "dispatch_struct": lambda: dispatch_object("echo_struct"),
    "emit": emit,
    "dispatch_binary_1kB": dispatch_binary,
    "fan_out": fan_out,
    "connect": connect,
    "poll": poll,
}

"""fastsio._peer: from a session's messages to packets, and to the sockets of the namespaces that they name."""

from __future__ import annotations

from typing import Any

import pytest

from fastsio._codec import MessageDecoder, Parser, checked_packet
from fastsio._dispatch import Handler, NamespaceBase, SocketBase
from fastsio._fanout import Flusher, Outlet, SessionBase
from fastsio._frames import ProtocolError
from fastsio._json import Json
from fastsio._peer import PeerBase
from fastsio.core.handlers import PREFIX_SID


class Sink(Outlet):
    """Keeps what it is given; nothing is ever flushed."""

    def __init__(self) -> None:
        self.set_flusher(Flusher(lambda call: None))
        self.max_buffered_bytes = 1 << 20
        self.is_writable = True


class Peer(PeerBase):
    """Notes what is not an event or an ack, and events that are diverted."""

    def __init__(self, session: SessionBase, json: Json) -> None:
        self.controls: list[tuple[int, str, Any]] = []
        self.misplacements: list[tuple[int, str]] = []
        self.errors: list[Exception] = []
        self.diverted: list[tuple[Any, list[Any], int]] = []

    def control(self, packet_type: int, namespace: str, data: Any) -> None:
        self.controls.append((packet_type, namespace, data))

    def misplaced(self, packet_type: int, namespace: str) -> None:
        self.misplacements.append((packet_type, namespace))

    def malformed(self, error: Exception) -> None:
        self.errors.append(error)

    def divert(self, socket: Any, args: list[Any], ack_id: int) -> None:
        self.diverted.append((socket, args, ack_id))


class World:
    """One peer with a socket in "/" and one in "/chat"."""

    def __init__(self, json: Json | None = None) -> None:
        self.session = SessionBase()
        self.session.outlet = self.outlet = Sink()
        json = json or Json()
        self.peer = Peer(self.session, json)
        self.root, self.chat = (self.join(name, json) for name in ("/", "/chat"))

    def join(self, name: str, json: Json) -> SocketBase:
        namespace = NamespaceBase(name, json, set())
        socket = SocketBase(f"sid-of-{name}", self.session, namespace)
        socket.is_connected = True
        self.peer.attach(socket)
        return socket

    def on(self, event: str, fn: Any) -> None:
        self.root.namespace.handlers[event] = Handler(fn, prefix=PREFIX_SID)

    def text(self, data: bytes) -> list[bytes]:
        """Feed one packet; the Engine.IO packets that came of it."""
        self.peer.receive_text(data)
        return [encoded.text for encoded in self.outlet.take_queue()]


@pytest.fixture
def world() -> World:
    return World()


class Pending:
    def __init__(self) -> None:
        self.answers: list[Any] = []

    def resolve(self, args: list[Any]) -> None:
        self.answers.append(args)


def test_sockets_are_found_by_their_namespace_in_the_order_in_which_they_joined(world):
    assert world.peer.sockets == {"/": world.root, "/chat": world.chat}
    assert world.peer.find("/") is world.root
    assert world.peer.find("/chat") is world.chat
    assert world.peer.find("/gone") is None
    world.peer.detach(world.root)
    assert world.peer.sockets == {"/chat": world.chat}
    assert world.peer.find("/") is None


def test_acks_go_to_the_socket_of_their_namespace(world):
    world.root.acks, world.chat.acks = {1: Pending()}, {1: Pending()}
    root, chat = world.root.acks[1], world.chat.acks[1]
    world.peer.receive_text(b'3/chat,1["chat"]')
    assert (root.answers, chat.answers) == ([], [["chat"]])


def test_diverted_are_events_and_nothing_else(world):
    world.on("x", lambda sid: pytest.fail("handled"))
    world.root.acks = {1: Pending()}
    pending = world.root.acks[1]
    world.peer.is_diverted = True
    for packet in (b'27["x",1]', b'2/chat,["y"]', b"31[]", b"1"):
        world.peer.receive_text(packet)
    assert world.peer.diverted == [(world.root, ["x", 1], 7), (world.chat, ["y"], -1)]
    assert pending.answers == [[]]
    assert world.peer.controls == [(1, "/", None)]


def test_a_partial_packet_that_is_dropped_is_forgotten(world):
    world.on("x", lambda sid, *args: pytest.fail("handled"))
    world.peer.receive_text(b'51-["x",{"_placeholder":true,"num":0}]')
    world.peer.drop_partial()
    world.peer.receive_binary(b"late")
    assert len(world.peer.errors) == 1


class Words(Parser):
    """Packets as "/namespace event"; one that ends with "…" is not complete."""

    def new_decoder(self) -> MessageDecoder:
        return WordsDecoder()


class WordsDecoder(MessageDecoder):
    def __init__(self) -> None:
        self.begun = ""

    def decode(self, message: Any) -> Any:
        self.begun += message if isinstance(message, str) else message.decode()
        if self.begun.endswith("…"):
            self.begun = self.begun[:-1]
            return None
        namespace, _, event = self.begun.partition(" ")
        self.begun = ""
        return checked_packet(2, namespace, None, [event])


def test_other_forms_of_packets_are_read_by_their_decoder():
    world = World(Words())
    world.peer.is_diverted = True
    world.peer.receive_text("/ on…".encode())
    world.peer.receive_binary(b"e")
    world.peer.receive_binary(b"/chat two")
    assert world.peer.diverted == [(world.root, ["one"], -1), (world.chat, ["two"], -1)]
    world.peer.receive_text(b"no namespace")
    assert len(world.peer.errors) == 1


def test_events_reach_the_namespace_that_they_name(world):
    world.chat.namespace.handlers["x"] = Handler(lambda sid: sid, prefix=PREFIX_SID)
    assert world.text(b'2/chat,7["x"]') == [b'43/chat,7["sid-of-/chat"]']
    assert world.text(b'27["x"]') == []


def test_a_binary_event_is_handled_after_its_last_attachment(world):
    got = []
    world.on("x", lambda sid, a, b: got.append((a, b)) or a)
    packet = b'52-4["x",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]'
    assert world.text(packet) == []
    world.peer.receive_binary(b"\x01")
    assert got == []
    world.peer.receive_binary(b"\x02")
    assert got == [(b"\x01", [b"\x02"])]
    assert world.outlet.queue[0].text == b'461-4[{"_placeholder":true,"num":0}]'
    assert world.outlet.queue[0].attachments == [b"\x01"]


@pytest.mark.parametrize("feed", ["text while attachments are due", "binary unasked", "not JSON"])
def test_what_breaks_the_protocol_is_reported_and_runs_no_handler(world, feed):
    world.on("x", lambda sid, *args: pytest.fail("handled"))
    if feed == "text while attachments are due":
        world.peer.receive_text(b'51-["x",{"_placeholder":true,"num":0}]')
        world.peer.receive_text(b'2["x"]')
    elif feed == "binary unasked":
        world.peer.receive_binary(b"x")
    else:
        world.peer.receive_text(b'2["x"')
    assert len(world.peer.errors) == 1
    assert isinstance(world.peer.errors[0], ProtocolError)


@pytest.mark.parametrize(("packet", "kind"), [(b'2/gone,["x"]', 2), (b"3/gone,1[]", 3)])
def test_an_event_or_ack_for_a_namespace_not_joined_is_misplaced(world, packet, kind):
    world.peer.receive_text(packet)
    assert world.peer.misplacements == [(kind, "/gone")]


def test_a_socket_that_is_detached_gets_nothing(world):
    world.on("x", lambda sid: pytest.fail("handled"))
    world.peer.detach(world.root)
    world.peer.receive_text(b'2["x"]')
    assert world.peer.misplacements == [(2, "/")]


@pytest.mark.parametrize(
    ("packet", "control"),
    [
        (b"0", (0, "/", None)),
        (b'0/a,{"token":1}', (0, "/a", {"token": 1})),
        (b"1", (1, "/", None)),
        (b'4/a,"x"', (4, "/a", "x")),
    ],
)
def test_control_packets_go_to_the_peer(world, packet, control):
    world.peer.receive_text(packet)
    assert world.peer.controls == [control]


def test_an_event_without_data_decodes_and_nothing_handles_it(world):
    world.on("x", lambda sid: pytest.fail("handled"))
    assert world.text(b"2") == []
    assert world.peer.errors == []

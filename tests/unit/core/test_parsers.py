"""Servers whose packets have another form than text with JSON: serializer="msgpack", or a class of packets."""

from __future__ import annotations

import base64
import logging
from typing import Any

import msgpack
import orjson
import pytest
import socketio.msgpack_packet
import socketio.packet
import ujson

import fastsio
from fastsio._json import Json
from fastsio._msgpack import MsgPack
from fastsio.core.parsers import PacketClassParser, make_json, packet_class
from fastsio.msgpack_packet import MsgPackPacket
from fastsio.options import Options
from fastsio.packet import Packet
from harness import CLOSE, until
from memory_conn import MemoryPeer

CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


class Hex(Packet):
    """A form of its own: the default one's messages, each text and in hexadecimal."""

    uses_binary_events = False

    def encode(self) -> Any:
        return msgpack.dumps(self._to_dict()).hex()

    def decode(self, encoded_packet: Any) -> None:
        fields = msgpack.loads(bytes.fromhex(encoded_packet))
        self.packet_type, self.namespace = fields["type"], fields["nsp"]
        self.data, self.id = fields.get("data"), fields.get("id")


class Reversed(Packet):
    """The default form with its text backwards and the attachments beside it."""

    def encode(self) -> Any:
        encoded = super().encode()
        return [encoded[0][::-1], *encoded[1:]] if isinstance(encoded, list) else encoded[::-1]

    def decode(self, encoded_packet: Any) -> Any:
        return super().decode(encoded_packet[::-1])


class Peer:
    """A client that speaks one of these forms; its `form` is a class of packets."""

    def __init__(self, peer: MemoryPeer, form: Any) -> None:
        self.peer = peer
        self.form = form

    async def send(
        self, kind: int, data: Any = None, namespace: str = "/", id: int | None = None
    ) -> None:
        encoded = self.form(kind, data=data, namespace=namespace, id=id).encode()
        for message in encoded if isinstance(encoded, list) else [encoded]:
            await self.peer.send("4" + message if isinstance(message, str) else message)

    async def receive(self) -> tuple[Any, ...]:
        """(type, namespace, id, data) of the next packet."""
        packet = self.form(encoded_packet=await self._message())
        for _ in range(packet.attachment_count):
            packet.add_attachment(await self._message())
        return packet.packet_type, packet.namespace or "/", packet.id, packet.data

    async def _message(self) -> str | bytes:
        message = await self.peer.receive()
        if isinstance(message, bytes):
            return message
        assert message[:1] == "4"
        return message[1:]

    async def join(self, namespace: str = "/", auth: Any = None) -> str:
        await self.send(0, auth, namespace)
        kind, name, _, data = await self.receive()
        assert (kind, name) == (0, namespace)
        return data["sid"]

    async def closed(self) -> None:
        assert await self.peer.ws.receive() == (CLOSE, b"")


FORMS = {
    "msgpack": ("msgpack", MsgPackPacket),
    "MsgPackPacket": (MsgPackPacket, MsgPackPacket),
    "configured": (MsgPackPacket.configure(dumps_default=str), MsgPackPacket),
    "theirs": (socketio.msgpack_packet.MsgPackPacket, socketio.msgpack_packet.MsgPackPacket),
    "hex": (Hex, Hex),
    "reversed": (Reversed, Reversed),
    "their class": (socketio.packet.Packet, socketio.packet.Packet),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return FORMS[request.param]


@pytest.fixture
def open_peer(join: Any) -> Any:
    async def open_(app: Any, form: Any, transport: str = "websocket") -> Peer:
        return Peer(await join.open(app, transport), form)

    return open_


# --- what the option makes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serializer", "kind", "cls"),
    [
        ("default", Json, Packet),
        (Packet, Json, Packet),
        ("msgpack", MsgPack, MsgPackPacket),
        (MsgPackPacket, MsgPack, MsgPackPacket),
        (Hex, PacketClassParser, Hex),
        (socketio.packet.Packet, PacketClassParser, socketio.packet.Packet),
    ],
)
def test_only_a_class_that_codes_by_itself_is_run_in_python(serializer, kind, cls):
    options = Options(serializer=serializer)
    assert type(make_json(options)) is kind
    assert packet_class(options) is cls


def test_json_of_a_packet_class_is_used_unless_the_option_names_another():
    named = type("Named", (Packet,), {"json": ujson})
    made = make_json(Options(serializer=named))
    assert type(made) is Json and made.loads is ujson.loads
    assert make_json(Options(serializer=named, json=orjson)).loads is orjson.loads


def test_configured_msgpack_is_compiled_and_one_with_its_own_encode_is_not():
    configured = MsgPackPacket.configure(dumps_default=str)
    assert type(make_json(Options(serializer=configured))) is MsgPack
    own = type("Own", (MsgPackPacket,), {"encode": lambda self: b""})
    assert type(make_json(Options(serializer=own))) is PacketClassParser


@pytest.mark.parametrize("given", ["msgpak", "", None, 1, object(), Json, Hex()])
def test_serializer_that_is_none_is_refused_by_name(given):
    with pytest.raises(ValueError, match=r"^serializer=.*encode\(\) and decode\(\)"):
        fastsio.AsyncServer(serializer=given)


# --- a client's life ------------------------------------------------------------------------------


@pytest.mark.feature("1.2 serializer")
@pytest.mark.feature("1.14 custom parser")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_events_acks_and_bytes_go_both_ways(open_peer, form, transport):
    serializer, cls = form
    sio = fastsio.AsyncServer(serializer=serializer, namespaces=["/chat"])
    seen = []

    @sio.event
    def connect(sid, environ, auth):
        seen.append(auth)

    @sio.event(namespace="/chat")
    async def echo(sid, *args):
        return args

    sio.on("echo", echo)
    peer = await open_peer(sio, cls, transport)
    sid = await peer.join("/", {"token": "é", "key": 1})
    assert seen == [{"token": "é", "key": 1}]
    assert await peer.join("/chat") != sid

    data = ["echo", {"é": [1.5, None, True, -(2**40)]}, b"\0\xff", "text", [b"", {"b": b"x" * 300}]]
    await peer.send(2, data, "/chat", 7)
    assert (await peer.receive())[1:] == ("/chat", 7, data[1:])
    await peer.send(2, data)  # no id: no answer
    await peer.send(2, ["echo"], "/", 0)
    assert await peer.receive() == (3, "/", 0, [])

    await sio.emit("news", ({"a": [1]}, "two"), to=sid)
    assert await peer.receive() == (2, "/", None, ["news", {"a": [1]}, "two"])
    calling = sio.start_background_task(sio.call, "ask", b"?", to=sid)
    kind, _, number, asked = await peer.receive()
    assert (kind in (2, 5), asked) == (True, ["ask", b"?"])
    await peer.send(3, ["yes", b"!"], "/", number)
    assert await calling == ("yes", b"!")


async def test_refusals_disconnects_and_unknown_namespaces(open_peer, form):
    serializer, cls = form
    sio = fastsio.AsyncServer(serializer=serializer)
    reasons = []

    @sio.event(namespace="/closed")
    def connect(sid, environ):
        raise fastsio.exceptions.ConnectionRefusedError("full", {"seats": 0})

    @sio.event
    def disconnect(sid, reason):
        reasons.append(reason)

    peer = await open_peer(sio, cls)
    await peer.send(0, None, "/nowhere")
    assert await peer.receive() == (4, "/nowhere", None, {"message": "Invalid namespace"})
    await peer.send(0, None, "/closed")
    assert await peer.receive() == (4, "/closed", None, {"message": "full", "data": {"seats": 0}})
    first = await peer.join()
    await sio.disconnect(first)
    assert await peer.receive() == (1, "/", None, None)
    await peer.join()
    await peer.send(1)
    await until(lambda: len(reasons) == 2, "both disconnects")
    assert reasons == ["server disconnect", "client disconnect"]


@pytest.mark.feature("1.7 one encode per broadcast")
async def test_broadcast_is_encoded_once(open_peer):
    calls = []

    class Counted(Hex):
        def encode(self) -> Any:
            calls.append(self.data)
            return super().encode()

    sio = fastsio.AsyncServer(serializer=Counted)
    peers = [await open_peer(sio, Hex) for _ in range(5)]
    for peer in peers:
        await peer.join()
    calls.clear()
    await sio.emit("all", {"n": 1})
    for peer in peers:
        assert await peer.receive() == (2, "/", None, ["all", {"n": 1}])
    assert calls == [["all", {"n": 1}]]


async def test_msgpack_broadcast_is_the_same_bytes_for_all(open_peer):
    sio = fastsio.AsyncServer(serializer="msgpack")
    peers = [await open_peer(sio, MsgPackPacket) for _ in range(3)]
    for peer in peers:
        await peer.join()
    await sio.emit("all", b"x")
    (encoded,) = {
        id(session.outlet.queue[0]): session.outlet.queue[0]
        for session in peers[0].peer.server.engine.sessions.values()
    }.values()
    raw = msgpack.dumps({"type": 2, "data": ["all", b"x"], "nsp": "/"})
    assert encoded.frames == bytes([0x82, len(raw)]) + raw
    for peer in peers:
        assert await peer.receive() == (2, "/", None, ["all", b"x"])


async def test_polling_carries_msgpack_as_base64(open_peer):
    sio = fastsio.AsyncServer(serializer="msgpack")
    peer = await open_peer(sio, MsgPackPacket, "polling")
    sid = await peer.join()
    await sio.emit("a", 1, to=sid)
    await sio.emit("b", b"2", to=sid)
    response = await peer.peer.get()
    packets = [msgpack.loads(base64.b64decode(part[1:])) for part in response.body.split(b"\x1e")]
    assert [packet["data"] for packet in packets] == [["a", 1], ["b", b"2"]]
    assert all(part[:1] == b"b" for part in response.body.split(b"\x1e"))


async def test_node_style_works_too(open_peer):
    io = fastsio.IO(serializer="msgpack")
    io.on("connection", lambda socket: socket.on("echo", lambda value: value))
    peer = await open_peer(io, MsgPackPacket)
    await peer.join()
    await peer.send(2, ["echo", {"b": b"x"}], id=1)
    assert await peer.receive() == (3, "/", 1, [{"b": b"x"}])
    io.emit("hi", b"all")
    assert await peer.receive() == (2, "/", None, ["hi", b"all"])


async def test_json_of_the_server_is_the_packet_classs_own(open_peer):
    class Loud:
        @staticmethod
        def dumps(value: Any, **how: Any) -> str:
            return Packet.json.dumps(value, **how).upper()

        loads = staticmethod(Packet.json.loads)

    class Plain(Reversed):
        pass

    sio = fastsio.AsyncServer(serializer=Plain, json=Loud)
    peer = await open_peer(sio, Reversed)
    await peer.send(0)
    assert "SID" in (await peer.receive())[3]
    assert Plain.json is Packet.json


# --- wrong bytes ----------------------------------------------------------------------------------


GOOD = msgpack.dumps({"type": 2, "data": ["x", {"k": b"v"}], "nsp": "/", "id": 1})


@pytest.mark.parametrize(
    "message", [GOOD[: len(GOOD) // 2], b"", GOOD + b"\0", b"\xc1", '42["x"]', "4"]
)
async def test_msgpack_that_is_none_closes_cleanly(open_peer, caplog, message):
    caplog.set_level(logging.INFO, "fastsio.core")
    sio = fastsio.AsyncServer(serializer="msgpack")
    reasons = []
    sio.on("disconnect", lambda sid, reason: reasons.append(reason))
    peer = await open_peer(sio, MsgPackPacket)
    other = await open_peer(sio, MsgPackPacket)
    await peer.join()
    await other.join()
    await peer.peer.send(message)
    await peer.closed()
    assert reasons == ["server disconnect"]
    assert "closing session" in caplog.text
    await sio.emit("still", 1)
    assert (await other.receive())[3] == ["still", 1]


@pytest.mark.parametrize("end", range(len(GOOD)))
async def test_msgpack_cut_off_at_every_byte_closes_cleanly(open_peer, end):
    sio = fastsio.AsyncServer(serializer="msgpack", namespaces="*")
    peer = await open_peer(sio, MsgPackPacket)
    await peer.join()
    await peer.peer.send(GOOD[:end])
    await peer.closed()


@pytest.mark.parametrize("name", ["chat", "", "/a,b", ","])
async def test_namespace_that_can_not_be_named_closes_also_where_any_is_taken(open_peer, name):
    sio = fastsio.AsyncServer(serializer="msgpack", namespaces="*")
    peer = await open_peer(sio, MsgPackPacket)
    await peer.send(0, None, name)
    await peer.closed()
    assert set(sio.hub.namespaces) == {"/"}


@pytest.mark.parametrize("name", ["disconnect", "connect"])
async def test_client_can_not_emit_the_servers_own_events(open_peer, form, name):
    serializer, cls = form
    sio = fastsio.AsyncServer(serializer=serializer)
    called = []
    sio.on("disconnect", lambda sid, *args: called.append(args))
    peer = await open_peer(sio, cls)
    await peer.join()
    await peer.send(2, [name, "forged"])
    await peer.closed()
    assert called == [("server disconnect",)]


@pytest.mark.parametrize(
    "messages",
    [
        ["4zz"],  # not hexadecimal
        ["4" + msgpack.dumps({"type": 9, "nsp": "/"}).hex()],
        ["4" + msgpack.dumps({"type": "x", "nsp": "/"}).hex()],
        ["4" + msgpack.dumps({"type": [], "nsp": "/"}).hex()],
        ["4" + msgpack.dumps({"type": 2, "nsp": 5, "data": ["a"]}).hex()],
        ["4" + msgpack.dumps({"type": 2, "nsp": "/", "data": {"a": 1}}).hex()],
        ["4" + msgpack.dumps({"type": 2, "nsp": "/", "data": ["a"], "id": "1"}).hex()],
        [b"\0"],
    ],
)
async def test_what_a_packet_class_can_not_decode_closes_cleanly(open_peer, messages):
    sio = fastsio.AsyncServer(serializer=Hex)
    peer = await open_peer(sio, Hex)
    await peer.join()
    await peer.peer.send(*messages)
    await peer.closed()


@pytest.mark.parametrize(
    "messages",
    [
        ['4]}0:"mun",eurt:"redlohecalp_"{,"a"[-15', '4]"a"[2'],  # text in place of an attachment
        [b"unasked"],
        ["4" + '5999-["a"]'[::-1]],
        ["4" + '511-["a"]'[::-1]],
        ["4" + '51-["a",{"_placeholder":true,"num":5}]'[::-1], b"x"],
    ],
)
async def test_attachments_of_a_packet_class_that_do_not_fit_close_cleanly(open_peer, messages):
    sio = fastsio.AsyncServer(serializer=Reversed)
    peer = await open_peer(sio, Reversed)
    await peer.join()
    await peer.peer.send(*messages)
    await peer.closed()


@pytest.mark.parametrize("result", [None, 5, ["text", "text"], [None]])
async def test_encode_that_returns_no_message_is_an_error_where_it_is_sent(open_peer, result):
    class Broken(Hex):
        def encode(self) -> Any:
            return super().encode() if self.packet_type == 0 else result

    sio = fastsio.AsyncServer(serializer=Broken)
    peer = await open_peer(sio, Hex)
    await peer.join()
    with pytest.raises(TypeError, match=r"str or bytes|only that one may be text"):
        await sio.emit("x")
    await peer.send(2, ["x"])  # and the connection lives
    assert len(sio.hub.namespaces["/"].sockets) == 1


async def test_answer_without_a_form_is_logged_and_keeps_the_connection(open_peer, watch):
    sio = fastsio.AsyncServer(serializer="msgpack")
    sio.on("give", lambda sid, what: {"object": object(), "big": 2**70, "fine": 1}[what])
    peer = await open_peer(sio, MsgPackPacket)
    await peer.join()
    for what in ("object", "big"):
        await peer.send(2, ["give", what], id=1)
    await peer.send(2, ["give", "fine"], id=2)
    assert await peer.receive() == (3, "/", 2, [1])
    watch.expect_error("(ack)", "object")
    watch.expect_error("(ack)", "int")

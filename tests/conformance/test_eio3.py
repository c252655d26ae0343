"""Clients of Engine.IO v3 and Socket.IO v2, byte for byte, against this server and against Node's with `allowEIO3`.

Each test runs with both: what it says of the one is true of the other. Source: engineio.md 13, socketio.md 9.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from eio3_peer import (
    OCTETS,
    Eio3Peer,
    js_length,
    jsonp_form,
    jsonp_payload,
    octets,
    text_packets,
    text_payload,
)
from harness import BINARY, RECORD_SEPARATOR, TEXT, FakePeer, RawWebSocket, http, until
from targets import FastsioTarget, Target, open_fastsio, open_official

NODE_MODULES = Path(__file__).resolve().parents[1]
TEXT_PLAIN = "text/plain; charset=utf-8"
EVIL = 'line\nfeed \\n \\\\n " \u2028\u2029 €😀 </script>'
TRANSPORTS = ["websocket", "polling"]

# One loop: it is the servers that differ. One server for all tests, whose clients it tells apart.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"], loop_scope="module")


@pytest_asyncio.fixture(params=["fastsio", "node"], scope="module", loop_scope="module")
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    """A server that lets v3 in, with the application of targets.py."""
    if request.param == "fastsio":
        opening = open_fastsio(allow_eio3=True)
    elif shutil.which("node") is None:
        pytest.skip("no node")
    else:
        opening = open_official(str(NODE_MODULES), allow_eio3=True)
    async with opening as opened:
        yield opened


async def connect(target: Target, transport: str = "websocket", **query: str) -> Eio3Peer:
    """A client that has been told that it is in "/"."""
    peer = await Eio3Peer(target.url, transport, query=query).open()
    assert await peer.receive() == "40"
    return peer


def sid_of(peer: Eio3Peer) -> str:
    return str(peer.handshake["sid"])


# --- the handshake --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["EIO=3&", "EIO=2&", "EIO=&", "EIO=abc&", ""])
async def test_polling_opens_with_a_payload_of_v3_whatever_version_is_not_4(target, version):
    path = f"/socket.io/?{version}transport=polling"
    opened = await http(target.url, "GET", path)
    assert opened.status == 200
    assert opened.headers["content-type"].lower() == TEXT_PLAIN
    (packet,) = text_packets(opened.body)
    assert json.loads(packet[1:]) | {"sid": ""} == {
        "sid": "", "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 20000,
    }  # fmt: skip
    session = f"{path}&sid={json.loads(packet[1:])['sid']}"
    assert (await http(target.url, "GET", session)).body == b"2:40"
    assert (await http(target.url, "POST", session, b"1:1")).body == b"ok"


async def test_websocket_opens_with_the_handshake_and_the_join_of_the_root(target):
    ws = await RawWebSocket.open(target.url, "/socket.io/?EIO=3&transport=websocket")
    opcode, packet = await ws.receive()
    assert (opcode, packet[:1]) == (TEXT, b"0")
    assert json.loads(packet[1:])["upgrades"] == []
    assert await ws.receive() == (TEXT, b"40")
    await ws.connection.close()


@pytest.mark.parametrize(("opened_by", "asked_by"), [("3", "4"), ("4", "3")])
async def test_session_keeps_its_version(target, opened_by, asked_by):
    kind = Eio3Peer if opened_by == "3" else FakePeer
    peer = await kind(target.url, "polling").open()
    path = f"/socket.io/?EIO={asked_by}&transport=polling&sid={sid_of(peer)}"
    refused = await http(target.url, "GET", path)
    assert (refused.status, refused.json()) == (400, {"code": 3, "message": "Bad request"})
    await peer.close()


# --- the heartbeat --------------------------------------------------------------------------------


@pytest.mark.feature("1.15 heartbeat of the client")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("ping", ["2", "2probe", "2xyz"])
async def test_ping_of_the_client_is_answered_without_its_data(target, transport, ping):
    peer = await connect(target, transport)
    await peer.send(ping)
    assert await peer.receive() == "3"
    await peer.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_pong_of_the_client_ends_the_session(target, transport):
    peer = await connect(target, transport)
    await peer.send("3")
    await until(lambda: target.reasons[sid_of(peer)], "the end")
    assert target.reasons[sid_of(peer)] == ["transport error"]
    if peer.ws is not None:
        assert await peer.ws.receive_close() == (None, b"")
        await peer.ws.connection.close()


# --- payloads that come ---------------------------------------------------------------------------

SAY_A, SAY_B = '42["say","a"]', '42["say","b"]'


@pytest.mark.feature("1.15 polling payload: text with lengths in UTF-16 units")
@pytest.mark.parametrize(
    ("packets", "heard"),
    [
        ((SAY_A,), ["a"]),
        ((SAY_A, SAY_B), ["a", "b"]),
        (('42["say","€"]', '42["say","😀 é"]', SAY_A), ["€", "😀 é", "a"]),
        (('42["say","\\n"]',), ["\n"]),
        (('451-["say",{"_placeholder":true,"num":0}]', b"\x00\x01\xff"), ["bytes 00 01 ff"]),
    ],
)
async def test_packets_of_a_text_payload_are_heard(target, packets, heard):
    peer = await connect(target, "polling", b64="1")
    await peer.send(*packets)
    await until(lambda: len(target.heard[sid_of(peer)]) == len(heard), "all packets")
    assert target.heard[sid_of(peer)] == [[value] for value in heard]
    await peer.close()


async def test_empty_packets_are_left_out(target):
    peer = await connect(target, "polling")
    ok = await peer.post_as(b"0:" + text_payload(SAY_A) + b"0:", "text/plain")
    assert (ok.status, ok.body) == (200, b"ok")
    await until(lambda: target.heard[sid_of(peer)], "the packet")
    await peer.close()


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (b"", []),
        (b":4a", []),
        (b"x:4a", []),
        (b"-1:4a", []),
        (b"5:4a", []),
        (b"4a", []),
        (b"2:9a", []),
        (b"2:\xe2\x82\xac4", []),
        (text_payload(SAY_A) + b"3", [["a"]]),
        (text_payload(SAY_A) + b"3:", [["a"]]),
        (text_payload(SAY_A) + b"1:x" + text_payload(SAY_B), [["a"]]),
    ],
)
async def test_mistake_in_a_text_payload_ends_the_session_behind_what_came_before(
    target, body, heard
):
    peer = await connect(target, "polling")
    ok = await peer.post_as(body, "text/plain")
    assert (ok.status, ok.body) == (200, b"ok")
    await until(lambda: target.reasons[sid_of(peer)], "the end")
    assert target.reasons[sid_of(peer)] == ["parse error"]
    # Node's server delivers events a tick later, when the session is closed already.
    assert target.heard[sid_of(peer)] == (heard if isinstance(target, FastsioTarget) else [])
    assert (await peer.get()).json()["code"] == 1


BLOB = '451-["say",{"_placeholder":true,"num":0}]'


@pytest.mark.feature("1.15 polling payload: binary (XHR2)")
@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (octets(SAY_A, '42["say","€😀"]'), ["a", "€😀"]),
        (octets(BLOB, b"\x00\x01\xff", SAY_A), ["bytes 00 01 ff", "a"]),
        (octets(BLOB, bytes(1234)), ["bytes " + " ".join(["00"] * 1234)]),
        (octets(BLOB) + b"\x01\x09\x00\xff\x04\x07", ["bytes 07"]),  # longer than there is
        (octets(BLOB) + b"\x05\x02\xff\x04\x07", ["bytes 07"]),  # any flag but 0 is binary
        (b"\x01\x02\xff\x09\x07" + octets(SAY_A), ["a"]),  # a type that nobody knows
        (octets("b9AQ==", SAY_A), ["a"]),
        (octets(BLOB, "b4" + "AAH/"), ["bytes 00 01 ff"]),
    ],
)  # fmt: skip
async def test_packets_of_a_binary_payload_are_heard(target, body, heard):
    peer = await connect(target, "polling")
    ok = await peer.post_as(body, OCTETS)
    assert (ok.status, ok.body) == (200, b"ok")
    await until(lambda: len(target.heard[sid_of(peer)]) == len(heard), "all packets")
    assert target.heard[sid_of(peer)] == [[value] for value in heard]
    await peer.close()


@pytest.mark.parametrize("body", [octets("9a"), octets("")])
async def test_text_packet_that_is_none_in_a_binary_payload_ends_the_session(target, body):
    peer = await connect(target, "polling")
    ok = await peer.post_as(body, OCTETS)
    assert (ok.status, ok.body) == (200, b"ok")
    await until(lambda: target.reasons[sid_of(peer)], "the end")
    assert target.reasons[sid_of(peer)] == ["parse error"]


async def test_close_packet_frees_the_poll_with_a_noop(target):
    peer = await connect(target, "polling")
    poll = asyncio.ensure_future(peer.get())
    await asyncio.sleep(0)
    await peer.send('42["say",1]')
    await until(lambda: target.heard[sid_of(peer)], "the event")
    await peer.send("1")
    assert (await poll).body == b"1:6"
    assert target.reasons[sid_of(peer)] == ["transport close"]


# --- payloads that go -----------------------------------------------------------------------------


@pytest.mark.parametrize("b64", [{}, {"b64": "1"}])
async def test_text_goes_out_with_its_length_in_utf16_units(target, b64):
    peer = await connect(target, "polling", **b64)
    await peer.send('421["echo","€😀é"]')
    answer = '431["€😀é"]'
    response = await peer.get()
    assert response.body == f"{js_length(answer)}:{answer}".encode()
    assert response.headers["content-type"].lower() == TEXT_PLAIN
    await peer.close()


@pytest.mark.feature("1.15 polling payload: Base64 where asked")
async def test_binary_goes_out_as_octets_or_in_base64_with_b64(target):
    answer = '461-1["€",{"_placeholder":true,"num":0}]'
    for b64, body, content_type in (
        ({}, octets(answer, b"\x00\x01\xff"), OCTETS),
        ({"b64": "1"}, text_payload(answer, b"\x00\x01\xff"), TEXT_PLAIN),
    ):
        peer = await connect(target, "polling", **b64)
        await peer.send('451-1["echo","€",{"_placeholder":true,"num":0}]', b"\x00\x01\xff")
        response = await peer.get()
        received = response.body
        if len(received) < len(body):  # Node may be asked between text and attachment
            received += (await peer.get()).body
        assert received == body
        assert response.headers["content-type"].lower() == content_type
        await peer.close()


# --- WebSocket ------------------------------------------------------------------------------------


@pytest.mark.feature("1.15 WebSocket: binary with the type byte")
@pytest.mark.parametrize(
    ("query", "sent", "received"),
    [
        ({}, (BINARY, b"\x04\x00\x01\xff"), (BINARY, b"\x04\x00\x01\xff")),
        ({}, (TEXT, b"b4AAH/"), (BINARY, b"\x04\x00\x01\xff")),
        ({"b64": "1"}, (BINARY, b"\x04\x00\x01\xff"), (TEXT, b"b4AAH/")),
    ],
)
async def test_binary_message_over_websocket(target, query, sent, received):
    peer = await connect(target, **query)
    peer.ws.send(TEXT, b'451-1["echo",{"_placeholder":true,"num":0}]')
    peer.ws.send(*sent)
    assert await peer.ws.receive() == (TEXT, b'461-1[{"_placeholder":true,"num":0}]')
    assert await peer.ws.receive() == received
    await peer.close()


@pytest.mark.parametrize(
    "frame", [(BINARY, b"\x09\x01"), (BINARY, b""), (TEXT, b"b9AQ=="), (TEXT, b"b")]
)
async def test_binary_message_of_an_unknown_type_is_left_alone(target, frame):
    peer = await connect(target)
    peer.ws.send(*frame)
    await peer.send('421["echo","still here"]')
    assert await peer.receive() == '431["still here"]'
    await peer.close()


@pytest.mark.parametrize("packet", ["", "abc", "7"])
async def test_text_that_is_no_packet_ends_the_session(target, packet):
    peer = await connect(target)
    peer.ws.send(TEXT, packet.encode())
    assert await peer.ws.receive_close() == (None, b"")
    await until(lambda: target.reasons[sid_of(peer)], "the end")
    assert target.reasons[sid_of(peer)] == ["parse error"]
    await peer.ws.connection.close()


async def test_upgrade_frees_the_poll_and_keeps_the_order(target):
    peer = await connect(target, "polling")
    poll = asyncio.ensure_future(peer.get())
    await asyncio.sleep(0)
    ws = await RawWebSocket.open(target.url, peer.target("websocket"))
    ws.send(TEXT, b"2probe")
    assert await ws.receive() == (TEXT, b"3probe")
    assert (await poll).body == b"1:6"
    # Between its transports the client is sent what waits for the new one.
    posted = await peer.post_as(text_payload('421["echo",1]', '422["echo",2]'), "text/plain")
    assert posted.body == b"ok"
    ws.send(TEXT, b"5")
    ws.send(TEXT, b'423["echo",3]')
    received = [(await ws.receive())[1] for _ in range(3)]
    assert received == [b"431[1]", b"432[2]", b"433[3]"]
    ws.send(TEXT, b"2")
    assert await ws.receive() == (TEXT, b"3")
    await ws.connection.close()


# --- JSONP ----------------------------------------------------------------------------------------


@pytest.mark.feature("1.15 JSONP in v2")
async def test_jsonp_of_v3_is_a_script_and_a_form(target):
    query = "EIO=3&transport=polling&b64=1&j=12ab"
    opened = await http(target.url, "GET", f"/socket.io/?{query}")
    assert opened.headers["content-type"].lower() == TEXT_PLAIN
    (packet,) = text_packets(jsonp_payload(opened.body, 12))
    session = f"/socket.io/?{query}&sid={json.loads(packet[1:])['sid']}"
    assert (await http(target.url, "GET", session)).body == b'___eio[12]("2:40");'
    event = "421" + json.dumps(["echo", EVIL], ensure_ascii=False)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = await http(target.url, "POST", session, jsonp_form(text_payload(event)), form)
    assert (posted.status, posted.body, posted.headers["content-type"]) == (200, b"ok", "text/html")
    answered = await http(target.url, "GET", session)
    (answer,) = text_packets(jsonp_payload(answered.body, 12))
    assert json.loads(answer[3:]) == [EVIL]
    await http(target.url, "POST", session, jsonp_form(b"1:1"), form)


async def test_jsonp_of_v4_is_the_same_around_its_own_payload(target):
    query = "EIO=4&transport=polling&b64=1&j=0"
    opened = await http(target.url, "GET", f"/socket.io/?{query}")
    packet = jsonp_payload(opened.body)
    session = f"/socket.io/?{query}&sid={json.loads(packet[1:])['sid']}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    events = RECORD_SEPARATOR.join(
        [b"40", b"421" + json.dumps(["echo", EVIL], ensure_ascii=False).encode()]
    )
    # On Node what comes behind a CONNECT in one payload is too early.
    for event in events.split(RECORD_SEPARATOR):
        assert (await http(target.url, "POST", session, jsonp_form(event), form)).body == b"ok"
        answered = jsonp_payload((await http(target.url, "GET", session)).body)
    assert json.loads(answered[3:]) == [EVIL]
    await http(target.url, "POST", session, jsonp_form(b"1"), form)


@pytest.mark.parametrize("body", [b"", b"x=1", b"d=1&d=2"])
async def test_form_without_a_payload_is_ignored(target, body):
    peer = await connect(target, "polling", j="0", b64="1")
    answer = await peer.post_as(body, "application/x-www-form-urlencoded")
    assert (answer.status, answer.body) == (200, b"ok")
    await peer.send('421["echo",1]')
    assert await peer.receive() == "431[1]"
    await peer.close()


# --- Socket.IO ------------------------------------------------------------------------------------


@pytest.mark.feature("1.15 namespaces: query, reply without payload")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("asked", ["/other", "/other?token=a&x=1", "/other?"])
async def test_namespace_is_joined_with_a_query_and_its_reply_says_nothing(
    target, transport, asked
):
    peer = await connect(target, transport)
    await peer.send(f"40{asked},")
    assert await peer.receive() == "40/other,"
    await peer.send('42/other,1["echo","x"]')
    assert await peer.receive() == '43/other,1["x"]'
    await peer.send('42/other,["say","y"]')
    await until(lambda: target.heard[f"/other#{sid_of(peer)}"], "the event, by the socket's id")
    await peer.send("41/other,")
    await until(lambda: target.reasons[f"/other#{sid_of(peer)}"], "the end")
    await peer.close()


@pytest.mark.feature("1.15 errors of namespaces")
@pytest.mark.parametrize(
    ("namespace", "answer"),
    [
        ("/guarded", '44/guarded,"nobody is let in"'),
        ("/none", '44/none,{"message":"Invalid namespace"}'),
    ],
)
async def test_refusal_of_a_namespace_is_bare_and_the_connection_stays(target, namespace, answer):
    peer = await connect(target)
    await peer.send(f"40{namespace},")
    assert await peer.receive() == answer
    await peer.send('421["echo",1]')
    assert await peer.receive() == "431[1]"
    await peer.close()


@pytest.mark.parametrize("packet", ["40", "44", '42/other,["say",1]', "4abc", "42{}"])
async def test_packet_out_of_place_ends_the_session(target, packet):
    peer = await connect(target)
    await peer.send(packet)
    assert await peer.ws.receive_close() == (None, b"")
    await until(lambda: target.reasons[sid_of(peer)], "the end")
    assert target.reasons[sid_of(peer)] in (["forced close"], ["forced server close"])
    await peer.ws.connection.close()


async def join_v4(target: Target, transport: str) -> FakePeer:
    peer = await FakePeer(target.url, transport).open()
    await peer.connect()
    return peer


@pytest.mark.feature("1.15 mixing: one broadcast to clients of v3 and v4")
async def test_one_broadcast_reaches_every_kind_of_client_as_it_wants_it(target):
    peers: list[Any] = [
        await connect(target),
        await connect(target, b64="1"),
        await connect(target, "polling"),
        await connect(target, "polling", b64="1"),
        await connect(target, "polling", b64="1", j="0"),
        await join_v4(target, "websocket"),
        await join_v4(target, "polling"),
    ]
    await peers[0].send('451-["shout","€",{"_placeholder":true,"num":0}]', b"\x00\xfe")
    text = '451-["shouted","€",{"_placeholder":true,"num":0}]'
    for peer in peers:
        assert await peer.receive() == text
        binary = await peer.receive()
        assert binary == ("b4AP4=" if peer is peers[1] else b"\x00\xfe")
    await peers[0].send('42["shout","as text"]')
    for peer in peers:
        assert await peer.receive() == '42["shouted","as text"]'
    for peer in peers:
        await peer.close()

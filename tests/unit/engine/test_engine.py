"""Requests to the engine: handshakes, whose session a request is, and every refusal in its order.

Source: engine.io-protocol v4, "Handshake"; engineio.md 7.2 and 7.4 (engine.io 6.6 on the wire).
"""

from __future__ import annotations

import json
import re

import pytest

import fastsio
from harness import FakePeer, RawConnection, RawWebSocket, http

PATH = "/socket.io/"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_polling_handshake_names_the_session_and_every_limit(serve):
    io = fastsio.IO(
        ping_interval=1.5, ping_timeout=0.25, max_http_buffer_size=5000, connect_timeout=7
    )
    server = await serve(io)
    response = await http(server.url, "GET", PATH + "?EIO=4&transport=polling")
    assert response.status == 200
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.body[:1] == b"0"
    opened = json.loads(response.body[1:])
    assert list(opened) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    sid = opened.pop("sid")
    assert opened == {
        "upgrades": ["websocket"], "pingInterval": 1500, "pingTimeout": 250, "maxPayload": 5000,
    }  # fmt: skip
    assert re.fullmatch(r"[A-Za-z0-9_-]{20}", sid)
    assert list(server.engine.sessions) == [sid]
    await http(server.url, "POST", f"{PATH}?EIO=4&transport=polling&sid={sid}", b"1")


async def test_websocket_handshake_opens_a_session_that_offers_no_upgrade(serve):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url).open()
    assert peer.handshake["upgrades"] == []
    assert peer.handshake["pingInterval"] == 25_000
    assert peer.handshake["pingTimeout"] == 20_000
    assert peer.handshake["maxPayload"] == 1_000_000
    await peer.close()


@pytest.mark.feature("1.2 initialPacket")
@pytest.mark.parametrize(
    ("given", "text", "frame"), [('2["hi"]', b'42["hi"]', '42["hi"]'), (b"\x01", b"bAQ==", b"\x01")]
)
async def test_initial_packet_comes_right_behind_the_handshake(serve, given, text, frame):
    server = await serve(fastsio.IO(initial_packet=given))
    response = await http(server.url, "GET", PATH + "?EIO=4&transport=polling")
    opened, initial = response.body.split(b"\x1e")
    assert opened[:1] == b"0"
    assert initial == text
    sid = json.loads(opened[1:])["sid"]
    await http(server.url, "POST", f"{PATH}?EIO=4&transport=polling&sid={sid}", b"1")
    peer = await FakePeer(server.url).open()
    assert await peer.receive() == frame
    await peer.close()


async def test_initial_packet_of_a_v3_client_is_framed_as_it_knows_it(serve):
    server = await serve(fastsio.IO(initial_packet="hi"))
    response = await http(server.url, "GET", PATH + "?EIO=3&transport=polling&b64=1")
    assert response.body.endswith(b"3:4hi")
    sid = re.search(rb'"sid":"([^"]+)"', response.body)[1].decode()
    await http(server.url, "POST", f"{PATH}?EIO=3&transport=polling&sid={sid}", b"1:1")


async def test_session_ids_are_never_the_same(serve):
    server = await serve(fastsio.IO())
    peers = [await FakePeer(server.url).open() for _ in range(20)]
    assert len({peer.handshake["sid"] for peer in peers}) == 20
    for peer in peers:
        await peer.close()


@pytest.mark.parametrize(
    ("options", "upgrades"),
    [
        ({}, ["websocket"]),
        ({"allow_upgrades": False}, []),
        ({"transports": ["polling"]}, []),
        ({"transports": ["polling", "websocket"]}, ["websocket"]),
    ],
)
async def test_polling_handshake_offers_websocket_only_if_it_may_be_had(serve, options, upgrades):
    server = await serve(fastsio.IO(**options))
    peer = await FakePeer(server.url, "polling").open()
    assert peer.handshake["upgrades"] == upgrades
    await peer.close()


async def test_empty_sid_is_a_handshake(serve):
    """engineio.md 1: `sid=` counts as absent."""
    server = await serve(fastsio.IO())
    response = await http(server.url, "GET", PATH + "?EIO=4&transport=polling&sid=")
    sid = json.loads(response.body[1:])["sid"]
    await http(server.url, "POST", f"{PATH}?EIO=4&transport=polling&sid={sid}", b"1")


async def test_of_a_repeated_query_field_the_last_one_counts(serve):
    server = await serve(fastsio.IO())
    target = PATH + "?EIO=3&EIO=4&transport=x&transport=polling&t=abc"
    response = await http(server.url, "GET", target)
    sid = json.loads(response.body[1:])["sid"]
    await http(server.url, "POST", f"{PATH}?EIO=4&transport=polling&sid={sid}", b"1")


TRANSPORT_UNKNOWN = (400, {"code": 0, "message": "Transport unknown"})
UNKNOWN_SID = (400, {"code": 1, "message": "Session ID unknown"})
BAD_METHOD = (400, {"code": 2, "message": "Bad handshake method"})
BAD_REQUEST = (400, {"code": 3, "message": "Bad request"})
BAD_VERSION = (400, {"code": 5, "message": "Unsupported protocol version"})


@pytest.mark.parametrize(
    ("method", "query", "answer"),
    [
        ("GET", "", TRANSPORT_UNKNOWN),
        ("GET", "EIO=4", TRANSPORT_UNKNOWN),
        ("GET", "EIO=4&transport=", TRANSPORT_UNKNOWN),
        ("GET", "EIO=4&transport=webtransport", TRANSPORT_UNKNOWN),
        ("GET", "EIO=4&transport=Polling", TRANSPORT_UNKNOWN),
        ("POST", "EIO=3&transport=x&sid=y", TRANSPORT_UNKNOWN),  # first of four faults
        ("GET", "EIO=4&transport=polling&sid=unknown", UNKNOWN_SID),
        ("POST", "EIO=3&transport=polling&sid=unknown", UNKNOWN_SID),
        ("PUT", "EIO=4&transport=websocket&sid=unknown", UNKNOWN_SID),
        ("POST", "EIO=4&transport=polling", BAD_METHOD),
        ("PUT", "EIO=3&transport=websocket", BAD_METHOD),
        ("OPTIONS", "EIO=4&transport=polling", BAD_METHOD),
        ("DELETE", "transport=polling", BAD_METHOD),
        ("GET", "EIO=4&transport=websocket", BAD_REQUEST),
        ("GET", "EIO=3&transport=websocket", BAD_REQUEST),
        ("GET", "transport=polling", BAD_VERSION),
        ("GET", "EIO=3&transport=polling", BAD_VERSION),
        ("GET", "EIO=5&transport=polling", BAD_VERSION),
        ("GET", "EIO=&transport=polling", BAD_VERSION),
    ],
)
async def test_bad_request_gets_the_official_code_of_its_first_fault(serve, method, query, answer):
    server = await serve(fastsio.IO(allow_eio3=False))
    response = await http(server.url, method, f"{PATH}?{query}", b"" if method != "GET" else None)
    assert (response.status, response.json()) == answer
    assert response.headers["content-type"] == "application/json"
    assert "connection" not in response.headers or response.headers["connection"] == "keep-alive"


async def test_refused_head_has_no_body(serve):
    server = await serve(fastsio.IO())
    connection = await RawConnection.open(server.url)
    response = await connection.request("HEAD", PATH + "?EIO=4&transport=polling")
    assert (response.status, response.body) == (400, b"")
    # Were there a body, it would be read as the beginning of this answer.
    assert (await connection.request("GET", PATH)).json()["code"] == 0
    await connection.close()


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("EIO=4&transport=websocket&sid={sid}", BAD_REQUEST),  # without an Upgrade
        ("EIO=3&transport=polling&sid={sid}", BAD_REQUEST),
        ("transport=polling&sid={sid}", BAD_REQUEST),
    ],
)
async def test_bad_request_with_a_known_sid_leaves_the_session_unharmed(serve, query, answer):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url, "polling").open()
    target = f"{PATH}?{query.format(sid=peer.handshake['sid'])}"
    response = await http(server.url, "GET", target)
    assert (response.status, response.json()) == answer
    await peer.connect()
    await peer.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_polling_on_a_websocket_session_is_a_bad_request_and_harms_nobody(serve, method):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url).open()
    response = await http(server.url, method, peer.target("polling"), b"4")
    assert (response.status, response.json()) == BAD_REQUEST
    await peer.connect()
    await peer.close()


async def test_plain_websocket_request_on_a_websocket_session_is_a_bad_request(serve):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url).open()
    response = await http(server.url, "GET", peer.target("websocket"))
    assert (response.status, response.json()) == BAD_REQUEST
    await peer.close()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("EIO=4&transport=x", b"Transport unknown"),
        ("EIO=4&transport=websocket&sid=unknown", b"Session ID unknown"),
        ("EIO=3&transport=websocket", b"Unsupported protocol version"),
        ("transport=websocket", b"Unsupported protocol version"),
        ("EIO=4&transport=webtransport", b"Transport unknown"),
    ],
)
async def test_refused_upgrade_gets_plain_text_and_the_connection_ends(serve, query, text):
    """engineio.md 7.4."""
    server = await serve(fastsio.IO(allow_eio3=False))
    connection = await RawConnection.open(server.url)
    response = await connection.request("GET", f"{PATH}?{query}", None, UPGRADE)
    assert (response.status, response.body) == (400, text)
    assert response.headers["content-type"] == "text/html"
    assert response.headers["connection"] == "close"
    assert await connection.read_to_end() == b""
    await connection.close()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Upgrade": "h2c"}, 400),
    ],
)
async def test_handshake_that_is_no_websocket_leaves_no_session(serve, changed, status):
    server = await serve(fastsio.IO())
    connection = await RawConnection.open(server.url)
    target = PATH + "?EIO=4&transport=websocket"
    response = await connection.request("GET", target, None, {**UPGRADE, **changed})
    assert response.status == status
    assert not server.engine.sessions
    await connection.close()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_transport_that_is_switched_off_is_unknown(serve, transport):
    other = "websocket" if transport == "polling" else "polling"
    server = await serve(fastsio.IO(transports=[other]))
    response = await http(server.url, "GET", f"{PATH}?EIO=4&transport={transport}")
    assert (response.status, response.json()) == TRANSPORT_UNKNOWN
    peer = await FakePeer(server.url, other).open()
    await peer.connect()
    await peer.close()


async def test_websocket_that_asks_for_polling_is_accepted_and_closed(serve):
    """engineio.md 7.4: 101, then a Close without status."""
    server = await serve(fastsio.IO())
    ws = await RawWebSocket.open(server.url, PATH + "?EIO=4&transport=polling")
    ws.send(1, b'40{"this":"goes nowhere"}')
    assert await ws.receive_close() == (None, b"")
    assert not server.engine.sessions
    await ws.connection.close()


async def test_second_websocket_of_a_websocket_session_is_closed_and_the_first_unharmed(serve):
    server = await serve(fastsio.IO())
    peer = await FakePeer(server.url).open()
    ws = await RawWebSocket.open(server.url, peer.target("websocket"))
    assert await ws.receive_close() == (None, b"")
    await ws.connection.close()
    await peer.connect()
    await peer.close()


async def test_requests_of_many_sessions_on_one_connection_are_told_apart(serve):
    server = await serve(fastsio.IO())
    connection = await RawConnection.open(server.url)
    sids = []
    for _ in range(3):
        response = await connection.request("GET", PATH + "?EIO=4&transport=polling")
        sids.append(json.loads(response.body[1:])["sid"])
    for sid in reversed(sids):
        target = f"{PATH}?EIO=4&transport=polling&sid={sid}"
        assert (await connection.request("POST", target, b"40")).body == b"ok"
        assert (await connection.request("GET", target)).body.startswith(b'40{"sid":')
        assert (await connection.request("POST", target, b"1")).body == b"ok"
        assert (await connection.request("GET", target)).json()["code"] == 1
    await connection.close()

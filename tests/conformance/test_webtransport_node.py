"""Node's own engine.io, given the bytes that ours is given: the same framing and ends, where no row says otherwise.

There is no HTTP/3 in Node, so its server gets WebTransport sessions of the test's own making (webtransport_node.js).
Source: engine.io 6.6, Server.onWebTransportSession(); engine.io-parser, createPacketEncoderStream().
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fastsio
from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio.engine.session import Session
from fastsio.webtransport.framing import PacketReader, stream_bytes
from harness import until
from webtransport_peer import WebTransportPeer, framed

TESTS = Path(__file__).parents[1]
MAX_BYTES = 10_000
TEXTS = [
    b"4",
    b"4a",
    "4hällo ☺".encode(),
    *(b"4" + b"x" * n for n in (124, 125, 126, 65_534, 65_535)),
]
BINARIES = [b"\x00" * n for n in (1, 125, 126, 127, 65_535, 65_536)]
OPEN = framed("0")
# What a client sends, and how it ends: None if it does not. `ours`: where that is another end than Node's.
CLIENTS: dict[str, dict[str, Any]] = {
    "is new": {"sends": [OPEN], "end": None},
    "is new, byte by byte": {"sends": [OPEN[:1], OPEN[1:]], "end": None},
    "says more at once": {"sends": [OPEN + framed("3") + framed("6")], "end": None},
    "begins with a message": {"sends": [framed("40")], "end": "refused"},
    "begins with a probe": {"sends": [framed("2probe")], "end": "refused"},
    "begins with binary": {"sends": [framed(b"0")], "end": "refused"},
    "begins with nothing": {"sends": [b"\x00"], "end": "refused"},
    "begins with too much": {"sends": [b"\x7e\xff\xff"], "end": "refused"},
    "names a session that is none": {"sends": [framed('0{"sid":"nobody"}')], "end": "refused"},
    "names a prototype": {"sends": [framed('0{"sid":"__proto__"}')], "end": "refused"},
    "names no text": {"sends": [framed('0{"sid":1}')], "end": "refused"},
    "names nothing": {"sends": [framed("0{}")], "end": "refused"},
    "sends no JSON": {"sends": [framed("0x")], "end": "refused"},
    "sends an empty packet": {"sends": [OPEN, b"\x00"], "end": "parse error"},
    "sends an empty binary packet": {
        "sends": [OPEN, b"\x80"], "end": "parse error", "ours": "forced close",  # which Socket.IO has not announced
    },
    "sends too much": {"sends": [OPEN, framed("4" * (MAX_BYTES + 1))], "end": "parse error"},
    "has a length of 64 bits": {"sends": [OPEN, b"\x7f" + b"\xff" * 8], "end": "parse error"},
    "has a length that is small and of 64 bits": {
        "sends": [OPEN, b"\x7f" + (1).to_bytes(8, "big") + b"6"], "end": None,
    },
    "sends an unknown type": {"sends": [OPEN, framed("9")], "end": "parse error"},
    "sends a blank": {"sends": [OPEN, framed(" 6")], "end": "parse error"},
    "sends a ping": {"sends": [OPEN, framed("2")], "end": "transport error"},
    "sends a probe late": {"sends": [OPEN, framed("2probe")], "end": "transport error"},
    "sends a close": {"sends": [OPEN, framed("1")], "end": None},
    "sends an upgrade": {"sends": [OPEN, framed("5")], "end": None},
    "sends open again": {"sends": [OPEN, framed("0")], "end": None},
    "sends no UTF-8": {"sends": [OPEN, b"\x02" + b"6\xff"], "end": None, "ours": "parse error"},
}  # fmt: skip


@pytest.fixture(scope="module")
def node() -> dict[str, Any]:
    asked = {
        "maxBytes": MAX_BYTES,
        "clients": {name: [data.hex() for data in row["sends"]] for name, row in CLIENTS.items()},
        "packets": [[False, data.hex()] for data in TEXTS]
        + [[True, data.hex()] for data in BINARIES],
    }
    script = Path(__file__).with_name("webtransport_node.js")
    done = subprocess.run(
        ["node", str(script)],
        input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=True,
        env={"NODE_PATH": str(TESTS / "node_modules"), "PATH": os.environ["PATH"]},
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_packets_are_framed_as_the_official_encoder_does(node):
    encoded = [encode_engine_packet(data) for data in TEXTS]
    encoded += [encode_messages([data]) for data in BINARIES]
    frames = [bytes.fromhex(frame) for frame in node["frames"]]
    assert [stream_bytes(one) for one in encoded] == frames
    reader = PacketReader(1_000_000)
    reader.feed(b"".join(frames))
    expected = [(False, data) for data in TEXTS] + [(True, data) for data in BINARIES]
    assert [reader.next() for _ in expected] == expected


@pytest.mark.parametrize("name", CLIENTS)
def test_node_ends_a_client_as_the_table_says(node, name):
    outcome, end = node["clients"][name], CLIENTS[name]["end"]
    if end == "refused":
        assert (outcome["closed"], outcome["reason"], outcome["sent"]) == (True, None, "")
    else:
        assert (outcome["closed"], outcome["reason"]) == (end is not None, end)
        sent = bytes.fromhex(outcome["sent"])
        assert sent[0] == sent.index(b"}") and sent[1:7] == b'0{"sid'


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_fastsio_ends_a_client_as_the_table_says(serve, certificate, monkeypatch):
    ends: dict[str, str] = {}
    io = fastsio.IO(
        transports=["polling", "websocket", "webtransport"], max_http_buffer_size=MAX_BYTES
    )
    server = await serve(io, webtransport={"certfile": certificate[0], "keyfile": certificate[1]})

    finish = Session._finish

    def noted(session, reason, *more):
        ends[session.id] = reason
        finish(session, reason, *more)

    monkeypatch.setattr(Session, "_finish", noted)
    for name, row in CLIENTS.items():
        end = row.get("ours", row["end"])
        async with WebTransportPeer.at(server) as peer:
            assert await peer.connect() == 200
            peer.open_stream()
            for data in row["sends"]:
                peer.send_raw(data)
            if end == "refused":
                assert await peer.closed_by_server() == (0, b""), name
                continue
            sid = json.loads(str(await peer.receive())[1:])["sid"]
            if end is None:
                peer.send("40")
                assert str(await peer.receive()).startswith("40{"), name
                assert sid not in ends, name
            else:
                assert await until(lambda sid=sid: ends.get(sid), f"the end: {name}") == end, name
    await until(lambda: not server.webtransport.connections, "the end of all")

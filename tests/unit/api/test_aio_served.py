"""AsyncServer's own ways to be served: handle_request() and attach(), and packet_class. The rest is in test_asgi.py…"""

from __future__ import annotations

import pytest

import fastsio
from fastsio.msgpack_packet import MsgPackPacket
from fastsio.packet import Packet


async def asked(sio, path: str) -> tuple[int, bytes]:
    """Status and body of a GET through handle_request()."""
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"EIO=4&transport=polling", "root_path": "",
        "headers": [(b"host", b"x")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await sio.handle_request(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def test_handle_request_serves_a_request_whatever_its_path(sio, watch):
    for path in ("/socket.io/", "/anywhere/"):
        status, body = await asked(sio, path)
        assert (status, body[:8]) == (200, b'0{"sid":')
    assert len(sio.eio.sockets) == 2
    await sio.shutdown()
    assert len(sio.eio.sockets) == 0


async def test_handle_request_takes_asgis_arguments_only(sio):
    for arguments in ((object(),), (1, 2, 3), ()):
        with pytest.raises(TypeError, match=r"handle_request\(scope, receive, send\)"):
            await sio.handle_request(*arguments)


def test_attach_names_the_application_that_it_cant_be_attached_to(sio):
    with pytest.raises(TypeError, match="is no aiohttp or sanic application"):
        sio.attach(object())


def test_packet_class_is_the_serializers():
    class Own(Packet):
        pass

    assert fastsio.AsyncServer().packet_class is Packet
    assert fastsio.AsyncServer(serializer="msgpack").packet_class is MsgPackPacket
    assert fastsio.AsyncServer(serializer=Own).packet_class is Own

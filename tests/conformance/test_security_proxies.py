"""Who a client is: its own address, unless a proxy that is on the list says otherwise.

Source: RFC 7239 8 (a header anybody can write); the whole table of what a trusted proxy may say: tests/unit/engine/
test_origin.py.
"""

from __future__ import annotations

from typing import Any

import pytest

import fastsio
from asgi_tools import Call, scope_of
from harness import FakePeer

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])
LIES = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;proto=https;host=evil.example",
    "Client-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(
    ("trusted", "headers", "address", "is_secure"),
    [
        (None, LIES, "127.0.0.1", False),
        ([], LIES, "127.0.0.1", False),
        (["10.0.0.0/8", "unix"], LIES, "127.0.0.1", False),
        (["127.0.0.1"], {"X-Real-IP": "203.0.113.9"}, "127.0.0.1", False),
        (["127.0.0.1"], {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9", False),
        # What the client wrote itself stands left of what the proxy has seen.
        (["127.0.0.1"], {"X-Forwarded-For": "10.0.0.1, 203.0.113.9"}, "203.0.113.9", False),
        (["127.0.0.0/8", "203.0.113.9"], {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}, "198.51.100.7", False),
        (["127.0.0.1"], {"X-Forwarded-For": "127.0.0.1' OR 1=1 --"}, "127.0.0.1", False),
        (["127.0.0.1"], {"X-Forwarded-For": "203.0.113.9\t", "X-Forwarded-Proto": "https"}, "203.0.113.9", True),
    ],
)  # fmt: skip
async def test_only_a_proxy_on_the_list_is_believed(
    serve: Any, transport: str, trusted: Any, headers: dict[str, str], address: str, is_secure: bool
) -> None:
    seen = []
    io = fastsio.IO(trusted_proxies=trusted)
    io.on("connection", lambda socket: seen.append((socket.handshake.address, socket.handshake.secure)))  # fmt: skip
    peer = await FakePeer((await serve(io)).url, transport, headers=headers).open()
    await peer.connect()
    assert seen == [(address, is_secure)]
    await peer.close()


async def test_behind_an_asgi_server_the_list_is_asked_about_its_peer(watch: Any) -> None:
    seen = []
    sio = fastsio.AsyncServer(async_mode="asgi", trusted_proxies=["192.0.2.0/24"])
    sio.on("connect", lambda sid, environ: seen.append(environ["REMOTE_ADDR"]))
    app = fastsio.ASGIApp(sio)
    for peer, expected in (("192.0.2.7", "203.0.113.9"), ("198.51.100.1", "198.51.100.1")):
        headers = [(b"host", b"a"), (b"x-forwarded-for", b"203.0.113.9")]
        scope = scope_of(
            "websocket", "EIO=4&transport=websocket", headers=headers, client=(peer, 1)
        )
        call = Call(app, scope, {"type": "websocket.connect"})
        await call.next("websocket.accept")
        call.say("40")
        await call.hear()
        assert str(await call.hear()).startswith("40")
        assert seen.pop() == expected
        call.hang_up()
        await call.done()
    app._stop()

"""Long-polling: what a GET gets and when, what a POST may bring, and what ends the session.

Source: engine.io-protocol v4, "HTTP long-polling"; engineio.md 5, 7.3 and 8.
"""

from __future__ import annotations

import asyncio
import gzip

import pytest

from harness import FakePeer, RawConnection, http, until
from memory_conn import MemoryPeer

IN_MEMORY = pytest.mark.asyncio(loop_factories=["asyncio"])
LIMIT = 10_000


async def join(echo_server, **options):
    app = await echo_server(**options)
    return app, await app.client("polling")


async def test_get_is_held_until_there_is_something_to_say(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    held = asyncio.ensure_future(peer.get())
    await until(lambda: app.session(peer).outlet.is_writable, "the GET is held")
    assert not held.done()
    app.sockets[0].emit("news", 1)
    response = await held
    assert (response.status, response.body) == (200, b'42["news",1]')
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "no-store"
    await peer.close()


@IN_MEMORY
async def test_packets_without_a_get_wait_and_go_out_in_one_answer_in_their_order(echo_server):
    app, peer = await join(echo_server)
    for i in range(100):
        app.sockets[0].emit("n", i)
        await asyncio.sleep(0)
    body = (await peer.get()).body
    assert body == b"\x1e".join(b'42["n",%d]' % i for i in range(100))
    await peer.close()


@pytest.mark.feature("1.2 max packets per POST")
@IN_MEMORY
async def test_post_may_carry_any_number_of_packets(echo_server):
    app, peer = await join(echo_server)
    packets = [f'42["echo",{i}]' for i in range(3000)]
    await peer.send(*packets)
    assert app.heard == [(i,) for i in range(3000)]
    assert (await peer.get()).body.decode().split("\x1e") == packets
    await peer.close()


@IN_MEMORY
async def test_post_is_answered_while_the_get_is_held(echo_server):
    app, peer = await join(echo_server)
    held = await peer.held_get()
    response = await peer.post(b'42["quiet"]')
    assert (response.status, response.body) == (200, b"ok")
    assert response.headers["content-type"] == "text/html"
    assert response.headers["cache-control"] == "no-store"
    assert not held.done()
    app.sockets[0].emit("x")
    assert (await held).body == b'42["x"]'
    await peer.close()


@IN_MEMORY
async def test_binary_goes_both_ways_in_base64(echo_server):
    app, peer = await join(echo_server)
    await peer.send('451-["echo",{"_placeholder":true,"num":0}]', b"\x00\xff\x1e")
    assert app.heard == [(b"\x00\xff\x1e",)]
    body = (await peer.get()).body
    assert body == b'451-["echo",{"_placeholder":true,"num":0}]\x1ebAP8e'
    await peer.close()


@IN_MEMORY
@pytest.mark.parametrize("packet", ["0", "04a", "3", "3probe", "5", "6", "6x"])
async def test_packets_that_mean_nothing_here_are_ignored(echo_server, packet):
    """engineio.md 4."""
    app, peer = await join(echo_server)
    await peer.send(packet, '42["echo"]')
    assert app.heard == [()]
    assert await peer.receive() == '42["echo"]'
    await peer.close()


async def test_second_get_ends_the_session_and_the_first_gets_a_close(echo_server):
    """engineio.md 7.3, "overlap from client"."""
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    held = asyncio.ensure_future(peer.get())
    await until(lambda: app.session(peer).outlet.is_writable, "the GET is held")
    second = await peer.get()
    assert (second.status, second.body) == (400, b"")
    assert (await held).body == b"1"
    assert app.ends == ["transport error"]
    assert (await peer.get()).json() == {"code": 1, "message": "Session ID unknown"}


@IN_MEMORY
async def test_client_that_closes_gets_ok_and_its_get_a_noop(echo_server):
    """engineio.md 8: a 6, not a 1."""
    app, peer = await join(echo_server)
    held = await peer.held_get()
    assert (await peer.post(b"1")).body == b"ok"
    assert (await held).body == b"6"
    assert app.ends == ["transport close"]
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_packets_after_a_close_are_dropped_and_those_before_count(echo_server):
    app, peer = await join(echo_server)
    response = await peer.post(b'42["echo",1]\x1e1\x1e42["echo",2]')
    assert response.body == b"ok"
    assert app.heard == [(1,)]
    assert app.ends == ["transport close"]


@IN_MEMORY
@pytest.mark.parametrize(
    "body", [b"", b"abc", b"7", b" 4a", b"4", b'42["echo",1]\x1e', b'42["echo",1]\x1exyz\x1e42["echo",2]']
)  # fmt: skip
async def test_payload_that_cant_be_decoded_ends_the_session_after_what_was_good(echo_server, body):
    """engineio.md 5 and 7.3: answered "ok" all the same."""
    app, peer = await join(echo_server)
    response = await peer.post(body)
    assert (response.status, response.body) == (200, b"ok")
    assert app.heard == ([(1,)] if b"1" in body else [])
    # "4" alone is a message that is no Socket.IO packet: Engine.IO has nothing against it.
    assert app.ends == (["forced close"] if body == b"4" else ["parse error"])
    if body == b"4":
        assert (await peer.get()).body == b"6\x1e1"
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_held_get_gets_a_close_when_a_payload_cant_be_decoded(echo_server):
    app, peer = await join(echo_server)
    held = await peer.held_get()
    await peer.post(b"junk")
    assert (await held).body == b"1"
    assert app.ends == ["parse error"]


@IN_MEMORY
@pytest.mark.parametrize("packet", [b"2", b"2probe"])
async def test_ping_from_a_client_is_the_wrong_direction(echo_server, packet):
    """engineio.md 10: in v4 the server pings."""
    app, peer = await join(echo_server)
    await peer.post(packet)
    assert app.ends == ["transport error"]
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_octet_stream_ends_the_session(echo_server):
    """engineio.md 7.3, "invalid content": v4 carries binary as base64."""
    app, peer = await join(echo_server)
    peer.headers["Content-Type"] = "application/octet-stream"
    response = await peer.post(b'42["echo"]')
    assert (response.status, response.body) == (400, b"")
    assert app.ends == ["transport error"]
    assert app.heard == []


@IN_MEMORY
@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream; x=1", "x/y", ""])
async def test_any_other_content_type_is_taken(echo_server, content_type):
    app, peer = await join(echo_server)
    peer.headers["Content-Type"] = content_type
    await peer.send('42["echo"]')
    assert app.heard == [()]
    await peer.close()


@IN_MEMORY
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_other_method_on_a_session_is_a_500_that_leaves_it_unharmed(echo_server, method):
    app, peer = await join(echo_server)
    held = await peer.held_get()
    response = await peer._ask(method, b"", {})
    assert (response.status, response.body) == (500, b"")
    assert not held.done()
    await peer.close()
    assert (await held).body == b"6"
    assert app.ends == ["transport close"]


@pytest.mark.feature("1.2 max inbound size")
async def test_body_over_the_limit_is_a_413_that_leaves_the_session_unharmed(echo_server):
    """engineio.md 7.3: the limit is inclusive, and neither the held GET nor a later POST suffers."""
    app = await echo_server(max_http_buffer_size=LIMIT)
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    held = asyncio.ensure_future(peer.get())
    await until(lambda: app.session(peer).outlet.is_writable, "the GET is held")
    response = await peer.post(b"4" + b"x" * LIMIT)
    assert (response.status, response.body) == (413, b"")
    assert not held.done()
    await peer.send('42["echo",1]')
    assert (await held).body == b'42["echo",1]'
    text = "x" * (LIMIT - len('42["echo",""]'))
    await peer.send(f'42["echo","{text}"]')
    assert app.heard == [(1,), (text,)]
    await peer.close()


@pytest.mark.fault(
    "a client aborts the GET that it is waiting with",
    "its session ends, one `disconnect`",
)
async def test_client_that_aborts_its_get_is_gone(echo_server):
    """engineio.md 7.3, "poll connection closed prematurely"."""
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    connection = await RawConnection.open(app.server.url)
    connection.write(f"GET {peer.target()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: app.session(peer).outlet.is_writable, "the GET is held")
    connection.abort()
    await until(lambda: app.ends == ["transport error"], "the abort is noticed")
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_server_that_closes_answers_the_held_get_with_a_close(echo_server):
    app, peer = await join(echo_server)
    held = await peer.held_get()
    app.session(peer).close()
    assert (await held).body == b"1"
    assert app.ends == ["forced close"]
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_server_that_closes_without_a_held_get_says_so_at_the_next(echo_server):
    """engineio.md 8: `6\\x1e1`, and the handler was told at once."""
    app, peer = await join(echo_server)
    app.session(peer).close()
    assert app.ends == ["forced server close"]
    response = await peer.get()
    assert (response.status, response.body) == (200, b"6\x1e1")
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_what_is_queued_is_fetched_before_the_deferred_close(echo_server):
    app, peer = await join(echo_server)
    app.sockets[0].emit("last", 1)
    app.session(peer).close()
    assert app.ends == ["forced server close"]
    app.sockets[0].emit("too late")
    assert (await peer.get()).body == b'42["last",1]'
    assert (await peer.get()).body == b"6\x1e1"
    assert (await peer.get()).json()["code"] == 1


@IN_MEMORY
async def test_packets_of_the_closing_turn_go_out_with_the_held_get_and_the_close_next(echo_server):
    app, peer = await join(echo_server)
    held = await peer.held_get()
    app.sockets[0].emit("last", 1)
    app.session(peer).close()
    assert (await held).body == b'42["last",1]'
    assert (await peer.get()).body == b"6\x1e1"
    assert app.ends == ["forced server close"]


@IN_MEMORY
async def test_closed_session_that_still_posts_is_not_listened_to(echo_server):
    app, peer = await join(echo_server)
    app.session(peer).close()
    assert (await peer.post(b'42["echo"]')).body == b"ok"
    assert app.heard == []
    assert (await peer.get()).body == b"6\x1e1"


@IN_MEMORY
async def test_closing_a_closed_session_changes_nothing(echo_server):
    app, peer = await join(echo_server)
    session = app.session(peer)
    session.close()
    session.close()
    session.abort("parse error")
    assert app.ends == ["forced server close"]


@pytest.mark.feature("1.2 http compression")
@pytest.mark.feature("1.4 permessage-deflate, http gzip")
@IN_MEMORY
@pytest.mark.parametrize(
    ("accept", "encoding"), [("gzip, deflate", "gzip"), ("deflate", "deflate"), ("br", None)]
)
async def test_large_answer_is_compressed_as_the_client_accepts(echo_server, accept, encoding):
    app, peer = await join(echo_server)
    peer.headers["Accept-Encoding"] = accept
    app.sockets[0].emit("big", "x" * 5000)
    response = await peer.get()
    assert response.headers.get("content-encoding") == encoding
    if encoding == "gzip":
        assert gzip.decompress(response.body) == b'42["big","%s"]' % (b"x" * 5000)
        assert len(response.body) < 200
    await peer.close()


@pytest.mark.feature("1.4 compress flag")
@IN_MEMORY
async def test_packets_that_are_not_to_be_compressed_go_as_they_are_unless_others_are_among_them(
    echo_server,
):
    app, peer = await join(echo_server)
    peer.headers["Accept-Encoding"] = "gzip"
    app.sockets[0].compress(False).emit("big", "x" * 5000)
    app.sockets[0].compress(False).emit("big", "x" * 5000)
    assert "content-encoding" not in (await peer.get()).headers
    app.sockets[0].compress(False).emit("big", "x" * 5000)
    app.sockets[0].emit("small")
    assert (await peer.get()).headers["content-encoding"] == "gzip"
    await peer.close()


@IN_MEMORY
@pytest.mark.fault(
    "a polling client does not fetch what is sent to it",
    "cut off at max_buffered_bytes",
)
async def test_client_that_fetches_too_little_is_cut_off(echo_server, watch):
    app, peer = await join(echo_server, max_buffered_bytes=10_000)
    for _ in range(50):
        app.sockets[0].emit("big", "x" * 1000)
    await until(lambda: app.ends, "the client is cut off")
    assert app.ends == ["transport error"]
    assert (await peer.get()).json()["code"] == 1


@pytest.mark.feature("1.7 volatile")
@IN_MEMORY
async def test_volatile_packet_is_dropped_while_no_get_is_held(echo_server):
    app, peer = await join(echo_server)
    app.sockets[0].volatile.emit("dropped")
    app.sockets[0].emit("kept")
    assert (await peer.get()).body == b'42["kept"]'
    held = await peer.held_get()
    app.sockets[0].volatile.emit("taken")
    assert (await held).body == b'42["taken"]'
    await peer.close()


async def test_slow_post_of_one_client_holds_up_no_other(echo_server):
    app = await echo_server()
    slow = await FakePeer(app.server.url, "polling").open()
    await slow.connect()
    connection = await RawConnection.open(app.server.url)
    head = f"POST {slow.target()} HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
    connection.write(head.encode() + b'42["ec')
    other = await FakePeer(app.server.url, "polling").open()
    await other.connect()
    await other.send('42["echo",2]')
    assert app.heard == [(2,)]
    connection.write(b'ho",1]'[:6])
    assert (await connection.read_response()).body == b"ok"
    assert app.heard == [(2,), (1,)]
    await connection.close()
    await slow.close()
    await other.close()


async def begin_post(app, peer, body: bytes, size: int) -> RawConnection:
    """A POST whose body is not complete yet."""
    connection = await RawConnection.open(app.server.url)
    head = f"POST {peer.target()} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
    connection.write(head.encode() + body)
    await until(lambda: app.session(peer).polling._post is not None, "the POST has begun")
    return connection


async def test_second_post_while_one_is_coming_ends_both_and_the_session(echo_server):
    """engineio.md 7.3: 400 to the second, the first's connection is dropped, the held GET gets a close."""
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    held = asyncio.ensure_future(peer.get())
    await until(lambda: app.session(peer).outlet.is_writable, "the GET is held")
    first = await begin_post(app, peer, b'42["ec', 12)
    second = await peer.post(b'42["echo",2]')
    assert (second.status, second.body) == (400, b"")
    assert (await held).body == b"1"
    assert await first.read_to_end() == b""
    await first.close()
    assert app.ends == ["transport error"]
    assert app.heard == []


async def test_post_that_is_cut_off_ends_the_session(echo_server):
    """engineio.md 7.3, "data request connection closed prematurely"."""
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    connection = await begin_post(app, peer, b'42["ec', 12)
    connection.abort()
    await until(lambda: app.ends == ["transport error"], "the end is noticed")
    assert app.heard == []
    assert (await peer.get()).json()["code"] == 1


async def test_posts_one_after_the_other_on_one_connection_or_several_are_fine(echo_server):
    app = await echo_server()
    peer = await FakePeer(app.server.url, "polling").open()
    await peer.connect()
    connection = await RawConnection.open(app.server.url)
    for i in range(0, 6, 2):
        assert (await connection.request("POST", peer.target(), b'42["echo",%d]' % i)).body == b"ok"
        await peer.send(f'42["echo",{i + 1}]')
    assert app.heard == [(i,) for i in range(6)]
    await connection.close()
    await peer.close()


@IN_MEMORY
async def test_polling_request_on_an_unknown_path_below_is_still_the_engines(echo_server):
    """engineio.md 1: the path is a prefix."""
    app = await echo_server()
    response = await http(app.server.url, "GET", "/socket.io/anything?EIO=4&transport=polling")
    assert response.body[:1] == b"0"
    peer = MemoryPeer.of(app.server, "polling")
    peer._queued.append(response.body.decode())
    await peer.open()
    await peer.close()

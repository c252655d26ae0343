"""WebSockets behind an ASGI server that the test plays: messages, upgrades, servers that make us wait, every end.

Source: ASGI specification 3.0, "WebSocket".
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from asgi_tools import CONNECT, Call, Client, scope_of
from clock_loop import pass_time
from harness import until

clock = pytest.mark.asyncio(loop_factories=["clock"])


# --- the handshake -------------------------------------------------------------------------------


async def test_handshake_is_accepted_before_anything_is_sent(hosted: Any) -> None:
    app = await hosted()
    client = Client(app)
    call = client.websocket(subprotocols=["a", "b"])
    accept = await call.next("websocket.accept")
    assert (accept["subprotocol"], accept["headers"]) == ("a", [])
    opened = json.loads(str(await call.hear())[1:])
    assert opened["upgrades"] == []
    call.hang_up()
    await call.done()


async def test_handshake_has_the_cors_headers(hosted: Any) -> None:
    app = await hosted(cors_allowed_origins=["https://a.example"])
    call = Client(app).websocket(headers=[(b"origin", b"https://a.example")])
    accept = await call.next("websocket.accept")
    assert accept["subprotocol"] is None
    assert (b"access-control-allow-origin", b"https://a.example") in accept["headers"]
    call.hang_up()
    await call.done()


async def test_refusal_is_a_response_where_the_server_can_send_one(hosted: Any) -> None:
    app = await hosted(allow_eio3=False)
    call = Call(app, scope_of("websocket", "EIO=3&transport=websocket"), CONNECT)
    start = await call.next("websocket.http.response.start")
    body = (await call.next("websocket.http.response.body"))["body"]
    assert (start["status"], body) == (400, b"Unsupported protocol version")
    assert (b"content-length", b"28") in start["headers"]
    await call.done()


@pytest.mark.parametrize("extensions", [{}, None])
async def test_refusal_is_a_close_elsewhere(hosted: Any, extensions: Any) -> None:
    app = await hosted()
    scope = scope_of("websocket", "EIO=4&transport=websocket&sid=nobody", extensions=extensions)
    call = Call(app, scope, CONNECT)
    close = await call.next("websocket.close")
    assert close["reason"] == "Session ID unknown"
    await call.done()


async def test_client_that_goes_before_its_handshake_is_nobody(hosted: Any) -> None:
    app = await hosted()
    scope = scope_of("websocket", "EIO=4&transport=websocket")
    call = Call(app, scope, {"type": "websocket.disconnect", "code": 1006})
    await call.done()
    assert call.sent == [] and not app.io.hub.engine.sessions


async def test_client_that_goes_while_it_is_accepted_leaves_nothing(hosted: Any) -> None:
    app = await hosted()
    call = Call(app, scope_of("websocket", "EIO=4&transport=websocket"))
    call.failure = OSError("gone")
    call.give(CONNECT)
    await call.done()
    assert not app.io.hub.engine.sessions


async def test_server_error_while_accepting_is_the_servers_to_hear_of(hosted: Any) -> None:
    app = await hosted()
    call = Call(app, scope_of("websocket", "EIO=4&transport=websocket"))
    call.failure = ZeroDivisionError()
    call.give(CONNECT)
    with pytest.raises(ZeroDivisionError):
        await call.task
    assert not app.io.hub.engine.sessions


# --- messages ------------------------------------------------------------------------------------


async def test_text_and_binary_travel_both_ways_in_order(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    call = client.call
    call.say('420["echo","é😀"]', '451-1["echo",{"_placeholder":true,"num":0}]', b"\x00\xff")
    assert await call.hear() == '430["é😀"]'
    assert await call.hear() == '461-1[{"_placeholder":true,"num":0}]'
    assert await call.hear() == b"\x00\xff"
    call.say('42["e",1]')
    await until(lambda: app.heard, "the event")
    await client.leave()
    assert app.ends == ["transport close"]


async def test_message_of_the_asgi_server_may_have_both_keys(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.give({"type": "websocket.receive", "text": '420["echo"]', "bytes": None})
    assert await client.call.hear() == "430[]"
    head = '451-1["echo",{"_placeholder":true,"num":0}]'
    client.call.give({"type": "websocket.receive", "text": head, "bytes": None})
    client.call.give({"type": "websocket.receive", "text": None, "bytes": bytearray(b"ab")})
    await client.call.hear()
    assert await client.call.hear() == b"ab"
    await client.leave()


async def test_everything_of_a_turn_leaves_at_its_end_in_order(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    before = len(client.call.sent)
    for i in range(5):
        app.io.emit("n", *((i, b"%d" % i) if i % 2 else (i,)))
    assert len(client.call.sent) == before
    await asyncio.sleep(0)
    got = [m.get("text", m.get("bytes")) for m in client.call.sent[before:]]
    assert [g for g in got if isinstance(g, str)] == [
        '42["n",0]',
        '451-["n",1,{"_placeholder":true,"num":0}]',
        '42["n",2]',
        '451-["n",3,{"_placeholder":true,"num":0}]',
        '42["n",4]',
    ]
    assert got[2] == b"1" and got[5] == b"3"
    await client.leave()


async def test_broadcast_is_made_once_and_needs_no_task_for_a_client(hosted: Any) -> None:
    app = await hosted()
    clients = [await Client(app).open_websocket() for _ in range(20)]
    tasks = asyncio.all_tasks()
    app.io.emit("news", {"a": [1, 2]})
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == tasks
    texts = {id(client.call.sent[-1]["text"]) for client in clients}
    assert len(texts) == 1
    assert clients[0].call.sent[-1]["text"] == '42["news",{"a":[1,2]}]'
    for client in clients:
        await client.leave()


async def test_base64_and_pongs_are_understood(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.say("3", '451-["e",{"_placeholder":true,"num":0}]', "bAQI=")
    await until(lambda: app.heard, "the event")
    assert app.heard == [(b"\x01\x02",)]
    await client.leave()


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        ("?", "parse error"),
        ("", "parse error"),
        ("é", "parse error"),
        ("4?", "forced close"),
        ("42{}", "forced close"),
        (b"not announced", "forced close"),
        ("2", "transport error"),
        ('42["\ud800"]', "transport error"),
        ('42["' + "x" * 1000, "transport error"),
        (b"x" * 1001, "transport error"),
    ],
)
async def test_wrong_packet_ends_the_session(hosted: Any, packet: Any, reason: str) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_websocket()
    client.call.say(packet, '42["e","too late"]')
    close = await client.call.next("websocket.close")
    expected = 1007 if "\ud800" in str(packet) else 1009 if len(packet) > 1000 else 1000
    assert close["code"] == expected
    assert app.ends == [reason]
    client.call.hang_up(close["code"])
    await client.call.done()
    assert app.heard == []


async def test_message_of_the_size_allowed_is_taken(hosted: Any) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_websocket()
    client.call.say('42["e","' + "x" * 990 + '"]')
    await until(lambda: app.heard, "the event")
    await client.leave()


async def test_failing_engine_code_is_the_servers_to_hear_of(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.give({"type": "websocket.receive"})
    with pytest.raises(KeyError):
        await client.call.task
    assert app.ends == ["transport close"]


# --- upgrades ------------------------------------------------------------------------------------


async def test_polling_session_is_taken_over_with_all_that_is_queued(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    call = client.websocket()
    await call.next("websocket.accept")
    call.say("2probe")
    assert await call.hear() == "3probe"
    assert (await held.answer())[2] == b"6"
    app.io.emit("n", 1)
    app.io.emit("n", b"2")
    call.say("5", '420["echo",3]')
    got = [await call.hear() for _ in range(4)]
    assert got == ['42["n",1]', '451-["n",{"_placeholder":true,"num":0}]', b"2", "430[3]"]
    client.call = call
    await client.leave()
    assert app.ends == ["transport close"]


@pytest.mark.parametrize("wrong", ["2prob", "5x", b"2probe", "40"])
async def test_probe_that_is_none_ends_its_websocket_only(hosted: Any, wrong: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    call = client.websocket()
    await call.next("websocket.accept")
    if wrong == "5x":
        call.say("2probe", b"x")
        assert await call.hear() == "3probe"
    else:
        call.say(wrong)
    assert (await call.next("websocket.close"))["code"] == 1000
    call.hang_up(1000)
    await call.done()
    assert (await client.post(b'42["e",1]').answer())[0] == 200
    assert (app.heard, app.ends) == ([(1,)], [])
    await client.leave()


async def test_probe_whose_client_goes_leaves_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    call = client.websocket()
    await call.next("websocket.accept")
    call.say("2probe")
    await call.hear()
    call.hang_up(1006)
    await call.done()
    assert app.ends == []
    await client.leave()


async def test_websocket_on_a_session_that_has_one_is_accepted_and_closed(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    second = client.websocket()
    await second.next("websocket.accept")
    await second.next("websocket.close")
    second.say('42["e",1]')
    second.hang_up()
    await second.done()
    assert (app.heard, app.ends) == ([], [])
    await client.leave()


# --- servers that make us wait -------------------------------------------------------------------


async def test_what_is_queued_while_the_server_waits_follows_in_order(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    call = client.call
    call.stall()
    for i in range(3):
        app.io.emit("n", i, b"x")
        await asyncio.sleep(0)
    before = len(call.sent)
    await asyncio.sleep(0)
    assert len(call.sent) == before
    call.flow()
    heads = [await call.hear() for _ in range(6)]
    assert [str(head)[9] for head in heads[::2]] == ["0", "1", "2"]
    assert heads[1::2] == [b"x"] * 3
    await client.leave()


async def test_what_is_queued_while_the_server_waits_shares_one_task(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.stall()
    for i in range(4):
        app.io.emit("n", i)
        await asyncio.sleep(0)
    client.call.flow()
    assert [await client.call.hear() for _ in range(4)] == [f'42["n",{i}]' for i in range(4)]
    first, *others = client.call.sending_tasks[-4:]
    assert len(set(others)) == 1 and first not in others
    await client.leave()


async def test_failure_of_what_was_queued_while_the_server_waits_ends_the_session(
    hosted: Any,
) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.stall()
    for i in range(3):
        app.io.emit("n", i)
        await asyncio.sleep(0)
    client.call.fails_after = len(client.call.sent) + 2
    client.call.flow()
    await until(lambda: app.ends, "the end")
    assert app.ends == ["transport close"]
    await client.leave()


async def test_close_follows_what_the_server_made_wait(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.stall()
    app.io.emit("n", 1)
    await asyncio.sleep(0)
    app.io.hub.engine.sessions[client.sid].close()
    client.call.flow()
    assert await client.call.hear() == '42["n",1]'
    await client.call.next("websocket.close")
    client.call.hang_up(1000)
    await client.call.done()


async def test_volatile_is_dropped_while_the_server_waits(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    session = app.io.hub.engine.sessions[client.sid]
    client.call.stall()
    app.io.emit("n", 1)
    await asyncio.sleep(0)
    assert not session.outlet.is_writable
    packet = app.io.hub.root.encode_event(["volatile"])
    assert session.outlet.send(packet, True) is False
    client.call.flow()
    assert await client.call.hear() == '42["n",1]'
    await until(lambda: session.outlet.is_writable, "a server that takes more")
    assert session.outlet.send(packet, True) is True
    assert await client.call.hear() == '42["volatile"]'
    await client.leave()


async def test_client_that_reads_too_slowly_is_cut_off(
    hosted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = await hosted(max_buffered_bytes=1000)
    client = await Client(app).open_websocket()
    client.call.stall()
    for _ in range(5):
        app.io.emit("n", "x" * 400)
        await asyncio.sleep(0)
    # The application returns, and the server drops the connection.
    await client.call.done()
    assert app.ends == ["transport error"]
    assert "over 1000 bytes unread (max_buffered_bytes)" in caplog.text


async def test_what_is_sent_counts_no_longer(hosted: Any) -> None:
    app = await hosted(max_buffered_bytes=1000)
    client = await Client(app).open_websocket()
    outlet = app.io.hub.engine.sessions[client.sid].outlet
    for _ in range(10):
        app.io.emit("n", b"y" * 300, "x" * 400)
        await asyncio.sleep(0)
    assert outlet.buffered_bytes == 0 and app.ends == []
    await client.leave()


async def test_server_whose_send_is_no_coroutine_is_served(hosted: Any) -> None:
    class Sent:
        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()

    app = await hosted()
    sent: list[Any] = []

    def send(message: Any) -> Sent:
        sent.append(message)
        return Sent()

    call = Call(_nothing, {})
    scope = scope_of("websocket", "EIO=4&transport=websocket")
    task = asyncio.ensure_future(app(scope, call.receive, send))
    call.give(CONNECT)
    call.say("40", '420["echo",1]')
    await until(lambda: len(sent) == 4, "four messages")
    assert sent[-1]["text"] == "430[1]"
    call.hang_up()
    await task


@pytest.mark.parametrize("failure", [OSError("gone"), asyncio.CancelledError()])
async def test_server_that_fails_to_send_ends_the_session(hosted: Any, failure: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.failure = failure
    app.io.emit("n", 1)
    await until(lambda: app.ends, "the end")
    assert app.ends == ["transport close"]
    await client.leave()


async def test_server_that_fails_to_send_after_a_while_ends_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.stall()
    app.io.emit("n", 1)
    await asyncio.sleep(0)
    client.call.failure = OSError("gone")
    client.call.flow()
    await until(lambda: app.ends, "the end")
    assert app.ends == ["transport close"]
    await client.leave()


async def test_failure_of_one_client_keeps_the_broadcast_of_the_others(hosted: Any) -> None:
    app = await hosted()
    clients = [await Client(app).open_websocket() for _ in range(3)]
    clients[1].call.failure = OSError("gone")
    app.io.emit("n", 1)
    await until(lambda: app.ends, "the end")
    for client in (clients[0], clients[2]):
        assert await client.call.hear() == '42["n",1]'
    for client in clients:
        await client.leave()


@clock
async def test_server_that_keeps_the_end_to_itself_is_left(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.failure = OSError("gone")
    app.io.emit("n", 1)
    await pass_time(4)
    assert not client.call.task.done()
    await pass_time(3)
    await client.call.done()
    assert not client.call.task.cancelled()


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, None])
async def test_client_that_goes_is_a_transport_close(hosted: Any, code: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.hang_up(code)
    await client.call.done()
    assert app.ends == ["transport close"]


async def test_disconnect_may_come_without_a_code(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    client.call.give({"type": "websocket.disconnect"})
    await client.call.done()
    assert app.ends == ["transport close"]


async def test_disconnect_by_the_server_is_behind_what_was_sent(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    app.io.emit("last", b"words")
    app.io.hub.engine.sessions[client.sid].close()
    app.io.emit("too late")
    assert await client.call.hear() == '451-["last",{"_placeholder":true,"num":0}]'
    assert await client.call.hear() == b"words"
    assert (await client.call.next("websocket.close"))["code"] == 1000
    assert app.ends == ["forced close"]
    client.call.hang_up(1000)
    await client.call.done()
    assert client.call.sent[-1]["type"] == "websocket.close"


@clock
async def test_client_that_does_not_answer_our_close_is_left(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_websocket()
    app.io.hub.engine.sessions[client.sid].close()
    await client.call.next("websocket.close")
    await pass_time(4)
    assert not client.call.task.done()
    await pass_time(3)
    await client.call.done()
    assert not client.call.task.cancelled() and client.call.task.cancelling() == 0


@clock
async def test_client_that_is_silent_times_out(hosted: Any) -> None:
    app = await hosted(ping_interval=10, ping_timeout=5)
    client = await Client(app).open_websocket()
    for _ in range(3):
        await pass_time(10)
        assert (await client.call.next("websocket.send"))["text"] == "2"
        client.call.say("3")
    await pass_time(17)
    assert app.ends == ["ping timeout"]
    await pass_time(6)
    await client.call.done()


@pytest.mark.parametrize("reason", ["server shutting down", None])
async def test_server_that_cancels_ends_the_session(hosted: Any, reason: Any) -> None:
    app = await hosted()
    app.cancel_reason = reason
    client = await Client(app).open_websocket()
    client.call.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.call.task
    assert app.ends == [reason or "transport close"]


async def test_close_of_the_engine_closes_every_websocket(hosted: Any) -> None:
    app = await hosted()
    clients = [await Client(app).open_websocket() for _ in range(3)]
    app.io.hub.engine.close("server shutting down")
    for client in clients:
        assert (await client.call.next("websocket.close"))["code"] == 1000
        client.call.hang_up(1000)
        await client.call.done()
    assert app.ends == ["server shutting down"] * 3


async def test_nothing_refers_to_a_websocket_that_has_ended(hosted: Any) -> None:
    import gc
    import weakref

    app = await hosted()
    client = await Client(app).open_websocket()
    session = app.io.hub.engine.sessions[client.sid]
    gone = weakref.ref(client.call.task)
    client.call.hang_up()
    await client.call.done()
    assert session.outlet is None
    del session
    client.call = None
    await asyncio.sleep(0)
    gc.disable()
    try:
        assert gone() is None
    finally:
        gc.enable()


async def _nothing(*args: Any) -> None:
    """An application that does nothing."""

"""The engine behind an ASGI server that the test plays: HTTP, what a client breaks off, bad input.

WebSockets are in test_hosted_websocket.py. Source: ASGI specification 3.0, "HTTP & WebSocket".
"""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from engineio.async_drivers.asgi import translate_request

from asgi_tools import CONNECT, DISCONNECT, NO_BODY, Call, Client, scope_of
from fastsio.doors.hosted import DISCARD_BYTES, HostedRequest
from harness import until

OK = (200, b"ok")


# --- answers -------------------------------------------------------------------------------------


async def test_handshake_is_answered_whole(hosted: Any) -> None:
    app = await hosted()
    call = Client(app).get()
    status, headers, body = await call.answer()
    assert (status, headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert headers["content-length"] == str(len(body))
    opened = json.loads(body[1:])
    assert opened["upgrades"] == ["websocket"]
    await call.done()
    app.io.hub.engine.sessions[opened["sid"]].abort("test")


async def test_refusal_has_its_status_and_no_body_for_head(hosted: Any) -> None:
    app = await hosted()
    call = Call(app, scope_of("http", "EIO=4&transport=polling", method="HEAD"))
    status, headers, body = await call.answer()
    assert (status, body) == (400, b"")
    assert headers["content-length"] == str(len(b'{"code":2,"message":"Bad handshake method"}'))


async def test_preflight_is_answered_without_length(hosted: Any) -> None:
    app = await hosted(cors_allowed_origins="*")
    headers = [(b"origin", b"https://a.example"), (b"access-control-request-headers", b"x-y")]
    call = Call(app, scope_of("http", "EIO=4&transport=polling", method="OPTIONS", headers=headers))
    status, fields, body = await call.answer()
    assert (status, body) == (204, b"")
    assert fields["access-control-allow-headers"] == "x-y" and "content-length" not in fields


async def test_large_payload_is_compressed_where_the_client_takes_it(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get(headers=[(b"accept-encoding", b"gzip")])
    app.io.emit("big", "x" * 5_000)
    status, headers, body = await held.answer()
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(body) == b'42["big","' + b"x" * 5_000 + b'"]'
    await client.leave()


async def test_client_that_is_gone_before_its_answer_is_noted_only(
    hosted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fastsio.hosted")
    app = await hosted()
    client = await Client(app).open_polling()
    call = client.post()
    call.failure = OSError("gone")
    call.give({"type": "http.request", "body": b"3"})
    await call.done()
    assert "can't answer: OSError('gone')" in caplog.text
    await client.leave()


# --- the held GET --------------------------------------------------------------------------------


async def test_held_get_is_answered_with_what_is_emitted(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    app.io.emit("news", 1, b"\x01")
    assert (await held.answer())[2] == (b'451-["news",1,{"_placeholder":true,"num":0}]\x1ebAQ==')
    await held.done()
    await client.leave()


async def test_held_get_whose_client_goes_ends_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get(NO_BODY, NO_BODY)
    await app.is_held(client)
    held.give(DISCONNECT)
    await held.done()
    assert held.sent == []
    assert app.ends == ["transport error"]


async def test_server_that_fails_to_receive_ends_the_session(
    hosted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fastsio.hosted")
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    held.receive_failure = ConnectionError("reset")
    held.give(NO_BODY)
    await held.done()
    assert app.ends == ["transport error"]
    assert "reset" in caplog.text


@pytest.mark.parametrize("reason", ["server shutting down", None])
async def test_held_get_that_the_server_cancels_ends_the_session(hosted: Any, reason: Any) -> None:
    app = await hosted()
    app.cancel_reason = reason
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    held.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.task
    assert app.ends == [reason or "transport error"]


async def test_second_get_ends_both_and_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    assert (await client.get().answer())[0] == 400
    assert (await held.answer())[0] == 200
    assert app.ends == ["transport error"]


async def test_client_that_goes_as_the_answer_is_there_has_been_answered(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    held = client.get()
    await app.is_held(client)
    app.io.hub.engine.sessions[client.sid].polling.release()
    held.give(DISCONNECT)
    await held.done()
    assert (await held.answer())[2] == b"6"
    assert app.ends == []
    await client.leave()


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(b'42["e",1]',), (b'42["e', b'",1]'), (b"", b'42["e",1]', b"")])
async def test_body_is_read_in_any_number_of_pieces(hosted: Any, chunks: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    status, headers, body = await client.post(*chunks).answer()
    assert (status, body, headers["content-type"]) == (*OK, "text/html")
    assert app.heard == [(1,)]
    await client.leave()


async def test_client_that_goes_in_the_middle_of_its_body_ends_its_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    post = client.post()
    post.give({"type": "http.request", "body": b'42["e', "more_body": True}, DISCONNECT)
    await post.done()
    assert post.sent == []
    assert (app.ends, app.heard) == (["transport error"], [])


async def test_body_whose_reading_the_server_cancels_ends_its_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    post = client.post()
    await asyncio.sleep(0)
    post.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post.task
    assert app.ends == ["transport error"]


async def test_server_that_fails_to_receive_a_body_ends_its_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    post = client.post()
    post.receive_failure = LookupError("server")
    post.give(NO_BODY)
    with pytest.raises(LookupError):
        await post.task
    assert app.ends == ["transport error"]


@pytest.mark.parametrize("failure", [None, OSError("gone")])
async def test_client_that_goes_while_a_refused_body_is_read_is_no_failure(
    hosted: Any, failure: Any
) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_polling()
    post = client.post(headers=((b"content-length", b"1001"),))
    assert (await post.answer())[0] == 413
    post.receive_failure = failure
    post.give(DISCONNECT)
    await post.done()
    assert post.task.exception() is None
    await client.leave()


async def test_body_of_nobody_is_read_and_refused(hosted: Any) -> None:
    app = await hosted()
    call = Call(
        app,
        scope_of("http", "EIO=4&transport=polling&sid=nobody", method="POST"),
        {"type": "http.request", "body": b"40"},
    )
    status, _, body = await call.answer()
    assert (status, body) == (400, b'{"code":1,"message":"Session ID unknown"}')


async def test_body_that_says_it_is_too_large_is_not_read(hosted: Any) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_polling()
    post = client.post(headers=((b"content-length", b"1001"),))
    assert (await post.answer())[0] == 413
    post.give(DISCONNECT)
    await post.done()
    assert (await client.post(b"3").answer())[0] == 200
    await client.leave()


async def test_body_that_turns_out_too_large_is_not_kept(hosted: Any) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_polling()
    post = client.post()
    chunk = {"type": "http.request", "body": b"4" * 600, "more_body": True}
    post.give(chunk, chunk)
    assert (await post.answer())[0] == 413
    post.give({**chunk, "more_body": False})
    await post.done()
    await client.leave()


async def test_rest_of_a_refused_body_is_read_within_reason(hosted: Any) -> None:
    app = await hosted(max_http_buffer_size=1000)
    client = await Client(app).open_polling()
    post = client.post(headers=((b"content-length", b"99999999999"),))
    chunk = {"type": "http.request", "body": b"x" * (DISCARD_BYTES // 4), "more_body": True}
    post.give(chunk, chunk, chunk)
    assert (await post.answer())[0] == 413
    assert not post.task.done()
    post.give(chunk)
    await post.done()
    await client.leave()


@pytest.mark.parametrize("length", [b"", b"-1", b"1e9", b"\xb2", b"9" * 30])
async def test_length_that_is_none_is_left_to_the_server(hosted: Any, length: bytes) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    post = client.post(b"3", headers=((b"content-length", length),))
    assert (await post.answer())[::2] == OK
    await client.leave()


async def test_second_post_beside_one_that_is_coming_ends_both_and_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    first = client.post()
    first.give({"type": "http.request", "body": b"4", "more_body": True})
    await until(lambda: first._inbox.empty(), "the first POST is being read")
    second = client.post(b"3")
    assert (await second.answer())[0] == 400
    await second.done()
    assert (await first.answer())[0] == 400
    first.give({"type": "http.request", "body": b"2", "more_body": False})
    await first.done()
    assert first.task.exception() is None and not first.task.cancelling()
    assert app.ends == ["transport error"]


async def test_payload_with_a_wrong_packet_ends_the_session(hosted: Any) -> None:
    app = await hosted()
    client = await Client(app).open_polling()
    assert (await client.post(b'42["e",1]\x1e?').answer())[::2] == OK
    assert (app.heard, app.ends) == ([(1,)], ["parse error"])


async def test_request_that_is_no_websocket_is_not_upgraded(hosted: Any) -> None:
    """A server that does not speak WebSocket gives the handshake out as a request."""
    app = await hosted()
    headers = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    call = Call(app, scope_of("http", "EIO=4&transport=websocket", headers=headers))
    status, _, body = await call.answer()
    assert (status, body) == (400, b'{"code":3,"message":"Bad request"}')


# --- the request as it is seen -------------------------------------------------------------------


def request_of(scope: Any) -> HostedRequest:
    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        raise AssertionError

    return HostedRequest(scope, receive, send)


def test_request_has_path_query_and_headers() -> None:
    headers = [(b"x-a", b"1"), (b"cookie", b"k=v"), (b"x-a", b"2")]
    request = request_of(
        scope_of("http", "a=%41&b=2", raw_path=b"/p%20q/", path="/p q/", headers=headers)
    )
    assert (request.method, request.path, request.url) == ("GET", "/p%20q/", "/p%20q/?a=%41&b=2")
    assert request.query == {"a": "A", "b": "2"}
    assert request.headers == {"x-a": "1, 2", "cookie": "k=v"}
    assert not request.is_upgrade and request_of(scope_of("websocket")).is_upgrade


@pytest.mark.parametrize("missing", [{}, {"raw_path": None}, {"raw_path": b""}])
def test_request_without_raw_path_has_its_path_quoted(missing: Any) -> None:
    scope = scope_of("http", path="/ü x/")
    del scope["raw_path"]
    assert request_of({**scope, **missing}).path == "/%C3%BC%20x/"


def test_query_in_the_raw_path_is_left_out() -> None:
    assert request_of(scope_of("http", "a=1", raw_path=b"/p?a=1")).url == "/p?a=1"


def test_scope_may_lack_what_is_optional() -> None:
    scope = scope_of("http")
    for name in ("raw_path", "query_string", "client", "server", "scheme", "extensions"):
        del scope[name]
    request = request_of(scope)
    assert request.url == "/socket.io/"
    assert request.environ["REMOTE_PORT"] == "0"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_environ_has_the_keys_of_python_socketio(hosted: Any, transport: str) -> None:
    app = await hosted()
    headers = [(b"host", b"h"), (b"x-a", b"1"), (b"content-type", b"t"), (b"content-length", b"0")]
    client = Client(app)
    call = (
        client.get(headers=headers) if transport == "polling" else client.websocket(headers=headers)
    )
    await until(lambda: call.sent, "an answer")
    ((_, session),) = app.io.hub.engine.sessions.items()
    environ = app.environ_of(session)
    first = NO_BODY if transport == "polling" else CONNECT
    theirs = await translate_request(call.scope, Call(_nothing, {}, first).receive, call.send)
    assert set(theirs) - set(environ) == set()
    assert environ["REMOTE_ADDR"] == "192.0.2.7" and environ["REMOTE_PORT"] == "4711"
    assert environ["asgi.scope"] is call.scope
    assert await environ["wsgi.input"].read() == b""
    same = ("PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_METHOD", "HTTP_X_A", "CONTENT_TYPE")
    assert [environ[key] for key in same] == [theirs[key] for key in same]
    if transport == "polling":
        # Its request has been answered: what can still be had is what the specification says.
        assert await environ["asgi.receive"]() == DISCONNECT
        with pytest.raises(OSError, match=r"http\.response\.start"):
            await environ["asgi.send"]({"type": "http.response.start"})
    else:
        assert environ["asgi.send"] == call.send
    session.abort("test")
    if transport == "websocket":
        call.hang_up()
    await call.done()


async def _nothing(*args: Any) -> None:
    """An application that does nothing."""


@pytest.mark.parametrize(("scheme", "is_secure"), [("http", False), ("https", True)])
async def test_scheme_says_whether_it_is_secure(hosted: Any, scheme: str, is_secure: bool) -> None:
    app = await hosted()
    call = Client(app).get(scheme=scheme)
    await call.answer()
    ((_, session),) = app.io.hub.engine.sessions.items()
    assert session.is_secure is is_secure
    session.abort("test")

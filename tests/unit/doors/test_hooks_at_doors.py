"""What is hung into the engine works behind other servers too: ASGI's requests and WebSockets, played by hand.

The same over WSGI is in tests/unit/test_wsgi.py, over our own connections in tests/unit/engine/test_front.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import fastsio
from asgi_tools import Client
from fastsio.asgi import ASGIApp
from harness import until


@pytest.fixture
def make(watch: Any) -> Any:
    """`app = make(**options)`: the ASGIApp of an IO, `app.engineio_server`."""
    apps: list[ASGIApp] = []

    def make_app(**options: Any) -> ASGIApp:
        apps.append(ASGIApp(fastsio.IO(**options)))
        return apps[-1]

    yield make_app
    for app in apps:
        app._stop()


async def no_friend(request: Any) -> bool:
    await asyncio.sleep(0)
    return request.header("x-friend") is not None


async def test_refused_clients_get_the_engines_answer_when_it_is_decided(make):
    client = Client(make(allow_request=no_friend))
    status, _, body = await client.get().answer()
    assert (status, body) == (403, b'{"code":4,"message":"Forbidden"}')
    call = client.websocket()
    start = await call.next("websocket.http.response.start")
    assert (start["status"], (await call.next("websocket.http.response.body"))["body"]) == (
        400,
        b"Forbidden",
    )
    friends = [(b"host", b"test"), (b"x-friend", b"1")]
    client = await client.open_websocket(headers=friends)
    await client.leave()


async def test_middleware_sees_requests_and_websockets_and_its_headers_go_out(make):
    app = make()
    users = []

    @app.engineio_server.engine.use
    async def note(request, response):
        await asyncio.sleep(0)
        request.user = request.query["transport"]
        response.set_header("X-Mine", "1")

    app.engineio_server.on("connection", lambda socket: users.append(socket.request.user))
    polling = await Client(app).open_polling()
    assert (await polling.post(b"42[1]").answer())[1]["x-mine"] == "1"
    client = Client(app)
    call = client.websocket()
    assert (b"x-mine", b"1") in (await call.next("websocket.accept"))["headers"]
    await call.hear()
    call.say("40")
    await call.hear()
    call.hang_up()
    await call.done()
    await polling.leave()
    assert users == ["polling", "websocket"]


async def test_middleware_may_answer_requests_and_websockets_itself(make):
    app = make()
    app.engineio_server.engine.use(lambda request, response: response.status(401).end("who?"))
    status, _, body = await Client(app).get().answer()
    assert (status, body) == (401, b"who?")
    call = Client(app).websocket()
    start = await call.next("websocket.http.response.start")
    assert (start["status"], (await call.next("websocket.http.response.body"))["body"]) == (
        401,
        b"who?",
    )


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_server_that_gives_up_on_a_request_ends_the_middleware_that_works_on_it(
    make, transport
):
    app = make()
    states = []

    @app.engineio_server.engine.use
    async def never(request):
        states.append("asked")
        try:
            await asyncio.sleep(3600)
        finally:
            states.append("ended")

    client = Client(app)
    call = client.get() if transport == "polling" else client.websocket()
    await until(lambda: states == ["asked"], "the middleware works")
    call.task.cancel()
    await until(lambda: states == ["asked", "ended"], "it is told")
    with pytest.raises(asyncio.CancelledError):
        await call.done()

"""Requests that reach the wrong server, one at a time: what is passed on, what is refused, and what faults do.

Two servers in this process on a real Redis; a client is what the test sends. Official clients: test_forwarding.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import fastsio
from fastsio.adapters import Forwarding, RedisAdapter
from fastsio.adapters.forwarding import forwarder as forwarder_module
from harness import until

from .servers import Redis, free_port

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])
UNKNOWN = {"code": 1, "message": "Session ID unknown"}


class Node:
    """A server, and what its clients' handlers were told."""

    def __init__(self, url: str, forward: Any = True, **options: Any) -> None:
        self.bus = RedisAdapter(url, forward=forward)
        self.io = fastsio.IO(adapter=self.bus, **options)
        self.told: list[tuple[str, Any]] = []
        self.io.on("connection", self.connection)

    def connection(self, socket: Any) -> None:
        self.told.append(("connect", None))
        socket.on("disconnect", lambda why, *_: self.told.append(("disconnect", why)))
        socket.on("say", lambda *args: self.told.append(("say", list(args))))

    @property
    def forwarder(self) -> Any:
        return self.bus._forwarder

    async def start(self, port: int = 0) -> None:
        self.running = await fastsio.start(self.io, port=port)
        await self.io.hub.cluster.ready()
        await until(lambda: self.forwarder._link.is_up, "it hears of requests")

    def url(self, sid: str = "", **query: Any) -> str:
        given = {"EIO": 4, "transport": "polling", **({"sid": sid} if sid else {}), **query}
        rest = "&".join(f"{name}={value}" for name, value in given.items())
        return f"http://127.0.0.1:{self.running.port}/socket.io/?{rest}"


class Stage:
    """`owner` has the sessions, requests for them go to `other`."""

    def __init__(self, owner: Node, other: Node, http: aiohttp.ClientSession) -> None:
        self.owner = owner
        self.other = other
        self.http = http

    async def get(self, sid: str = "", node: Node | None = None, **query: Any) -> tuple[int, str]:
        async with self.http.get((node or self.other).url(sid, **query)) as answer:
            return answer.status, await answer.text()

    async def post(self, sid: str, body: bytes | str, **query: Any) -> tuple[int, str]:
        async with self.http.post(self.other.url(sid, **query), data=body) as answer:
            return answer.status, await answer.text()

    async def session(self) -> str:
        """A session at the owner, in "/"; its requests have gone to the other one."""
        status, text = await self.get(node=self.owner)
        assert status == 200
        sid: str = json.loads(text[1:])["sid"]
        assert await self.post(sid, "40") == (200, "ok")
        status, text = await self.get(sid)
        assert status == 200 and text.startswith('40{"sid":')
        return sid


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    redis = Redis()
    redis.start()
    yield redis
    redis.close()


@pytest_asyncio.fixture
async def stage(own_redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    options = getattr(request, "param", {})
    nodes = [Node(own_redis.url, **options) for _ in "12"]
    for node in nodes:
        await node.start()
    async with aiohttp.ClientSession() as http:
        yield Stage(*nodes, http)
        for node in nodes:
            await node.running.close()
    for node in nodes:
        kinds = [kind for kind, _ in node.told]
        assert kinds.count("connect") == kinds.count("disconnect"), node.told


async def test_a_session_that_polls_at_the_wrong_server_is_served(stage):
    sid = await stage.session()
    assert sid.endswith("." + stage.owner.forwarder.name)
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    assert await stage.post(sid, '42["say","hällo",{"n":1}]') == (200, "ok")
    assert stage.owner.told[-1] == ("say", ["hällo", {"n": 1}])
    stage.owner.io.emit("news", "ü", b"\x00\xff")
    status, text = await held
    assert status == 200
    assert text == '451-["news","ü",{"_placeholder":true,"num":0}]\x1ebAP8='
    assert not stage.other.told
    assert await stage.post(sid, "41\x1e1") == (200, "ok")
    await until(lambda: stage.owner.told[-1][0] == "disconnect", "it has left")


@pytest.mark.parametrize("stage", [{"cors_allowed_origins": "https://example.com"}], indirect=True)
async def test_headers_of_the_answer_are_the_owners(stage):
    sid = await stage.session()
    headers = {"Origin": "https://example.com"}
    async with stage.http.post(stage.other.url(sid), data="3", headers=headers) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.com"
        assert answer.headers["Content-Type"] == "text/html"


async def test_jsonp_is_passed_on(stage):
    status, text = await stage.get(node=stage.owner, j=0)
    sid = json.loads(json.loads(text[len("___eio[0](") : -len(");")])[1:])["sid"]
    async with stage.http.post(stage.other.url(sid, j=0), data={"d": "40"}) as answer:
        assert await answer.text() == "ok"
    status, text = await stage.get(sid, j=0)
    assert status == 200 and text.startswith('___eio[0]("40{')


@pytest.mark.parametrize("stage", [{"allow_eio3": True}], indirect=True)
async def test_engine_io_3_is_passed_on(stage):
    status, text = await stage.get(node=stage.owner, EIO=3)
    sid = json.loads(text[text.index("{") : text.index("}") + 1])["sid"]
    status, text = await stage.get(sid, EIO=3)
    assert (status, text) == (200, "2:40")
    assert await stage.post(sid, '12:42["say",12]', EIO=3) == (200, "ok")
    assert stage.owner.told[-1] == ("say", [12])


async def test_an_id_that_the_application_makes_says_whose_it_is_too(own_redis):
    node = Node(own_redis.url, generate_id=lambda request: "mine")
    await node.start()
    async with aiohttp.ClientSession() as http, http.get(node.url()) as answer:
        assert json.loads((await answer.text())[1:])["sid"] == f"mine.{node.forwarder.name}"
    await node.running.close()


@pytest.mark.parametrize(
    "sid",
    ["unknown", "unknown.", ".", "a.short", "a.waytoolongtobeaname", "a.ABCDEFGH", ".ABCDEFGH"],
)
async def test_a_session_of_nobody_is_unknown_at_once(stage, sid: str):
    async with asyncio.timeout(2):
        status, text = await stage.get(sid)
    assert (status, json.loads(text)) == (400, UNKNOWN)
    assert not stage.other.forwarder.passed


async def test_a_session_that_the_owner_has_no_longer_is_unknown(stage):
    status, text = await stage.get(f"x.{stage.owner.forwarder.name}")
    assert (status, json.loads(text)) == (400, UNKNOWN)
    status, text = await stage.get(f"x.{stage.other.forwarder.name}")
    assert (status, json.loads(text)) == (400, UNKNOWN)


async def test_wrong_requests_get_the_owners_answer(stage):
    sid = await stage.session()
    status, text = await stage.get(sid, transport="websocket")
    assert (status, json.loads(text)["message"]) == (400, "Bad request")
    status, text = await stage.get(sid, EIO=3)
    assert (status, json.loads(text)["message"]) == (400, "Bad request")
    assert (await stage.post(sid, "x"))[0] == 200  # and the session ends, as without forwarding
    await until(lambda: stage.owner.told[-1] == ("disconnect", "parse error"), "it has ended")


async def test_a_second_get_ends_the_session_wherever_it_comes(stage):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    assert (await stage.get(sid, node=stage.owner))[0] == 400
    assert (await held)[1] == "1"
    assert stage.owner.told[-1] == ("disconnect", "transport error")


@pytest.mark.parametrize("stage", [{"max_http_buffer_size": 1000}], indirect=True)
async def test_a_body_that_is_too_large_gets_413(stage):
    sid = await stage.session()
    assert (await stage.post(sid, "4" * 2000))[0] == 413


@pytest.mark.fault(
    "a client whose GET is held by another server goes (forward=True)",
    "its session ends there as it would here",
)
async def test_a_client_that_goes_ends_its_session(stage):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    held.cancel()
    await until(lambda: stage.owner.told[-1] == ("disconnect", "transport error"), "it has ended")
    assert not stage.owner.forwarder.held and not stage.other.forwarder.passed


@pytest.mark.fault(
    "a server ends while its clients' requests are held by others (forward=True)",
    "these answer them at once, and the clients go on with another server: no session ends",
)
async def test_a_server_that_ends_loses_no_session_of_others(stage):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    closing = asyncio.create_task(stage.other.running.close())
    assert await held == (200, "6")
    await closing
    stage.owner.io.emit("after")
    assert await stage.get(sid, node=stage.owner) == (200, '42["after"]')


@pytest.mark.fault(
    "a server that holds others' requests ends (forward=True)", "their clients get its last answer"
)
async def test_an_owner_that_ends_answers_what_it_holds(stage):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    await stage.owner.running.close()
    async with asyncio.timeout(5):
        status, _ = await held
    assert status in (200, 400)
    status, text = await stage.get(sid)
    assert (status, json.loads(text)) == (400, UNKNOWN)


@pytest.mark.fault(
    "a server is cut off from Redis while it has others' requests (forward=True)",
    "these are told after six seconds that their sessions are not known",
)
async def test_an_owner_that_is_silent_is_given_up(stage, monkeypatch, caplog):
    monkeypatch.setattr(forwarder_module, "ASK_S", 0.05)
    monkeypatch.setattr(forwarder_module, "SILENT_S", 0.3)
    sid = await stage.session()
    # It is subscribed still, and says nothing.
    stage.owner.forwarder._link._on_message = lambda channel, data: None
    stage.owner.forwarder._calls._add = lambda commands: asyncio.get_running_loop().create_future()
    async with asyncio.timeout(5):
        status, text = await stage.get(sid)
    assert (status, json.loads(text)) == (400, UNKNOWN)
    assert "has gone, with 1 requests" in caplog.text


@pytest.mark.fault(
    "an answer of another server does not come (forward=True)",
    "the client is told at the deadline that its session is not known",
)
@pytest.mark.parametrize("stage", [{"forward": Forwarding(timeout=0.3)}], indirect=True)
async def test_a_request_has_a_deadline(stage):
    sid = await stage.session()
    async with asyncio.timeout(5):
        status, text = await stage.get(sid)
    assert (status, json.loads(text)) == (400, UNKNOWN)
    assert not stage.other.forwarder.passed


@pytest.mark.fault(
    "Redis goes away while requests are held by other servers (forward=True)",
    "their clients are told so, and their sessions end",
)
async def test_without_redis_nothing_is_passed_on(stage, own_redis: Redis):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    own_redis.stop(kill=True)
    async with asyncio.timeout(10):
        status, text = await held
    assert (status, json.loads(text)) == (400, UNKNOWN)
    await until(lambda: stage.owner.told[-1][0] == "disconnect", "it has ended", 10)
    assert (await stage.get(sid))[0] == 400
    own_redis.start()
    await until(lambda: stage.owner.forwarder._link.is_up, "Redis is back", 20)
    await until(lambda: stage.other.forwarder._link.is_up, "Redis is back", 20)
    await stage.session()


@pytest.mark.fault(
    "an answer can't be brought to the server that asked for it (forward=True)",
    "the session ends: what was in the answer would be missing",
)
async def test_an_answer_that_nobody_gets_ends_the_session(stage):
    sid = await stage.session()
    held = asyncio.create_task(stage.get(sid))
    await until(lambda: stage.owner.forwarder.held, "the request is held")
    stage.other.forwarder._link.unsubscribe(
        stage.other.forwarder._channel(stage.other.forwarder.name)
    )
    await asyncio.sleep(0.1)
    stage.owner.io.emit("lost")
    await until(lambda: stage.owner.told[-1] == ("disconnect", "transport error"), "it has ended")
    held.cancel()


@pytest.mark.parametrize("stage", [{"forward": Forwarding(max_requests=1)}], indirect=True)
async def test_so_many_requests_are_held_and_no_more(stage, caplog):
    one, two = await stage.session(), await stage.session()
    held = asyncio.create_task(stage.get(one))
    await until(lambda: stage.other.forwarder.passed, "one is on its way")
    assert (await stage.get(two))[0] == 503
    assert "max_requests=1" in caplog.text
    held.cancel()


@pytest.mark.parametrize("stage", [{"forward": Forwarding(max_bytes=500)}], indirect=True)
async def test_what_is_too_large_is_not_passed_on(stage):
    sid = await stage.session()
    assert (await stage.post(sid, "4" * 501))[0] == 400
    stage.owner.io.emit("large", "x" * 500)
    status, text = await stage.get(sid)
    assert (status, json.loads(text)) == (400, UNKNOWN)
    await until(lambda: stage.owner.told[-1][0] == "disconnect", "it has ended")


@pytest.mark.fault(
    "something that is no message is written to a server's channel for requests",
    "it is logged, and the subscription goes on",
)
@pytest.mark.parametrize(
    "garbage",
    [b"", b"\xc1", b"\x90", b"\x91\x63", b"\x91\x01", b"\x93\x03\x01\x02", b"\x91\xc0", b"\x81\x01\x02",
     b"\x9a\x01\xa8AAAAAAAA\x01\xa3GET\x01\x01\x01\x01\x01\x01", b"\x91" * 5000],
)  # fmt: skip
async def test_garbage_is_logged_and_left(stage, garbage: bytes, caplog):
    for node in (stage.owner, stage.other):
        channel = node.forwarder._channel(node.forwarder.name)
        assert await node.forwarder._link.client.publish(channel, garbage) == 1
    await stage.session()
    if garbage != b"\x93\x03\x01\x02":  # of a request that there is not
        assert "no message of a server" in caplog.text


async def test_upgrades_are_not_passed_on(stage):
    sid = await stage.session()
    url = stage.other.url(sid, transport="websocket").replace("http", "ws")
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await stage.http.ws_connect(url)
    assert caught.value.status == 400
    assert await stage.post(sid, '42["say",1]') == (200, "ok")


async def relayed(stage: Stage, sid: str) -> aiohttp.ClientWebSocketResponse:
    """An upgrade of the session that came to the wrong server, probed."""
    url = stage.other.url(sid, transport="websocket").replace("http", "ws")
    websocket = await stage.http.ws_connect(url)
    await websocket.send_str("2probe")
    assert await websocket.receive_str() == "3probe"
    return websocket


@pytest_asyncio.fixture
async def advertising(own_redis: Redis) -> AsyncIterator[Stage]:
    """Servers that say where they are; the second one says it wrongly."""
    ports = [free_port(), free_port()]
    told = [ports[0], free_port()]
    nodes = [Node(own_redis.url, Forwarding(advertise=f"127.0.0.1:{port}")) for port in told]
    for node, port in zip(nodes, ports, strict=True):
        await node.start(port)
    async with aiohttp.ClientSession() as http:
        yield Stage(*nodes, http)
        for node in nodes:
            await node.running.close()


async def test_an_upgrade_is_led_to_an_owner_that_advertises(advertising):
    stage = advertising
    sid = await stage.session()
    async with await relayed(stage, sid) as websocket:
        await websocket.send_str("5")
        for n in range(3):
            text = "x" * 100_000 + str(n)
            await websocket.send_str(f'42["say","{text}"]')
            await until(lambda text=text: stage.owner.told[-1] == ("say", [text]), "it has come")
        stage.owner.io.emit("news", "y" * 200_000)
        assert await websocket.receive_str() == f'42["news","{"y" * 200_000}"]'
        assert len(stage.other.forwarder._ends) == 1
    await until(lambda: stage.owner.told[-1] == ("disconnect", "transport close"), "it has left")
    await until(lambda: not stage.other.forwarder._ends, "nothing is left of it")


@pytest.mark.fault(
    "a server advertises an address where nobody listens (forward=Forwarding(advertise=…))",
    "upgrades to it are refused, its clients poll on, and the log says it",
)
async def test_an_address_where_nobody_is_leaves_the_client_polling(advertising, caplog):
    stage = Stage(advertising.other, advertising.owner, advertising.http)
    sid = await stage.session()
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await relayed(stage, sid)
    assert caught.value.status == 400
    assert "can't be reached at" in caplog.text
    assert await stage.post(sid, '42["say",1]') == (200, "ok")


@pytest.mark.fault(
    "a server ends through which a WebSocket is relayed",
    "its client is told by the end of the connection",
)
@pytest.mark.parametrize("which", ["owner", "other"])
async def test_a_relayed_websocket_ends_with_either_server(advertising, which: str):
    stage = advertising
    sid = await stage.session()
    websocket = await relayed(stage, sid)
    await websocket.send_str("5")
    closing = asyncio.create_task(getattr(stage, which).running.close())
    async with asyncio.timeout(10):
        while (message := await websocket.receive()).type != aiohttp.WSMsgType.CLOSED:
            assert message.type != aiohttp.WSMsgType.ERROR, message
    await closing
    await until(lambda: stage.owner.told[-1][0] == "disconnect", "it has left", 10)


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:0", "host:99999", "host:x"])
async def test_an_address_that_is_none_is_named(address: str):
    with pytest.raises(ValueError, match="host:port"):
        Forwarding(advertise=address)


async def test_what_an_application_has_hung_in_may_fail(stage, caplog, monkeypatch):
    sid = await stage.session()
    caplog.set_level(logging.ERROR)

    def fails(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.owner.forwarder._engine, "handle", fails)
    assert (await stage.get(sid))[0] == 500
    assert "passed on failed" in caplog.text
    monkeypatch.undo()
    assert await stage.post(sid, '42["say",1]') == (200, "ok")


@pytest.mark.parametrize(
    ("given", "error"),
    [("yes", TypeError), (1, TypeError), (None, TypeError)],
)
async def test_an_option_that_is_none_is_named(given: Any, error: type[Exception]):
    with pytest.raises(error, match="forward="):
        RedisAdapter(forward=given)


@pytest.mark.parametrize("name", ["max_requests", "max_bytes", "timeout"])
async def test_a_limit_is_more_than_nothing(name: str):
    with pytest.raises(ValueError, match=rf"{name}=0"):
        Forwarding(**{name: 0})


async def test_without_the_option_there_is_none_of_it(own_redis: Redis):
    node = Node(own_redis.url, forward=False)
    running = await fastsio.start(node.io, port=0)
    assert node.forwarder is None and node.io.hub.engine.elsewhere is None
    assert "." not in node.io.hub.engine.new_id()
    await running.close()

"""Connections that redis-py makes and hiredis reads: replies in order, the end is told, streams are read on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio

from fastsio.adapters.redis_connection.wire import RedisBatches, RedisWire, open_wire
from harness import until

from .servers import Redis


@pytest_asyncio.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
async def client(redis: Redis, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    one = redis_client(redis.url, protocol=request.param)
    await one.flushall()
    yield one
    await one.aclose()


def redis_client(url: str, **options: Any) -> Any:
    return redis.asyncio.Redis.from_url(url, **options)


@contextlib.asynccontextmanager
async def wire_of(client: Any, replies: list[Any]) -> AsyncIterator[RedisWire]:
    wire = await open_wire(client, replies.append)
    try:
        yield wire
    finally:
        await wire.close()


async def test_replies_come_in_the_order_of_the_commands(client):
    replies: list[Any] = []
    async with wire_of(client, replies) as wire:
        wire.send(("SET", "a", b"\x00\r\n\xff"), ("GET", "a"), ("GET", "none"))
        wire.send(("NOSUCH", 1, 2.5))
        wire.send(("GET", "a"))
        await until(lambda: len(replies) == 5, "five replies")
        assert replies[:3] == [b"OK", b"\x00\r\n\xff", None]
        assert isinstance(replies[3], Exception) and replies[4] == b"\x00\r\n\xff"
        assert wire.heard_at > 0


async def test_messages_of_a_subscription_come_in_their_order(client):
    replies: list[Any] = []
    async with wire_of(client, replies) as wire:
        wire.send(("SUBSCRIBE", "c"), ("PSUBSCRIBE", "p*"), ("PING",))
        await until(lambda: len(replies) == 3, "the answers")
        for n in range(50):
            await client.publish("c" if n % 2 else "p1", n)
        await until(lambda: len(replies) == 53, "the messages")
        assert [int(reply[-1]) for reply in replies[3:]] == list(range(50))


@pytest.mark.fault(
    "what works on a reply of Redis raises", "it is logged, and the next replies are worked on"
)
async def test_a_reply_that_can_not_be_worked_on_stops_no_other(client, caplog):
    replies: list[Any] = []

    def take(reply: Any) -> None:
        replies.append(reply)
        if len(replies) == 1:
            raise RuntimeError("no")

    wire = await open_wire(client, take)
    wire.send(("ECHO", "1"), ("ECHO", "2"))
    await until(lambda: len(replies) == 2, "both")
    assert "could not be worked on" in caplog.text
    assert not wire.lost.done()
    await wire.close()


@pytest.mark.fault("Redis closes a connection of an adapter", "the adapter is told why, once")
async def test_the_end_of_a_connection_is_told(client):
    replies: list[Any] = []
    wire = await open_wire(client, replies.append)
    wire.send(("CLIENT", "ID"))
    await until(lambda: replies, "an id")
    await client.client_kill_filter(_id=replies[0])
    with pytest.raises(ConnectionError, match="has ended"):
        await asyncio.wait_for(wire.lost, 10)
    await wire.close()


async def test_who_is_no_redis_is_given_up():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers what redis-py asks, and then something else."""
        with contextlib.suppress(ConnectionError):
            while b"ECHO" not in await reader.read(4096):
                writer.write(b"+OK\r\n+OK\r\n")
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = redis_client(f"redis://127.0.0.1:{port}", protocol=2)
    wire = await open_wire(client, lambda reply: None)
    wire.send(("ECHO", "1"))
    with pytest.raises(ConnectionError, match="not Redis' protocol"):
        await asyncio.wait_for(wire.lost, 10)
    await wire.close()
    await client.aclose()
    server.close()


# --- batches ---------------------------------------------------------------------------------


async def test_a_batch_waits_for_its_replies(client):
    batches = RedisBatches(client, 5)
    assert await batches.ask([("ECHO", "1"), ("ECHO", "2")]) == [b"1", b"2"]
    one, error = await batches.ask([("ECHO", "3"), ("NOSUCH",)])
    assert one == b"3" and isinstance(error, Exception)
    await batches.close()
    assert await batches.ask([("ECHO", "4")]) == [b"4"]
    await batches.close()


@pytest.mark.fault(
    "Redis does not answer a batch of commands in time, or goes",
    "the connection is given up, and the next batch gets a new one",
)
async def test_a_batch_that_is_not_answered_is_given_up(client):
    batches = RedisBatches(client, 0.1)
    with pytest.raises(ConnectionError, match=r"no reply for 0\.1 s"):
        await batches.ask([("BLPOP", "nothing", 5)])
    assert await batches.ask([("ECHO", "1")]) == [b"1"]
    kill = ("CLIENT", "KILL", "ID", await own_id(batches), "SKIPME", "no")
    with pytest.raises(ConnectionError, match="has ended"):
        await batches.ask([kill, ("BLPOP", "nothing", 5)])
    assert await batches.ask([("ECHO", "2")]) == [b"2"]
    await batches.close()


async def own_id(batches: RedisBatches) -> int:
    [found] = await batches.ask([("CLIENT", "ID")])
    return int(found)


async def test_a_batch_that_is_one_is_seen_as_one(client):
    batches, reader = RedisBatches(client, 5), RedisBatches(client, 5)
    read = ("XREAD", "COUNT", 10, "BLOCK", 5000, "STREAMS", "stream", "$")
    reading = asyncio.create_task(reader.ask([read]))
    await until_blocked(client)
    ids = await batches.ask([("XADD", "stream", "*", "n", n) for n in range(3)], is_one=True)
    assert len(ids) == 3 and all(b"-" in one for one in ids)
    [found] = await reading
    [(_, entries)] = found.items() if isinstance(found, dict) else found
    assert [fields for _, fields in entries] == [[b"n", b"0"], [b"n", b"1"], [b"n", b"2"]]
    for one in (batches, reader):
        await one.close()


@pytest.mark.fault(
    "Redis refuses a command of a transaction", "none is done, and each has its own answer"
)
async def test_of_a_batch_that_is_one_nothing_is_done_if_a_command_is_refused(client):
    batches = RedisBatches(client, 5)
    one, two, three = await batches.ask(
        [("SET", "a", 1), ("NOSUCH",), ("SET", "b", 1)], is_one=True
    )
    assert "unknown command" in str(two)
    assert "EXECABORT" in repr(one) or "aborted" in str(one).lower() or "discarded" in str(one)
    assert isinstance(three, Exception)
    assert await batches.ask([("EXISTS", "a", "b")]) == [0]
    await batches.close()


async def until_blocked(client: Any) -> None:
    for _ in range(200):
        if int((await client.info("clients"))["blocked_clients"]):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the stream")

"""KafkaManager with kafka-python's real client, against the broker that librdkafka has for tests.

That one speaks Kafka's protocol over TCP, in its form of version 0.11, and stores nothing: no real Kafka runs here.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import socketio

import fastsio

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # kafka-python's
]


@pytest.fixture
def url(monkeypatch) -> Iterator[str]:
    import kafka
    from confluent_kafka import Producer

    owner = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1, "log_level": 0})
    [broker] = owner.list_topics(timeout=10).brokers.values()
    for name in ("KafkaProducer", "KafkaConsumer"):
        # Newer forms of requests the broker does not know.
        made = functools.partial(getattr(kafka, name), api_version=(0, 11))
        monkeypatch.setattr(kafka, name, made)
    yield f"kafka://{broker.host}:{broker.port}"
    del owner


async def test_servers_are_joined_in_order(url: str):
    """The topic has four partitions, which have no order among each other."""
    servers = [fastsio.Server(client_manager=fastsio.KafkaManager(url)) for _ in "ab"]
    running = [await fastsio.start(sio, port=0) for sio in servers]
    clients = [fastsio.AsyncSimpleClient() for _ in "ab"]
    for sio, client, one in zip(servers, clients, running, strict=True):
        await asyncio.wait_for(sio.hub.cluster.ready(), 20)
        await client.connect(f"http://127.0.0.1:{one.port}")
    for n in range(30):
        await asyncio.to_thread(servers[0].emit, "n", (n, b"\1"))
    for client in clients:
        assert [await client.receive(20) for _ in range(30)] == [["n", n, b"\1"] for n in range(30)]
    manager = fastsio.KafkaManager(url, write_only=True)
    await asyncio.to_thread(manager.emit, "script", {"a": 1}, room=clients[1].sid)
    assert await clients[1].receive(20) == ["script", {"a": 1}]
    manager._close()
    for client, one in zip(clients, running, strict=True):
        await client.disconnect()
        await one.close()


async def test_python_socketio_reads_what_is_written_and_cannot_write(url: str):
    theirs = socketio.KafkaManager(url)
    theirs.consumer.poll(timeout_ms=500)
    while not theirs.consumer.assignment():
        await asyncio.to_thread(theirs.consumer.poll, timeout_ms=200)
    for partition in theirs.consumer.assignment():
        theirs.consumer.position(partition)
    ours = fastsio.KafkaManager(url, write_only=True)
    await asyncio.to_thread(ours.emit, "e", ("x", b"\1"))
    ours._close()
    found: dict[str, Any] = json.loads(
        await asyncio.wait_for(asyncio.to_thread(next, theirs._listen()), 20)
    )
    assert (found["method"], found["event"], found["binary"]) == ("emit", "e", True)
    with pytest.raises((TypeError, AssertionError)):  # text, where kafka-python takes bytes
        theirs._publish(found)
    theirs.consumer.close()
    theirs.producer.close()


@pytest.mark.parametrize("url", ["localhost:9092", "redis://localhost", ["kafka://a", "b"]])
async def test_another_kind_of_url_is_refused(url: Any):
    with pytest.raises(ValueError, match="kafka://host:port"):
        fastsio.KafkaManager(url)


async def test_urls_are_addresses():
    assert fastsio.KafkaManager("kafka://").kafka_urls == ["localhost:9092"]
    manager = fastsio.KafkaManager(["kafka://a:1", "kafka://b:2/"])
    assert manager.kafka_urls == ["a:1", "b:2"]

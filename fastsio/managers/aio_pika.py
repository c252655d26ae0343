"""AsyncAioPikaManager: servers joined by RabbitMQ, through aio_pika (the extra `aio_pika`).

The channel's name is that of a fanout exchange that is not durable, as python-socketio declares it; each server has a
queue of its own, which goes with its connection. Signatures: python-socketio 5.18's.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastsio.managers.pubsub import AsyncPubSubManager

# Seconds between heartbeats, unless the URL says `?heartbeat=`: two that do not come end a connection.
HEARTBEAT_S = 10
# When RabbitMQ could not be reached it is tried again so much later; messages of before are lost without a try.
RETRY_S = 0.5
# What has come and waits for the loop.
MAX_COME = 1_000


def require_aio_pika() -> Any:
    """The package. Raises ImportError if it is not installed."""
    try:
        import aio_pika
    except ImportError:
        raise ImportError(
            'AsyncAioPikaManager needs aio_pika: pip install "fastsio[aio_pika]"'
        ) from None
    return aio_pika


class AsyncAioPikaManager(AsyncPubSubManager):
    """`AsyncServer(client_manager=AsyncAioPikaManager("amqp://guest:guest@localhost:5672//"))`.

    The rest: see PubSubManager. Raises ImportError without aio_pika.
    """

    name = "asyncaiopika"
    _tells = True
    # Each waits for RabbitMQ's confirmation. They are written in the order in which they begin: aiormq's lock is fair.
    _at_a_time = 200

    def __init__(
        self, url: str = "amqp://guest:guest@localhost:5672//", channel: str = "socketio", write_only: bool = False,
        logger: Any = None, json: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(channel, write_only, logger, json)
        require_aio_pika()
        self.url = url
        self.publisher_connection: Any = None
        self.publisher_channel: Any = None
        self.publisher_exchange: Any = None
        # A connection belongs to the loop it was made on, and is made once.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock: asyncio.Lock | None = None
        self._not_before = 0.0

    async def _connect(self) -> Any:
        query = {} if "heartbeat=" in self.url else {"heartbeat": HEARTBEAT_S}
        return await require_aio_pika().connect(self.url, **query)

    async def _exchange(self, channel: Any) -> Any:
        kind = require_aio_pika().ExchangeType.FANOUT
        return await channel.declare_exchange(self.channel, kind)

    async def _send(self, data: bytes) -> None:
        aio_pika = require_aio_pika()
        # The type is kombu's for text: python-socketio's KombuManager reads it by that.
        message = aio_pika.Message(data, content_type="text/plain", content_encoding="utf-8")
        for is_last in (False, True):
            exchange = await self._publisher()
            try:
                await exchange.publish(message, routing_key="*")
                return
            except (aio_pika.exceptions.AMQPError, OSError, RuntimeError):
                # A connection that has died unnoticed is found out by the first message: another one is tried.
                if self.publisher_exchange is exchange:
                    await self._close()
                if is_last:
                    raise

    async def _publisher(self) -> Any:
        """The exchange; it tells that it has taken a message, so none is lost unnoticed."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._lock is None:
            self._loop, self._lock, self._not_before = loop, asyncio.Lock(), 0.0
            self.publisher_connection = self.publisher_exchange = None
        async with self._lock:
            if self.publisher_exchange is None or self.publisher_connection.is_closed:
                if loop.time() < self._not_before:
                    raise ConnectionError("RabbitMQ could not be reached just now")
                self._not_before = loop.time() + RETRY_S
                self.publisher_connection = await self._connect()
                self.publisher_channel = await self.publisher_connection.channel()
                self.publisher_exchange = await self._exchange(self.publisher_channel)
                self._not_before = 0.0
            return self.publisher_exchange

    async def _close(self) -> None:
        """Let go of the connection that publishes."""
        connection, self.publisher_connection = self.publisher_connection, None
        self.publisher_exchange = None
        if connection is not None and not connection.is_closed:
            await connection.close()

    async def _listen(self) -> AsyncIterator[Any]:
        connection = await self._connect()
        self._not_before = 0.0  # it is there
        try:
            came: asyncio.Queue[Any] = asyncio.Queue(MAX_COME)
            ended = asyncio.get_running_loop().create_future()

            def end(*_: Any) -> None:
                if not ended.done():
                    ended.set_result(None)

            connection.close_callbacks.add(end)
            channel = await connection.channel()
            channel.close_callbacks.add(end)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(await self._exchange(channel))
            await queue.consume(came.put, no_ack=True)
            yield None
            async for message in _until(came, ended):
                yield message.body
            raise ConnectionError("RabbitMQ has closed the connection")
        finally:
            await connection.close()


async def _until(came: "asyncio.Queue[Any]", ended: "asyncio.Future[None]") -> AsyncIterator[Any]:
    """What is in the queue, until something has ended."""
    while True:
        getting = asyncio.ensure_future(came.get())
        try:
            await asyncio.wait((getting, ended), return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                return
            yield getting.result()
            while not came.empty():
                yield came.get_nowait()
        finally:
            getting.cancel()

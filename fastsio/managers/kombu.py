"""KombuManager: servers joined by RabbitMQ or whatever kombu knows, through kombu (the extra `kombu`).

The channel's name is that of a fanout exchange that is not durable, as python-socketio declares it; each server has a
queue of its own, which goes with its connection. kombu blocks: it runs in two threads. Signatures: python-socketio
5.18's.
"""

import os
import threading
import uuid
from collections.abc import Iterator
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe
from fastsio.adapters.pubsub.thread_pipe import Ear, ThreadPipe
from fastsio.managers.pubsub import PubSubManager

# Seconds between heartbeats where the transport has them, unless connection_options say another number.
HEARTBEAT_S = 10
# kombu tries to connect for 6 s by itself, and twice here: as long a message would wait to be lost.
RETRIES = {"max_retries": 1, "interval_start": 0.1, "interval_step": 0.1}
# How often who listens looks whether it shall end.
LOOK_S = 1.0


def require_kombu() -> Any:
    """The package. Raises ImportError if it is not installed."""
    try:
        import kombu
    except ImportError:
        raise ImportError('KombuManager needs kombu: pip install "fastsio[kombu]"') from None
    return kombu


class KombuManager(PubSubManager):
    """`Server(client_manager=KombuManager("amqp://guest:guest@localhost:5672//"))`.

    connection_options, exchange_options, queue_options, producer_options: further keyword arguments of kombu's
    Connection(), Exchange(), Queue() and Producer(). The rest: see PubSubManager. Raises ImportError without kombu.
    """

    name = "kombu"

    def __init__(
        self, url: str = "amqp://guest:guest@localhost:5672//", channel: str = "socketio", write_only: bool = False,
        logger: Any = None, json: Any = None, connection_options: dict[str, Any] | None = None,
        exchange_options: dict[str, Any] | None = None, queue_options: dict[str, Any] | None = None,
        producer_options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(channel, write_only, logger, json)
        require_kombu()
        self.url = url
        self.connection_options = connection_options or {}
        self.exchange_options = exchange_options or {}
        self.queue_options = queue_options or {}
        self.producer_options = producer_options or {}
        # The connection that publishes: of one process, and for one thread at a time.
        self.publisher_connection: Any = None
        self._publisher: Any = None
        self._pid = 0
        self._lock = threading.Lock()

    def _connection(self) -> Any:
        options = {"heartbeat": HEARTBEAT_S, **self.connection_options}
        given = options.get("transport_options", {})
        options["transport_options"] = {**RETRIES, **given}
        if self.url.startswith(("amqp", "pyamqp")):
            # RabbitMQ tells that it has taken a message: so none is lost unnoticed.
            options["transport_options"].setdefault("confirm_publish", True)
        return require_kombu().Connection(self.url, **options)

    def _exchange(self) -> Any:
        options = {"type": "fanout", "durable": False, **self.exchange_options}
        return require_kombu().Exchange(self.channel, **options)

    def _queue(self) -> Any:
        options = {"durable": False, "exclusive": True, "auto_delete": True, **self.queue_options}
        return require_kombu().Queue(f"fastsio.{uuid.uuid4()}", self._exchange(), **options)

    def _send(self, data: bytes) -> None:
        with self._lock:
            for is_last in (False, True):
                try:
                    self._producer().publish(
                        data.decode(), exchange=self._exchange(), declare=[self._exchange()],
                        content_type="text/plain", content_encoding="utf-8",
                    )  # fmt: skip
                    return
                except Exception:
                    # A connection that has died unnoticed is found out by the first message: another one is tried.
                    self._close()
                    if is_last:
                        raise

    def _producer(self) -> Any:
        if self.publisher_connection is None or self._pid != os.getpid():
            self.publisher_connection = self._connection()
            self._pid = os.getpid()
            self._publisher = self.publisher_connection.Producer(**self.producer_options)
        return self._publisher

    def _close(self) -> None:
        """Let go of the connection that publishes."""
        connection, self.publisher_connection = self.publisher_connection, None
        if connection is not None:
            connection.release()

    def _pipe(self) -> Pipe:
        return ThreadPipe(
            self._send, None if self.write_only else self._hear, self.name, self._close
        )

    def _hear(self, ear: Ear) -> Iterator[Any]:
        came: list[Any] = []
        with self._connection() as connection:
            queue = self._queue()
            consumer = connection.Consumer(queue, on_message=came.append, no_ack=True)
            with consumer:
                ear.up()
                while not ear.is_stopping:
                    try:
                        connection.drain_events(timeout=LOOK_S)
                    except TimeoutError:
                        connection.heartbeat_check()
                    yield from [message.body for message in came]
                    came.clear()

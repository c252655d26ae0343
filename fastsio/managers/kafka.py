"""KafkaManager: servers joined by a topic of Kafka, through kafka-python (the extra `kafka`).

python-socketio since 5.14 gives kafka-python text where it takes bytes, and so cannot publish; it reads what is written
here. kafka-python blocks: it runs in two threads. Signatures: python-socketio 5.18's.
"""

import threading
from collections.abc import Iterator
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe
from fastsio.adapters.pubsub.thread_pipe import Ear, ThreadPipe
from fastsio.managers.pubsub import PubSubManager

# How often who listens looks whether it shall end.
LOOK_MS = 1_000
# How long a message may take to be taken; after that it is lost.
SEND_S = 10.0
DEFAULT = "localhost:9092"


def require_kafka() -> Any:
    """The package. Raises ImportError if it is not installed."""
    try:
        import kafka  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise ImportError('KafkaManager needs kafka-python: pip install "fastsio[kafka]"') from None
    return kafka


class KafkaManager(PubSubManager):
    """`Server(client_manager=KafkaManager("kafka://localhost:9092"))`; url may be a list of them.

    channel: the topic. Connects when it has something to say or to hear, and again by itself, of which `is_up` does not
    tell: kafka-python does that. The rest: see PubSubManager. Raises ImportError without kafka-python, ValueError for
    another kind of URL.
    """

    name = "kafka"

    def __init__(
        self, url: str | list[str] = "kafka://localhost:9092", channel: str = "socketio", write_only: bool = False,
        logger: Any = None, json: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(channel, write_only, logger, json)
        require_kafka()
        self.kafka_urls = [_address(one) for one in ([url] if isinstance(url, str) else url)]
        self.producer: Any = None
        self._lock = threading.Lock()

    def _send(self, data: bytes) -> None:
        with self._lock:
            if self.producer is None:
                self.producer = require_kafka().KafkaProducer(bootstrap_servers=self.kafka_urls)
            producer = self.producer
        # With a key all go into one partition, whatever the topic has: only so they stay in their order.
        sent = producer.send(self.channel, key=self.host_id.encode(), value=data)
        sent.get(timeout=SEND_S)

    def _close(self) -> None:
        """Let go of the producer, which has a thread of its own."""
        with self._lock:
            producer, self.producer = self.producer, None
        if producer is not None:
            producer.close(timeout=SEND_S)

    def _pipe(self) -> Pipe:
        return ThreadPipe(
            self._send, None if self.write_only else self._hear, self.name, self._close
        )

    def _hear(self, ear: Ear) -> Iterator[Any]:
        consumer = require_kafka().KafkaConsumer(self.channel, bootstrap_servers=self.kafka_urls)
        try:
            is_up = False
            while not ear.is_stopping:
                found = consumer.poll(timeout_ms=LOOK_MS)
                if not is_up and (partitions := consumer.assignment()):
                    for partition in partitions:
                        consumer.position(partition)  # it reads from where they end now
                    is_up = True
                    ear.up()
                for records in found.values():
                    yield from [record.value for record in records]
        finally:
            consumer.close()


def _address(url: str) -> str:
    scheme, separator, address = url.partition("://")
    if scheme != "kafka" or not separator:
        raise ValueError(f"url={url!r}: kafka://host:port")
    return address.strip("/") or DEFAULT

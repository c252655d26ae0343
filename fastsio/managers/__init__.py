"""python-socketio's managers that join servers through a message queue, under its names and in its format.

| manager | carried by | extra |
|---|---|---|
| AsyncRedisManager, RedisManager | Redis, Valkey, Sentinel | `redis` |
| AsyncAioPikaManager | RabbitMQ, by aio_pika | `aio_pika` |
| KombuManager | RabbitMQ and all that kombu knows | `kombu` |
| KafkaManager | Kafka | `kafka` |
| PubSubManager, AsyncPubSubManager | what a subclass makes of _publish() and _listen() | |

A manager is given to a server as client_manager=, or publishes without one: from a script, a Celery task. `bus` is what
IO(adapter=…) takes. What they are made of is in fastsio/adapters.
"""

from fastsio.managers.aio_pika import AsyncAioPikaManager
from fastsio.managers.kafka import KafkaManager
from fastsio.managers.kombu import KombuManager
from fastsio.managers.pubsub import AsyncPubSubManager, PubSubManager
from fastsio.managers.redis import AsyncRedisManager, RedisManager

__all__ = [
    "AsyncAioPikaManager",
    "AsyncPubSubManager",
    "AsyncRedisManager",
    "KafkaManager",
    "KombuManager",
    "PubSubManager",
    "RedisManager",
]

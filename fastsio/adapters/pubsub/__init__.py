"""Servers of python-socketio and of fastsio in one cluster, in the format of python-socketio's managers.

| module | |
|---|---|
| bus | PubSubBus: a Bus over a pipe |
| wire | its messages as JSON |
| pipe | Pipe: one channel that all servers write to and hear |
| redis_pipe | by Redis' publish and subscribe |
| task_pipe, thread_pipe | by libraries for asyncio, by those that block: RabbitMQ, Kafka (fastsio/managers) |
"""

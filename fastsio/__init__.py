"""fastsio: the fastest Socket.IO server there is, in Python. Two API styles, AsyncServer and IO."""

from fastsio import exceptions, packet
from fastsio.api.aio import AsyncServer
from fastsio.api.io import IO
from fastsio.api.manager import AsyncManager
from fastsio.api.namespace import AsyncNamespace
from fastsio.api.sync import Manager, Namespace, Server
from fastsio.asgi import ASGIApp
from fastsio.client import (
    AsyncClient,
    AsyncClientNamespace,
    AsyncSimpleClient,
    Client,
    ClientNamespace,
    SimpleClient,
)
from fastsio.core.declared import Event
from fastsio.core.socket import Socket
from fastsio.core.turns import concurrency
from fastsio.emitter import AsyncEmitter, Emitter
from fastsio.managers import (
    AsyncAioPikaManager,
    AsyncPubSubManager,
    AsyncRedisManager,
    KafkaManager,
    KombuManager,
    PubSubManager,
    RedisManager,
)
from fastsio.serve import RunningServer, run, start
from fastsio.wsgi import Middleware, WSGIApp

__all__ = [
    "IO",
    "ASGIApp",
    "AsyncAioPikaManager",
    "AsyncClient",
    "AsyncClientNamespace",
    "AsyncEmitter",
    "AsyncManager",
    "AsyncNamespace",
    "AsyncPubSubManager",
    "AsyncRedisManager",
    "AsyncServer",
    "AsyncSimpleClient",
    "Client",
    "ClientNamespace",
    "Emitter",
    "Event",
    "KafkaManager",
    "KombuManager",
    "Manager",
    "Middleware",
    "Namespace",
    "PubSubManager",
    "RedisManager",
    "RunningServer",
    "Server",
    "SimpleClient",
    "Socket",
    "WSGIApp",
    "concurrency",
    "exceptions",
    "packet",
    "run",
    "start",
]

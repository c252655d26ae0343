"""Socket.IO clients with python-socketio's names: for asyncio, and as plain functions for threads."""

from fastsio.client.aio import AsyncClient
from fastsio.client.namespaces import AsyncClientNamespace, ClientNamespace
from fastsio.client.simple import AsyncSimpleClient, SimpleClient
from fastsio.client.sync import Client

__all__ = [
    "AsyncClient",
    "AsyncClientNamespace",
    "AsyncSimpleClient",
    "Client",
    "ClientNamespace",
    "SimpleClient",
]

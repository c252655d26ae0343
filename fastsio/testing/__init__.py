"""Clients for an application's tests: in process, without a port or a socket, deterministic. See docs/testing.md."""

from fastsio.testing.client import TestClient
from fastsio.testing.errors import ConnectionRefused
from fastsio.testing.server import TestServer
from fastsio.testing.socket import Event, TestSocket

__all__ = ["ConnectionRefused", "Event", "TestClient", "TestServer", "TestSocket"]

"""Servers with client managers, of python-socketio and of fastsio, and their clients, for the tests of these."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

from .conftest import Client
from .servers import HERE, Server

# Installed by `make test`, or by hand: scripts/python-socketio.sh VENV VERSION.
BUILD = HERE.parents[1] / "build"
CHAT = "/chat"


def older(version: str) -> str:
    """The folder of an older python-socketio. Raises FileNotFoundError if it is not there."""
    folder = BUILD / f"python-socketio-{version}-{sys.implementation.cache_tag}"
    if not (folder / ".complete").exists():
        raise FileNotFoundError(f"{folder}: make test installs it")
    return str(folder)


class Programs:
    """Servers of one cluster, by names such as "fastsio async AsyncRedisManager". All are started at once.

    More words in a name: the version of an older python-socketio, and anything that makes it another server.
    """

    def __init__(self, url: str, *names: str) -> None:
        self._servers = {name: _server(url, *name.split()) for name in names}
        for server in self._servers.values():
            server.begin()
        for server in self._servers.values():
            server.wait()

    def __getitem__(self, name: str) -> ManagerServer:
        return self._servers[name]

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()


def _server(
    url: str, library: str, style: str, manager: str, version: str = "", *_: str
) -> ManagerServer:
    server = ManagerServer(
        [sys.executable, str(HERE / "manager_server.py"), library, style, manager, url]
    )
    if version[:1].isdigit():
        server.first = older(version)
    return server


class ManagerServer(Server):
    """A process of manager_server.py. `first`: a folder that is looked into for packages before all others."""

    first = ""

    def begin(self) -> None:
        paths = [self.first, str(HERE.parents[1]), str(HERE.parent)]
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )  # fmt: skip

    def wait(self) -> None:
        self.port = self._line()["port"]

    async def do(self, name: str, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Call a method of the server, or of App. Bytes are {"$bytes": hex}, tuples {"$tuple": [...]}."""
        return await self.call(name, *args, kwargs)


class Peer(Client):
    """A client in "/" and in "/chat", and what it got in both."""

    async def connect(self, server: Server) -> Peer:
        self.chat: list[tuple[Any, ...]] = []
        self.io.on("*", self._chat_event, namespace=CHAT)
        await self.io.connect(server.url, namespaces=["/", CHAT], transports=["websocket"])
        return self

    async def _chat_event(self, event: str, *args: Any) -> Any:
        if event == "quiet":
            return await self._event(event, *args)
        self.chat.append((event, *args))
        self._came.set()
        return self.answer if event == "question" else None

    @property
    def chat_sid(self) -> str:
        return self.io.get_sid(CHAT)


class Both:
    """Servers `a` and `b` of one cluster, with the clients `on_a` and `on_b`."""

    def __init__(self, a: ManagerServer, b: ManagerServer, on_a: Peer, on_b: Peer) -> None:
        self.a, self.b, self.on_a, self.on_b = a, b, on_a, on_b
        self._rounds = 0

    @classmethod
    async def join(cls, a: ManagerServer, b: ManagerServer) -> Both:
        both = cls(a, b, await Peer().connect(a), await Peer().connect(b))
        await both.quiet()
        return both

    async def quiet(self) -> None:
        """What was sent before has come by now: a message of each server has gone round.

        Sent again where it does not come: servers begin to listen when their first client comes.
        """
        for server, client in ((self.a, self.on_b), (self.b, self.on_a)):
            async with asyncio.timeout(20):
                self._rounds += 1
                while self._rounds not in client.rounds:
                    await server.do("emit", "quiet", self._rounds, to=client.sid)
                    await client.has_round(self._rounds, 0.5)

    async def leave(self) -> None:
        for client in (self.on_a, self.on_b):
            await client.io.disconnect()


def script(code: str, *args: str, library: str = "fastsio") -> None:
    """Run a few lines in a process of their own, as a Celery task or a script does; `manager` is the library."""
    head = f"import sys, {library} as library\nargs = sys.argv[1:]\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code, *args], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

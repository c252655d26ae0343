"""The hub: a server's namespaces and what they share. One per application, under whatever API style.

It is the engine's handler: each session gets a Peer.
"""

import asyncio
import logging
from typing import Any

from fastsio._codec import encode_packet
from fastsio.core.namespace import Namespace
from fastsio.core.parsers import make_json
from fastsio.core.peer import CONNECT_ERROR, Peer
from fastsio.options import Options

logger = logging.getLogger("fastsio.core")


class Hub:
    """`namespaces` by name; `tasks`: handlers that have not ended; `background`: the application's own tasks."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.json = make_json(options)
        self.namespaces: dict[str, Namespace] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.background: set[asyncio.Task[Any]] = set()
        self.root = self.namespace("/")
        self._accepts_any = options.namespaces == "*"
        for name in () if isinstance(options.namespaces, str) else options.namespaces or ():
            self.namespace(name)

    def namespace(self, name: str) -> Namespace:
        """The namespace of that name, made if it is new; the leading "/" may be left out."""
        name = name if name.startswith("/") else f"/{name}"
        if "," in name:
            raise ValueError(f'namespace {name!r}: "," ends a name on the wire')
        if name not in self.namespaces:
            self.namespaces[name] = Namespace(name, self.json, self.tasks, self)
        return self.namespaces[name]

    def get(self, name: str) -> Namespace | None:
        """The namespace of that name, None if there is none."""
        found = self.namespaces.get(name)
        return (
            found if found is not None or name.startswith("/") else self.namespaces.get(f"/{name}")
        )

    def find_namespace(self, name: str) -> Namespace | None:
        """The namespace that a client asks for."""
        found = self.namespaces.get(name)
        return self.namespace(name) if found is None and self._accepts_any else found

    def open(self, session: Any) -> Peer:
        """The engine has a new session."""
        peer = Peer(session, self.json, self)
        session.set_deadline(self.options.connect_timeout, peer.never_joined)
        return peer

    def refuse(self, session: Any, name: str, error: dict[str, Any]) -> None:
        """CONNECT_ERROR for a namespace that does not exist."""
        session.outlet.send(encode_packet(CONNECT_ERROR, error, name, json=self.json))

    async def drain(self, timeout_s: float) -> None:
        """Wait until no handler runs; those that run after `timeout_s` seconds are cancelled."""
        tasks = {task for task in self.tasks if task is not asyncio.current_task()}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            logger.warning(
                "handler cancelled, it did not end within %s s: %r", timeout_s, task.get_coro()
            )
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1.0)

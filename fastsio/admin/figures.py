"""The figures of `server_stats`."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from fastsio.core.hub import Hub


class Counts:
    """What happened since it was last taken, by second and type, as the page draws it; nothing older than `keep_s`."""

    def __init__(self, keep_s: float) -> None:
        self._keep_ms = (keep_s + 1) * 1000  # times are of whole seconds
        self._entries: dict[tuple[int, str, str | None], dict[str, Any]] = {}

    def add(self, kind: str, count: int = 1, sub_type: str | None = None) -> None:
        now = int(time.time()) * 1000
        self._forget_before(now - self._keep_ms)
        entry = self._entries.get((now, kind, sub_type))
        if entry is not None:
            entry["count"] += count
            return
        entry = self._entries[now, kind, sub_type] = {
            "timestamp": now,
            "type": kind,
            "count": count,
        }
        if sub_type is not None:
            entry["subType"] = sub_type

    def _forget_before(self, oldest: float) -> None:
        """Entries came in the order of time: while nobody takes them there are a few at most."""
        while self._entries and (first := next(iter(self._entries)))[0] < oldest:
            del self._entries[first]

    def take(self) -> list[dict[str, Any]]:
        entries, self._entries = self._entries, {}
        return list(entries.values())


class Figures:
    """`server_stats`: sends them with `tell`, at once and then every `interval_s` seconds, while it is started."""

    def __init__(
        self, hub: Hub, server_id: str | None, interval_s: float, tell: Callable[..., None]
    ) -> None:
        self.counts = Counts(interval_s)
        self._hub = hub
        self._hostname = socket.gethostname()
        self._server_id = server_id or self._hostname
        self._interval_s = interval_s
        self._tell = tell
        self._began = time.monotonic()
        self._totals: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Must be called on the engine's loop; nothing happens if it is started."""
        if self._task is None or self._task.done():
            self._totals = self._read_totals()
            self._task = asyncio.get_running_loop().create_task(self._report())
            # There it is cancelled when the server stops.
            self._hub.background.add(self._task)
            self._task.add_done_callback(self._hub.background.discard)

    def stop(self) -> asyncio.Task[None] | None:
        """The task that ends now, None if it was not started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        return task

    async def _report(self) -> None:
        while True:
            self._tell("server_stats", self.take())
            await asyncio.sleep(self._interval_s)

    def _read_totals(self) -> dict[str, int]:
        flusher = self._hub.engine.flusher
        return {
            "packetsIn": flusher.packets_in, "packetsOut": flusher.packets_out,
            "bytesIn": flusher.bytes_in, "bytesOut": flusher.bytes_out,
        }  # fmt: skip

    def take(self) -> dict[str, Any]:
        """Sums of this server as it is, and what happened since the last ones."""
        totals = self._read_totals()
        for kind, total in totals.items():
            if total > self._totals[kind]:
                self.counts.add(kind, total - self._totals[kind])
        self._totals = totals
        sessions = self._hub.engine.sessions.values()
        return {
            "serverId": self._server_id,
            "hostname": self._hostname,
            "pid": os.getpid(),
            "uptime": time.monotonic() - self._began,
            "clientsCount": len(sessions),
            "pollingClientsCount": sum(one.transport == "polling" for one in sessions),
            "aggregatedEvents": self.counts.take(),
            "namespaces": [
                {"name": name, "socketsCount": len(one.sockets)}
                for name, one in sorted(self._hub.namespaces.items())
            ],
        }

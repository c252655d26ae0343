"""Sessions of clients that lost their connection, kept for a while: one store for all namespaces of a server.

Bounded in number and time; one entry on the engine's wheel looks after all of them, and after the namespaces' logs.
Source: Node's SessionAwareAdapter.
"""

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.core")

# The sweep comes so often within the time that a session is kept, but at least once a minute.
SWEEPS = 4
MAX_SWEEP_S = 60.0


@dataclass(slots=True, eq=False)
class SavedSession:
    """What a client gets back: Node's session.

    `pid` is a secret between server and client. `rooms`: each with the position of the adapter's log behind which
    packets for it were the client's; its own room, named by `sid`, is among them. `since`: the same for packets to
    everyone. `missed_packets` are there when it is restored. `expires_at`: on the clock of the store.
    """

    sid: str
    pid: str
    rooms: dict[Any, Any]
    data: dict[str, Any]
    since: Any
    missed_packets: list[Encoded] = field(default_factory=list)
    expires_at: float | None = None


class SessionStore:
    """Sessions by namespace and pid, in the order in which they came. The oldest goes where there are too many."""

    def __init__(self, hub: "Hub", max_sessions: int, keep_s: float) -> None:
        """`keep_s`: how long a session is kept."""
        self._hub = hub
        self._max_sessions = max_sessions
        self._keep_s = keep_s
        # By the namespace itself: another one of its name has another log, to which positions say nothing.
        self._sessions: OrderedDict[tuple[Namespace, str], SavedSession] = OrderedDict()
        self._counts: dict[Namespace, int] = {}
        self._sweeper = Sweeper(self, min(MAX_SWEEP_S, keep_s / SWEEPS))

    @classmethod
    def of(cls, hub: "Hub") -> "SessionStore | None":
        """The store of a hub, None without connection_state_recovery."""
        recovery = hub.options.connection_state_recovery
        if not isinstance(recovery, dict):
            return None
        return cls(hub, recovery["max_sessions"], recovery["max_disconnection_duration"])

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def keep_packets_s(self) -> float:
        """How long packets are kept: a connection may be lost long before that is seen (ping timeout)."""
        options = self._hub.options
        return self._keep_s + options.ping_interval + options.ping_timeout

    def now(self) -> float:
        """The time, in seconds, on the clock of the engine's wheel; it goes on while there is no engine."""
        engine = self._hub.engine
        now: float = time.monotonic() if engine is None else engine.now()
        return now

    def watch(self) -> None:
        """Something is kept: sweep from now on, as long as that is so."""
        if self._hub.engine is not None:
            self._sweeper.start(self._hub.engine.wheel)

    def count(self, namespace: "Namespace") -> int:
        """How many sessions are kept of a namespace."""
        return self._counts.get(namespace, 0)

    def keep(self, namespace: "Namespace", session: SavedSession) -> None:
        """Keep a session until it expires; one that was taken and comes back keeps its time."""
        now = self.now()
        if session.expires_at is None:
            session.expires_at = now + self._keep_s
        if (namespace, session.pid) not in self._sessions:
            self._counts[namespace] = self.count(namespace) + 1
        self._sessions[namespace, session.pid] = session
        self.expire(now)
        while len(self._sessions) > self._max_sessions:
            self._drop(next(iter(self._sessions)))
        self.watch()

    def take(self, namespace: "Namespace", pid: str) -> SavedSession | None:
        """The session with that secret, which is here no longer; None if there is none or it has expired."""
        session = self._sessions.pop((namespace, pid), None)
        if session is None:
            return None
        self._count_down(namespace)
        assert session.expires_at is not None
        return session if self.now() < session.expires_at else None

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        while self._sessions:
            key = next(iter(self._sessions))
            expires_at = self._sessions[key].expires_at
            assert expires_at is not None
            if now < expires_at:
                break
            self._drop(key)

    def _drop(self, key: "tuple[Namespace, str]") -> None:
        del self._sessions[key]
        namespace = key[0]
        self._count_down(namespace)
        if self._hub.namespaces.get(namespace.name) is namespace:
            self._hub.tidy(namespace)

    def _count_down(self, namespace: "Namespace") -> None:
        self._counts[namespace] -= 1
        if not self._counts[namespace]:
            del self._counts[namespace]

    def sweep(self) -> bool:
        """Let go of what is too old, also of the namespaces' packets; whether anything is left."""
        now = self.now()
        self.expire(now)
        kept = len(self._sessions)
        for namespace in list(self._hub.namespaces.values()):
            kept += namespace.adapter.expire(now)
        return kept > 0


class Sweeper:
    """The store's entry on the engine's wheel."""

    def __init__(self, store: SessionStore, every_s: float) -> None:
        self.wheel_slot: Any = None
        self._store = store
        self._every_s = every_s
        self._wheel: Any = None

    def start(self, wheel: Any) -> None:
        """Be called from now on; nothing happens if that is so already."""
        if self._wheel is not wheel:  # of an engine that was closed
            self._wheel = wheel
            self.wheel_slot = None
        if self.wheel_slot is None:
            wheel.add(self, self._every_s)

    def on_due(self) -> float:
        """The wheel's call; see _wheel.pyx."""
        return self._every_s if self._store.sweep() else 0

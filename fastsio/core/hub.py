"""The hub: a server's namespaces and what they share. One per application, under whatever API style.

It is the engine's handler: each session gets a Peer.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastsio._codec import check_event_name, encode_packet
from fastsio._encoded import Encoded, encode_engine_packet
from fastsio._ids import new_id
from fastsio._joining import HubBase
from fastsio.core.acks import PendingAck
from fastsio.core.admissions import Admissions
from fastsio.core.bus_state import BusState
from fastsio.core.failures import Failures
from fastsio.core.limits import Limits, Rule
from fastsio.core.namespace import Namespace
from fastsio.core.observer import Observer
from fastsio.core.operator import NOBODY_EXCEPT, as_rooms
from fastsio.core.parent import ParentNamespace, Parents
from fastsio.core.parsers import make_json
from fastsio.core.peer import CONNECT_ERROR, Peer
from fastsio.core.peer4 import Peer4
from fastsio.core.recovery_store import SessionStore
from fastsio.core.registry import Registry
from fastsio.core.waiting import Overload, Refusals
from fastsio.options import Options

logger = logging.getLogger("fastsio.core")

SHUTDOWN_REASON = "server shutting down"
SHUTDOWN_S = 5.0


class Hub(HubBase):
    """`namespaces` by name; `tasks`: handlers that have not ended; `background`: the application's own tasks.

    `registry` has python-socketio's handlers, `failures` its exception handlers. `engine` is what serves it, None
    until it is served; `loop` and the thread it runs in are the engine's. `observer`: see observe().
    """

    options: Options
    namespaces: dict[str, Namespace]
    observer: Observer | None
    # Makes the secrets of clients that may come back, and says whose one is that does (workers/homes.py); None: ours.
    # Of the class: Python shares the keys of 30 attributes at most.
    homes: Any = None

    def __init__(self, options: Options) -> None:
        self.options = options
        self.json = make_json(options)
        self.namespaces = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.background: set[asyncio.Task[Any]] = set()
        self.admissions = Admissions()
        self.registry = Registry(self)
        self.failures = Failures(self.tasks)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._engine: Any = None
        self._home = 0
        # Events are noted in the log (see trace()), or also told to an observer.
        self.is_traced = self.notes_events = False
        self.observer = None
        self._event_observer: Observer | None = None
        # Events that are not handled because they are too many; limits is None where there are none.
        self.refusals = Refusals()
        self.limits: Limits | None = None
        self.overload: Overload | None = None
        self._hears_upgrades = False
        # Called when an engine begins to serve this.
        self.on_served: Callable[[], None] | None = None
        # Handlers of a client run one after the other; that, or events are noted.
        self.is_serial = self.diverts = not options.async_handlers
        # python-socketio: with `namespaces` given, "/" exists only if it is among them or has handlers.
        self.is_root_optional = False
        # What the engine tells of requests (engine/ports.py, Hooks), where the API has that.
        self.events: Any = None
        # The application's object, as namespaces show it: an IO or an AsyncServer.
        self.server: Any = None
        self.parents = Parents(self)
        # What clients come back to who lost their connection; None: they do not.
        self.lost_sessions = SessionStore.of(self)
        # What reaches the clients of other servers (adapters/cluster); None: this is the only one.
        self.cluster: Any = None if options.adapter is None else options.adapter.join(self)
        self.root = self.namespace("/")
        self._accepts_any = options.namespaces == "*"
        for name in () if isinstance(options.namespaces, str) else options.namespaces or ():
            self.namespace(name)
        for limit in options.limits or ():
            self.limit(**limit)

    def join_cluster(self, adapter: Any) -> None:
        """Let an application without `adapter` be one of several servers, before it is served."""
        self.cluster = adapter.join(self)
        for namespace in self.namespaces.values():
            namespace.join_cluster(self.cluster)

    def namespace(self, name: str) -> Namespace:
        """The namespace of that name, made if it is new; the leading "/" may be left out.

        One that a parent namespace's pattern knows is made as its child.
        """
        name = name if name.startswith("/") else f"/{name}"
        found = self.namespaces.get(name)
        if found is None:
            parent = self.parents.knows(name)
            return self.make_namespace(name) if parent is None else parent.create_child(name)
        if found.parent is None:
            found.is_passing = False
        return found

    def make_namespace(self, name: str, parent: ParentNamespace | None = None) -> Namespace:
        """A new namespace; what it has of `parent` is there before anybody is told."""
        if "," in name:
            raise ValueError(f'namespace {name!r}: "," ends a name on the wire')
        namespace = self.namespaces[name] = Namespace(name, self.json, self.tasks, self)
        namespace.home = self._home
        namespace.on_failure = self.failures.handle
        namespace.observe(self._event_observer)
        if parent is not None:
            parent.bring_up(namespace)
        self.registry.apply(namespace)
        if name != "/":
            self._tell_of(namespace)
        return namespace

    def _tell_of(self, namespace: Namespace) -> None:
        """A namespace was made, by the application or for a client."""
        for handler in self.root.handlers_of("new_namespace"):
            if handler.once:
                self.root.forget("new_namespace", handler)
            try:
                handler.fn(namespace)
            except Exception:
                logger.exception("listener of new_namespace failed for %r", namespace.name)

    def get(self, name: str) -> Namespace | None:
        """The namespace of that name, None if there is none."""
        found = self.namespaces.get(name)
        return (
            found if found is not None or name.startswith("/") else self.namespaces.get(f"/{name}")
        )

    def find_namespace(self, name: str) -> Namespace | None:
        """The namespace that a client asks for; None if there is none, though self.parents may make it."""
        found = self.namespaces.get(name)
        if found is None:
            return None if self.parents else self.accept(name)
        if found is self.root and self.is_root_optional and not self.registry.has(name):
            return None
        return found

    def accept(self, name: str) -> Namespace | None:
        """A namespace for a client that asks for one that is not there: with namespaces="*" there is any."""
        if not self._accepts_any or name in self.namespaces:
            return None
        made = self.make_namespace(name)
        made.is_passing = True
        return made

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop", namespace: str | None = None,
    ) -> Rule:  # fmt: skip
        """See Limits.add(); it holds for clients that are here too. From any thread."""
        limits = self.limits or Limits(self, time.monotonic)
        if namespace is not None and not namespace.startswith("/"):
            namespace = f"/{namespace}"
        rule = limits.add(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=namespace
        )
        self.limits = limits
        if self.is_elsewhere():
            self.call_soon(self._divert)
        else:
            self._divert()
        return rule

    def bound(self, backlog: Callable[[], int], most: int) -> None:
        """Of what waits for all clients together let there be no more than `most`; `backlog()` says how much does."""
        self.overload = Overload(backlog, most)
        self._divert()

    def flow_counts(self) -> dict[str, int]:
        """What was too much, since it is served: `dropped` packets, and events not handled, by what they were over."""
        dropped = 0 if self._engine is None else self._engine.flusher.dropped
        return {"dropped": dropped, **self.refusals.counts}

    def trace(self) -> None:
        """Note every event that comes in the log, from the next client on."""
        self.is_traced = self.notes_events = self.diverts = True

    def observe(self, observer: Observer | None) -> None:
        """Tell `observer` from now on, of the clients that are here too; None ends it. On the engine's loop.

        Raises RuntimeError if there is another one.
        """
        if observer is not None and self.observer is not None:
            raise RuntimeError(f"there is an observer already: {self.observer!r}")
        self.observer = observer
        self._event_observer = None if observer is None or not observer.watches_events else observer
        self.notes_events = self.is_traced or self._event_observer is not None
        for namespace in self.namespaces.values():
            namespace.observe(self._event_observer)
        if self._engine is not None:
            self._observe_engine()
        self._divert()

    def _divert(self) -> None:
        """Let events take the longer way or not, those of clients that are here too."""
        is_bound = self.limits is not None or self.overload is not None
        self.diverts = self.is_serial or self.notes_events or is_bound
        for session in () if self._engine is None else self._engine.sessions.values():
            if session.handler is not None:
                session.handler.divert_again()

    def hear_upgrades(self) -> None:
        """A conn's listener wants to know when a session has switched to WebSocket."""
        self._hears_upgrades = True
        if self._engine is not None:
            self._observe_engine()

    def _observe_engine(self) -> None:
        observer = self.observer
        self._engine.flusher.is_counting = observer is not None
        if self._hears_upgrades:
            self._engine.on_upgrade = self._session_upgraded
        else:
            self._engine.on_upgrade = None if observer is None else observer.session_upgraded

    def _session_upgraded(self, session: Any) -> None:
        if self.observer is not None:
            self.observer.session_upgraded(session)
        session.handler.upgraded()

    def tidy(self, namespace: Namespace) -> None:
        """Forget a namespace that is there only because a client asked for it, and where nobody is any more.

        With namespaces="*" clients name them, with cleanup_empty_child_namespaces they come and go: they must not fill
        the memory.
        """
        if namespace.is_passing and namespace.is_deserted:
            self.namespaces.pop(namespace.name, None)
            if namespace.parent is not None:
                namespace.parent.children.pop(namespace.name, None)
            if self.cluster is not None:
                self.cluster.forget(namespace)

    def open(self, session: Any) -> Peer:
        """The engine has a new session."""
        kind = Peer4 if session.protocol == 3 else Peer
        peer = kind(session, self.json)
        peer.hub = self
        if self.diverts:
            peer.is_diverted = True
        if self.observer is not None:
            self.observer.session_opened(session)
        session.set_deadline(self.options.connect_timeout, peer.never_joined)
        return peer

    def refuse(self, session: Any, name: str, error: dict[str, Any]) -> None:
        """CONNECT_ERROR for a namespace that does not exist."""
        session.outlet.send(encode_packet(CONNECT_ERROR, error, name, json=self.json))

    def new_id(self) -> str:
        """An id as sockets have it."""
        return new_id()

    def encode_message(self, data: Any) -> Encoded:
        """An Engine.IO message of text (a str, or a dict or list as JSON). Raises TypeError for anything else."""
        if isinstance(data, (dict, list)):
            text = self.json.dumps(data)
            data = text.decode() if isinstance(text, bytes) else text
        if not isinstance(data, str):
            raise TypeError(f"a message of {type(data).__name__}: a str, a dict or a list")
        return encode_engine_packet(b"4" + data.encode())

    def emit_apart(
        self, name: str, args: list[Any], room: Any, skip: Any, callback: Callable[..., Any] | None, is_local: bool
    ) -> None:  # fmt: skip
        """Send an event to a namespace that other servers may have, or (is_local) to clients here alone.

        Raises as Namespace.emit_to().
        """
        check_event_name(args[0])
        rooms = None if room is None else as_rooms(list(room) if isinstance(room, tuple) else room)
        excluded = (
            NOBODY_EXCEPT
            if skip is None
            else as_rooms(list(skip) if isinstance(skip, tuple) else skip)
        )
        namespace = self.get(name)
        if namespace is not None:
            if callback is None:
                namespace.deliver_here(args, rooms, excluded, False, False)
            else:
                namespace.adapter.local.ask(args, rooms, excluded, callback)
        elif self.cluster is not None and not is_local:
            if callback is None:
                self.cluster.emit(name, args, rooms, excluded)
            else:
                self.cluster.ask_others(
                    name, args, rooms, excluded, PendingAck(callback, self.tasks)
                )

    # --- exception handlers ------------------------------------------------------------------

    def add_exception_handler(
        self, fn: Callable[..., Any], error: type[BaseException], namespace: str | None
    ) -> None:
        """See Failures.add(); `namespace` None is every one."""
        self.failures.add(fn, error, None if namespace is None else self.namespace(namespace).name)

    # --- threads -----------------------------------------------------------------------------

    @property
    def engine(self) -> Any:
        return self._engine

    @engine.setter
    def engine(self, engine: Any) -> None:
        """Must be set in the thread of the engine's loop, and to None when the engine has closed."""
        self._engine = engine
        self.loop = None if engine is None else engine.flusher.loop
        self._home = 0 if engine is None else threading.get_ident()
        for namespace in self.namespaces.values():
            namespace.home = self._home
        if engine is not None and (self.observer is not None or self._hears_upgrades):
            self._observe_engine()
        if self.cluster is not None:
            self.cluster.served(self.loop)
        if engine is not None and self.on_served is not None:
            self.on_served()

    @property
    def bus_state(self) -> BusState | None:
        """How the adapter is that joins this server with others; None without one."""
        return None if self.cluster is None else self.cluster.state

    def is_elsewhere(self) -> bool:
        """Whether the caller runs in another thread than the engine; nothing here may be touched from there."""
        return self.root.is_elsewhere()

    async def hand_over(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the engine's loop, from a loop of another thread; its result or exception."""
        assert self.loop is not None
        if self.loop.is_closed():
            # The engine was not closed before its loop was: nobody is there any more, and it serves nothing.
            self.engine = None
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    def call_soon(self, call: Callable[..., Any], *args: Any) -> None:
        """Call `call(*args)` on the engine's loop, from another thread; in the order of these calls."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(call, *args)

    # --- the end -----------------------------------------------------------------------------

    async def shut_down(self) -> None:
        """End every session and wait for its handlers, at most 5 s; nothing happens while nothing is served."""
        if self.is_elsewhere():
            await self.hand_over(self.shut_down())
        elif self._engine is not None:
            for session in list(self._engine.sessions.values()):
                session.shut_down(SHUTDOWN_REASON)
            await self.drain(SHUTDOWN_S)

    async def drain(self, timeout_s: float) -> None:
        """Wait until no handler runs; those that run after `timeout_s` seconds are cancelled."""
        await end_handlers(self.tasks, timeout_s, logger)


async def end_handlers(
    running: set[asyncio.Task[Any]], timeout_s: float, log: logging.Logger
) -> None:
    """Wait until these tasks, but the calling one, have ended; cancel those late after `timeout_s` seconds."""
    tasks = {task for task in running if task is not asyncio.current_task()}
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    for task in late:
        log.warning("handler cancelled, it did not end within %s s: %r", timeout_s, task.get_coro())
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=1.0)

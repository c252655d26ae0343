"""python-socketio's handlers as they were registered, and the tables of each namespace that dispatch reads.

Order of preference, as in python-socketio: a function for the event, one for "*" in the namespace, one for
the event in the namespace "*", one for "*" in "*", a class-based namespace, a class-based one for "*". Namespaces
that are patterns, which python-socketio does not have, come before "*", those that were given later before the earlier.
`connect` and `disconnect` never go to a "*" event.
"""

import builtins
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fastsio._dispatch import Handler
from fastsio.core.bus_events import BUS_EVENTS
from fastsio.core.errors import ConnectionRefusedError, InvalidArgumentError
from fastsio.core.handlers import (
    PREFIX_EVENT,
    PREFIX_NAMESPACE,
    PREFIX_SID,
    PREFIX_SOCKET,
    make_event_handler,
    make_handler,
    positional_count,
)
from fastsio.core.own_events import own_event
from fastsio.core.patterns import Pattern, compile_pattern, is_pattern
from fastsio.core.typed import typed_call
from fastsio.logged import one_line

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket

logger = logging.getLogger("fastsio.core")

ANY = "*"
RESERVED = ("connect", "disconnect")

Function = Callable[..., Any]
Guard = Callable[["Socket"], Awaitable[None]]


class Entry(NamedTuple):
    """A function and what calls it: the guard of a `connect`, the Handler of anything else."""

    fn: Function
    call: Any


class Methods(NamedTuple):
    """A class-based namespace: what calls its methods by event, and what takes all other events."""

    owner: Any
    by_event: dict[str, Any]
    fallback: Handler


class Registry:
    """`functions`: namespace to event to Entry, `objects`: namespace to Methods. Namespaces of clients follow at once.

    A namespace may be "*", or a pattern with fields, "/room/{id}": then clients may join what fits it.
    `adapt` makes of a function what is called in its place, with the same arguments (threads use it).
    """

    def __init__(self, hub: "Hub", adapt: Callable[[Function], Function] = lambda fn: fn) -> None:
        self._hub = hub
        self.adapt = adapt
        self.functions: dict[str, dict[str, Entry]] = {}
        self.objects: dict[str, Methods] = {}
        self._patterns: dict[str, Pattern] = {}

    # --- registering -------------------------------------------------------------------------

    def add(
        self, event: str, fn: Function, name: str, is_ours: bool = False, typed: bool | None = None,
        concurrency: int | None = None,
    ) -> None:  # fmt: skip
        """Let `fn` handle an event in a namespace ("*": any; a pattern: what fits it). The last one given wins.

        `is_ours`: not an application's function, so it is called as it is, without `adapt`. `typed`: see typed_call(),
        None is what the server's option says. concurrency: see turns.py. Raises TypeError if `fn` can't take what it
        will be called with, ValueError for a concurrency that can't be.
        """
        if event in BUS_EVENTS and self._hub.cluster is not None:
            self._listen_to_bus(event, fn, name)
            return
        if concurrency is not None and event in RESERVED:
            raise ValueError(f"concurrency={concurrency!r}: {event!r} comes once for each client")
        name, prefix = self._place(name)
        if event == ANY:
            prefix |= PREFIX_EVENT
        call = self._caller(event, fn, prefix, is_ours, self._typed(typed), concurrency)
        self.functions.setdefault(name, {})[event] = Entry(fn, call)
        self._apply_to(name)

    def add_listener(
        self, event: str, fn: Function, name: str, typed: bool | None, concurrency: int | None = None
    ) -> None:  # fmt: skip
        """Let `fn(socket, *args)` handle an event of all clients of a namespace, or of a parent's children."""
        if typed is None:
            typed = self._hub.options.typed
        handler = make_handler(fn, PREFIX_SOCKET, typed=typed, concurrency=concurrency)
        self.functions.setdefault(name, {})[event] = Entry(fn, handler)
        self._apply_to(name)

    def _listen_to_bus(self, event: str, fn: Function, name: str) -> None:
        """Of a namespace, "bus_up" or "bus_down" is the server's own: without a sid, and no client can send it."""
        namespace = self._hub.root if name == ANY or is_pattern(name) else self._hub.namespace(name)
        for handler in namespace.handlers_of(event):
            namespace.forget(event, handler)
        max_args = positional_count(fn)[1]
        namespace.set_listeners(event, (Handler(self.adapt(fn), max_args=max_args),))

    def _place(self, name: str) -> tuple[str, int]:
        """A namespace's name as it is here, and what its functions get before an event's arguments; it exists then."""
        if name == ANY:
            return name, PREFIX_SID | PREFIX_NAMESPACE
        if is_pattern(name):
            name = name if name.startswith("/") else f"/{name}"
            self._patterns[name] = self._hub.parents.of(compile_pattern(name))
            return name, PREFIX_SID | PREFIX_NAMESPACE
        return self._hub.namespace(name).name, PREFIX_SID

    def remove(self, event: str, name: str) -> None:
        """Forget the function of an event. Raises KeyError if there is none."""
        of_namespace = self.functions[name]
        del of_namespace[event]
        if not of_namespace:
            del self.functions[name]
        self._apply_to(name)

    def add_object(
        self, owner: Any, name: str, methods: dict[str, Function], trigger: Function, typed: bool | None = None
    ) -> str:  # fmt: skip
        """Let a class-based namespace handle what no function does; returns the name it has here.

        `methods` by event; `trigger(event, *args)` takes events without one. `typed`: of its methods, as in add().
        """
        name, prefix = self._place(name)
        typed = self._typed(typed)
        by_event = {}
        for event, fn in methods.items():
            _, taken = positional_count(fn, is_own=True)
            # What can't take a sid is a method that is called so by chance; the trigger tells who tries.
            if taken < 0 or taken >= prefix.bit_count() + (event == "connect"):
                by_event[event] = self._caller(event, fn, prefix, typed=typed)
        for event in RESERVED:
            if event not in by_event:
                by_event[event] = self._caller(event, trigger, prefix | PREFIX_EVENT)
        fallback = self._caller(ANY, trigger, prefix | PREFIX_EVENT)
        self.objects[name] = Methods(owner, by_event, fallback)
        self._apply_to(name)
        return name

    def _typed(self, typed: bool | None) -> bool:
        """As in python-socketio, annotations do nothing here unless they are asked for."""
        return bool(self._hub.options.typed if typed is None else typed)

    def _caller(
        self, event: str, fn: Function, prefix: int, is_ours: bool = False, typed: bool | None = False,
        concurrency: int | None = None,
    ) -> Any:  # fmt: skip
        call = fn if is_ours else self.adapt(fn)
        if typed is not False and event != "disconnect":
            # A connect handler's `environ` is the server's own.
            before = prefix.bit_count() + (event == "connect")
            checked = typed_call(fn, before, False, typed)
            if checked is not fn:  # in the same thread as `fn`
                call = checked if call is fn else self.adapt(checked)
        if event in RESERVED and positional_count(fn, is_own=True)[1] < 0:
            call = lenient(call)
        if event == "connect":
            return make_guard(fn, prefix, call)
        return make_event_handler(fn, prefix, call=call, concurrency=concurrency)

    # --- the tables --------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether anything was registered for exactly this namespace."""
        return name in self.functions or name in self.objects

    def apply(self, namespace: "Namespace") -> None:
        """Give a namespace its handlers."""
        table, fallback = self._table_of(namespace)
        namespace.set_entry_guard(table.pop("connect", None))
        namespace.set_handlers({own_event(event): call for event, call in table.items()}, fallback)

    def _apply_to(self, name: str) -> None:
        for namespace in self._hub.namespaces.values():
            if name in self._keys_of(namespace):
                self.apply(namespace)

    def _keys_of(self, namespace: "Namespace") -> list[str]:
        """Under which names functions for a namespace may be, the least preferred first."""
        name, parent = namespace.name, namespace.parent
        fitting = [
            key for key, pattern in self._patterns.items() if pattern.params_of(name) is not None
        ]
        return [ANY, *fitting, *(() if parent is None else (parent.name,)), name]

    def _table_of(self, namespace: "Namespace") -> tuple[dict[str, Any], Handler | None]:
        """Event to what calls its handler, and the handler of events without one."""
        table: dict[str, Any] = {}
        fallback = None
        keys = self._keys_of(namespace)
        objects = [self.objects[key] for key in keys if key in self.objects]
        if objects:
            table.update(objects[-1].by_event)
            fallback = objects[-1].fallback
        # From the least preferred to the most: the later takes the earlier's place.
        for layer in (self.functions.get(key, {}) for key in keys):
            if ANY in layer:
                table = {event: call for event, call in table.items() if event in RESERVED}
                fallback = layer[ANY].call
            table.update((event, entry.call) for event, entry in layer.items() if event != ANY)
        return table, fallback


def lenient(call: Function) -> Callable[..., Awaitable[Any]]:
    """`call`, made once more without its last argument if that raises TypeError, as python-socketio does it.

    For what takes any number of arguments, but may be a decorator's function around one that takes no `auth`
    or no `reason`.
    """

    async def called(*args: Any) -> Any:
        result = call(*args)
        return await result if hasattr(result, "__await__") else result

    async def lenient_call(*args: Any) -> Any:
        try:
            return await called(*args)
        except TypeError as error:
            try:
                return await called(*args[:-1])
            except TypeError:
                raise error from None

    return lenient_call


def make_guard(fn: Function, prefix: int, call: Function) -> Guard:
    """A `connect` handler as a namespace's guard. It is called with (sid, environ, auth) or what it takes of them.

    Raises TypeError if `fn` can't be called so.
    """
    before = prefix.bit_count() - 1
    needed, taken = positional_count(fn, is_own=True)
    if 0 <= taken < before + 2 or needed > before + 3:
        raise TypeError(
            f"{fn!r}: a connect handler takes (sid, environ) or (sid, environ, auth)"
            + (", after the namespace" if prefix & PREFIX_NAMESPACE else "")
        )
    count = before + 3 if taken < 0 else min(taken, before + 3)

    async def guard(socket: "Socket") -> None:
        arguments = [socket.id, socket.peer.environ, socket.handshake.auth or None]
        if prefix & PREFIX_NAMESPACE:
            arguments.insert(0, socket.namespace.name)
        if prefix & PREFIX_EVENT:
            arguments.insert(0, "connect")
        try:
            result = call(*arguments[:count])
            if hasattr(result, "__await__"):
                result = await result
        except ConnectionRefusedError:
            raise
        except InvalidArgumentError as error:
            error.event = "connect"
            what = one_line(error)
            logger.info("refused in %r for sid=%.6s…: %s", socket.namespace.name, socket.id, what)
            raise ConnectionRefusedError(
                f"invalid auth: {error.message}", error.answer["error"]
            ) from error
        except builtins.ConnectionRefusedError as error:
            raise ConnectionRefusedError("Connection refused by server") from error
        except Exception as error:
            # A mistake: the client is refused all the same, and its text is nobody's business outside.
            socket.note("connect", error)
            raise ConnectionRefusedError from error
        if result is False:
            raise ConnectionRefusedError

    return guard

"""What a socket listens to: its client's events one by one, all of them, and all that is sent to it.

Several listeners of one event run in their order. Source: Node's EventEmitter and Socket.onAny().
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler, SocketBase
from fastsio.core.handlers import PREFIX_EVENT, make_handler
from fastsio.core.own_events import own_event

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace

Handlers = tuple[Handler, ...]


class Listening(SocketBase):
    """The listeners of a Socket. What an idle socket has of them is None."""

    __slots__ = ()

    namespace: "Namespace"

    # --- one event ---------------------------------------------------------------------------

    def on(
        self, event: str, fn: Callable[..., Any] | None = None, *, concurrency: int | None = None
    ) -> Any:
        """Call `fn(*args)` for each such event of the client, after listeners added earlier.

        Works as a decorator. `fn` may be a coroutine function. What it returns answers the client's ack
        (None: no value, a tuple: several); one with a parameter named `ack` answers by calling that. Extra
        arguments are dropped, as JavaScript does. Own events: "disconnecting" and "disconnect", with
        (reason, description), "error" with an exception, "high_water" and "low_water" with the unsent bytes.

        concurrency: at most so many of its events are handled at a time, others wait in their order; with 1 they are
        handled strictly one after the other.
        """
        return self._listen(event, fn, concurrency=concurrency)

    def once(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """on(), for the next such event only."""
        return self._listen(event, fn, once=True)

    def prepend(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """on(), before the listeners that are there (Node's prependListener)."""
        return self._listen(event, fn, is_first=True)

    def _listen(
        self, event: str, fn: Callable[..., Any] | None, once: bool = False, is_first: bool = False,
        concurrency: int | None = None,
    ) -> Any:  # fmt: skip
        if fn is None:
            return lambda fn: self._listen(event, fn, once, is_first, concurrency)
        event = own_event(event)
        if self.by_event is None:
            self.by_event = {}
        self.by_event[event] = added(
            self._handlers_of(event),
            make_handler(fn, once=once, concurrency=concurrency),
            is_first,
        )
        return fn

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """Remove one listener of `event` (the last one added with `fn`), or all of them."""
        event = own_event(event)
        for handler in reversed(self._handlers_of(event)):
            if fn is None or handler.fn == fn:
                self.forget(event, handler)
                if fn is not None:
                    return

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove the listeners of `event`, or of every event; those of on_any() stay."""
        if event is not None:
            self.off(event)
        else:
            self.by_event = None

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """The functions that listen to `event`, in the order in which they are called."""
        return functions(self._handlers_of(event))

    def listener_count(self, event: str) -> int:
        """How many functions listen to `event`."""
        return len(self._handlers_of(event))

    def event_names(self) -> list[str]:
        """The events that somebody listens to."""
        return list(self.by_event or ())

    def _handlers_of(self, event: str) -> Handlers:
        return () if self.by_event is None else self.by_event.get(own_event(event), ())

    def run_listeners(self, event: str, *args: Any) -> None:
        """Run the listeners of one of the server's own events."""
        if self.by_event is not None:
            for handler in self._handlers_of(event):
                self.run_handler(handler, event, *args)

    # --- all events --------------------------------------------------------------------------

    def on_any(self, fn: Callable[..., Any]) -> Any:
        """Call `fn(event, *args)` for every event of the client, before its listeners. Works as a decorator.

        One with a parameter named `ack` may answer by calling it; what it returns is no answer. The server's own
        events are not among them.
        """
        self.of_any = added(self.of_any or (), make_handler(fn, PREFIX_EVENT), False)
        return fn

    def prepend_any(self, fn: Callable[..., Any]) -> Any:
        """on_any(), before those that are there."""
        self.of_any = added(self.of_any or (), make_handler(fn, PREFIX_EVENT), True)
        return fn

    def off_any(self, fn: Callable[..., Any] | None = None) -> None:
        """Remove one function of on_any(), or all of them."""
        self.of_any = without(self.of_any or (), fn) or None

    def listeners_any(self) -> list[Callable[..., Any]]:
        """The functions given to on_any(), in the order in which they are called."""
        return functions(self.of_any or ())

    # --- what is sent ------------------------------------------------------------------------

    def on_any_outgoing(self, fn: Callable[..., Any]) -> Any:
        """Call `fn(event, *args)` for every event that is sent to this client, broadcasts among them.

        Works as a decorator. Called when the packet is queued already, so it can't change it; acks are not among
        them. It ends when the client goes.
        """
        self._listen_outgoing(added(self._outgoing, make_handler(fn, PREFIX_EVENT), False))
        return fn

    def prepend_any_outgoing(self, fn: Callable[..., Any]) -> Any:
        """on_any_outgoing(), before those that are there."""
        self._listen_outgoing(added(self._outgoing, make_handler(fn, PREFIX_EVENT), True))
        return fn

    def off_any_outgoing(self, fn: Callable[..., Any] | None = None) -> None:
        """Remove one function of on_any_outgoing(), or all of them."""
        self._listen_outgoing(without(self._outgoing, fn))

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """The functions given to on_any_outgoing(), in the order in which they are called."""
        return functions(self._outgoing)

    @property
    def _outgoing(self) -> Handlers:
        watch = self.namespace.watch
        return () if watch is None else watch.outgoing.get(self.id, ())

    def _listen_outgoing(self, handlers: Handlers) -> None:
        if self.namespace.find(self.id) is self:
            self.namespace.watched().listen(self.id, handlers)


def added(handlers: Handlers, handler: Handler, is_first: bool) -> Handlers:
    """The handlers with one more."""
    return (handler, *handlers) if is_first else (*handlers, handler)


def without(handlers: Handlers, fn: Callable[..., Any] | None) -> Handlers:
    """The handlers without the last one of `fn`; None: without any."""
    if fn is None:
        return ()
    for i in reversed(range(len(handlers))):
        if handlers[i].fn == fn:
            return handlers[:i] + handlers[i + 1 :]
    return handlers


def functions(handlers: Handlers) -> list[Callable[..., Any]]:
    return [handler.fn for handler in handlers]

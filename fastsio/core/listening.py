"""What a socket listens to: its client's events one by one, all of them, and all that is sent to it.

Listeners of one event are an Emitter's. Source: Node's Socket.onAny().
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._dispatch import Handler, SocketBase
from fastsio.core.emitter import Emitter, Handlers, added, functions, without
from fastsio.core.handlers import PREFIX_EVENT, make_handler
from fastsio.core.own_events import own_event

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace


# Events that are the server's: their arguments are no client's.
OWN_EVENTS = ("disconnecting", "disconnect", "error")


class Listening(Emitter, SocketBase):
    """The listeners of a Socket. What an idle socket has of them is None."""

    __slots__ = ()

    namespace: "Namespace"

    # --- one event ---------------------------------------------------------------------------

    def on(
        self,
        event: str,
        fn: Callable[..., Any] | None = None,
        *,
        typed: bool | None = None,
        concurrency: int | None = None,
    ) -> Any:
        """Call `fn(*args)` for each such event of the client, after listeners added earlier.

        Works as a decorator. `fn` may be a coroutine function. What it returns answers the client's ack
        (None: no value, a tuple: several); one with a parameter named `ack` answers by calling that. Extra
        arguments are dropped, as JavaScript does. Own events: "disconnecting" and "disconnect", with
        (reason, description), "error" with an exception, "high_water" and "low_water" with the unsent bytes.

        typed: whether annotations validate the arguments; None: as the server's option says. concurrency: at most so
        many of its events are handled at a time, others wait in their order; with 1 they are handled strictly one after
        the other.
        """
        return self._listen(event, fn, typed=typed, concurrency=concurrency)

    def make_handler(
        self, event: str, fn: Callable[..., Any], once: bool, typed: bool | None = None,
        concurrency: int | None = None,
    ) -> Handler:  # fmt: skip
        if typed is None:
            typed = self.namespace.hub.options.typed
        is_own = event in OWN_EVENTS or own_event(event) is not event
        return make_handler(
            fn, once=once, typed=False if is_own else typed, concurrency=concurrency
        )

    def handlers_of(self, event: str) -> Handlers:
        return super().handlers_of(own_event(event))

    def set_listeners(self, event: str, handlers: Handlers) -> None:
        super().set_listeners(own_event(event), handlers)

    def all_handlers_of(self, event: str) -> list[Handler]:
        """Who gets an event of the client, in their order: the namespace's handler, then the listeners."""
        listeners = super().handlers_of(event)  # the server's own events are not a client's
        handler = self.namespace.handlers.get(event)
        if handler is None and not listeners:
            handler = self.namespace.fallback
        return [*([] if handler is None else [handler]), *listeners]

    def run_listeners(self, event: str, *args: Any) -> None:
        """Run the listeners of one of the server's own events."""
        for handler in self.handlers_of(event):
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

"""Listeners of events, several for each, called in their order: what sockets and namespaces have in common.

Source: Node's EventEmitter, under the names that docs/node.md says. Who runs them is the owner.
"""

from collections.abc import Callable
from typing import Any

from fastsio._dispatch import Handler
from fastsio.core.handlers import make_handler

Handlers = tuple[Handler, ...]


class Emitter:
    """`by_event`: event to its Handlers; None while there were never any. A tuple is replaced, never changed."""

    __slots__ = ()

    by_event: dict[str, Handlers] | None

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(*args)` for each such event, after listeners added earlier. Works as a decorator.

        `fn` may be a coroutine function. Arguments that it does not take are dropped, as in JavaScript.
        """
        return self._listen(event, fn)

    def once(self, event: str, fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        """on(), for the next such event only."""
        return self._listen(event, fn, once=True, **options)

    def prepend(self, event: str, fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        """on(), before the listeners that are there (Node's prependListener)."""
        return self._listen(event, fn, is_first=True, **options)

    def prepend_once(self, event: str, fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        """once(), before the listeners that are there (Node's prependOnceListener)."""
        return self._listen(event, fn, once=True, is_first=True, **options)

    def _listen(
        self, event: str, fn: Callable[..., Any] | None, once: bool = False, is_first: bool = False, **options: Any
    ) -> Any:  # fmt: skip
        if fn is None:
            return lambda fn: self._listen(event, fn, once, is_first, **options)
        handler = self.make_handler(event, fn, once, **options)
        self.set_listeners(event, added(self.handlers_of(event), handler, is_first))
        return fn

    def make_handler(self, event: str, fn: Callable[..., Any], once: bool) -> Handler:
        """What calls `fn`; an owner whose listeners have options takes these too."""
        return make_handler(fn, once=once)

    def off(self, event: str, fn: Callable[..., Any] | None = None) -> None:
        """Remove one listener of `event` (the last one added with `fn`), or all of them."""
        self.set_listeners(event, without(self.handlers_of(event), fn))

    def remove_all_listeners(self, event: str | None = None) -> None:
        """Remove the listeners of `event`, or of every event."""
        for one in self.event_names() if event is None else [event]:
            self.set_listeners(one, ())

    def listeners(self, event: str) -> list[Callable[..., Any]]:
        """The functions that listen to `event`, in the order in which they are called."""
        return functions(self.handlers_of(event))

    def listener_count(self, event: str) -> int:
        """How many functions listen to `event`."""
        return len(self.handlers_of(event))

    def event_names(self) -> list[str]:
        """The events that somebody listens to."""
        return list(self.by_event or ())

    def forget(self, event: str, handler: Handler) -> None:
        """Remove one Handler of `event`, if it is there."""
        left = tuple(one for one in self.handlers_of(event) if one is not handler)
        self.set_listeners(event, left)

    def handlers_of(self, event: str) -> Handlers:
        """What listens to `event`."""
        return () if self.by_event is None else self.by_event.get(event, ())

    def set_listeners(self, event: str, handlers: Handlers) -> None:
        """Let these listen to `event`, in the place of those that did."""
        if handlers:
            if self.by_event is None:
                self.by_event = {}  # type: ignore[misc] # in the slots of who has this
            self.by_event[event] = handlers
        elif self.by_event is not None:
            self.by_event.pop(event, None)


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

"""Events that are known before there are clients: what namespaces, parent namespaces and IO have in common.

Node has no such thing: there, all listeners are a socket's own.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, overload

from fastsio.core.annotations import EMPTY
from fastsio.core.declared import Event, emits
from fastsio.core.handlers import check_event_name

P = ParamSpec("P")

OWN_EVENTS = ("connection", "connect", "new_namespace", "disconnecting", "disconnect", "error")


class Declaring:
    """event(): handlers of all clients' events. emits(): events of the server's."""

    __slots__ = ()

    def events_of(self) -> Any:
        """The namespace whose events they are."""
        return self

    def event(
        self, event: str | Callable[..., Any], fn: Callable[..., Any] | None = None, *,
        typed: bool | None = None, concurrency: int | None = None,
    ) -> Any:  # fmt: skip
        """Call `fn(socket, *args)` for such an event of every client, before the socket's own listeners.

        Unlike socket.on() it is registered once, before there are clients: `fastsio schema` knows it, and nothing is
        made for each client. `@nsp.event` takes the function's name, `@nsp.event("an event")` any other. What it
        returns, and a parameter `ack`, answer as in socket.on(); the last one given for an event wins. typed and
        concurrency: as there. Raises ValueError for the names of the server's own events.
        """
        if callable(event):
            return self.event(event.__name__, event, typed=typed, concurrency=concurrency)
        check_event_name(event)
        if event in OWN_EVENTS:
            raise ValueError(
                f'{event!r} is no client\'s event: use on("connection") and socket.on()'
            )
        if fn is None:
            return lambda fn: self.event(event, fn, typed=typed, concurrency=concurrency)
        namespace = self.events_of()
        namespace.hub.registry.add_listener(event, fn, namespace.name, typed, concurrency)
        return fn

    @overload
    def emits(self, event: Callable[P, Any]) -> Event[P]: ...
    @overload
    def emits(self, event: str, *types: Any, answer: Any = EMPTY) -> Event[...]: ...
    def emits(
        self, event: str | Callable[..., Any], *types: Any, answer: Any = EMPTY
    ) -> Event[...]:
        """Declare an event that the server sends; returns an Event, whose emit() checks what is sent.

        `@nsp.emits` above a function without a body: its name, parameters, docstring and what it returns (the client's
        answer) are the event's; `@nsp.emits("an event")` gives another name. Short: `nsp.emits("news", News)`.
        """
        return emits(self.events_of(), event, types, answer)

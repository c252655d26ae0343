"""Events of a server that shares its clients with others: what joins them came or went.

Node's adapters tell of it by the errors of their Redis clients; here it is two events, on namespaces.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager

if TYPE_CHECKING:
    from fastsio.core.hub import Hub

BUS_UP, BUS_DOWN = BUS_EVENTS = ("bus_up", "bus_down")


def tell_of_bus(hub: "Hub", event: str, lost: int, seconds: float) -> None:
    """Call who listens to `event`, on whatever namespace; what they raise is logged. On the engine's loop.

    lost: messages since the event before; seconds: how long it was as it was before that.
    """
    for namespace in list(hub.namespaces.values()):
        for handler in namespace.handlers_of(event):
            if handler.once:
                namespace.forget(event, handler)
            args: tuple[Any, ...] = (lost, seconds)
            if handler.max_args >= 0:
                args = args[: handler.max_args]
            start_eager(_told(handler.fn, args), hub.tasks, f"listener of {event!r}")


async def _told(fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
    result = fn(*args)
    if hasattr(result, "__await__"):
        await result

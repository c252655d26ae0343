"""The wheels that all clients of an event loop share: no client has a timer of its own."""

import asyncio
import weakref

from fastsio._wheel import Wheel

# The coarser, the fewer wake-ups: a delay has the tick of the class that it falls in (a tenth of what stands here).
CLASSES_S = (10.0, 1.0, 0.1)


class LoopWheel:
    """A wheel of one loop. Those who use it keep it: it goes, and lets go of the loop, with the last of them."""

    __slots__ = ("__weakref__", "wheel")

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel


# By the loop's id: while the wheel is there, it keeps the loop, and the id is no other's.
_wheels: "weakref.WeakValueDictionary[tuple[int, float], LoopWheel]" = weakref.WeakValueDictionary()


def wheel_for(loop: asyncio.AbstractEventLoop, delay_s: float) -> LoopWheel:
    """The wheel for deadlines of about `delay_s`; it calls when they are due, or later by a tenth at most."""
    shortest_s = next((limit for limit in CLASSES_S if delay_s >= limit), CLASSES_S[-1])
    key = (id(loop), shortest_s)
    shared = _wheels.get(key)
    if shared is None:
        shared = _wheels[key] = LoopWheel(Wheel(loop, shortest_s))
    return shared

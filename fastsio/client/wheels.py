"""The wheels that all clients of an event loop share: no client has a timer of its own."""

import asyncio
import weakref

from fastsio._wheel import Wheel

# The coarser, the fewer wake-ups: a delay has the tick of the class that it falls in (a tenth of what stands here).
CLASSES_S = (10.0, 1.0, 0.1)

_wheels: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Wheel]]" = (
    weakref.WeakKeyDictionary()
)


def wheel_for(loop: asyncio.AbstractEventLoop, delay_s: float) -> Wheel:
    """The wheel for deadlines of about `delay_s`; entries come back through it later than due by a tenth at most."""
    shortest_s = next((limit for limit in CLASSES_S if delay_s >= limit), CLASSES_S[-1])
    of_loop = _wheels.setdefault(loop, {})
    if shortest_s not in of_loop:
        of_loop[shortest_s] = Wheel(loop, shortest_s)
    return of_loop[shortest_s]

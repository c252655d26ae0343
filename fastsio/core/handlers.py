"""Users' functions as Handlers: their signatures are inspected once, when they are registered."""

import inspect
from collections.abc import Callable
from typing import Any

from fastsio._codec import check_event_name
from fastsio._dispatch import Handler

__all__ = [
    "PREFIX_EVENT",
    "PREFIX_NONE",
    "PREFIX_SID",
    "check_event_name",
    "make_handler",
    "positional_count",
]

# What a handler gets before the event's own arguments (the bits of _dispatch.Prefix).
PREFIX_NONE = 0
PREFIX_EVENT = 1
PREFIX_SID = 4


def positional_count(fn: Callable[..., Any]) -> tuple[int, int]:
    """How many positional arguments `fn` needs and how many it takes, -1 for any number."""
    needed = taken = 0
    for parameter in _parameters(fn):
        if parameter.kind is parameter.VAR_POSITIONAL:
            return needed, -1
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            taken += 1
            if parameter.default is parameter.empty:
                needed += 1
    return needed, taken


def _parameters(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    if not callable(fn):
        raise TypeError(f"{fn!r} is not callable")
    try:
        return list(inspect.signature(fn).parameters.values())
    except ValueError:  # a builtin that tells nothing: let it have everything
        return [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]


def make_handler(fn: Callable[..., Any], prefix: int = PREFIX_NONE, once: bool = False) -> Handler:
    """A Handler for `fn`. A parameter named `ack` makes it answer by calling that.

    Raises TypeError if `fn` can't take what `prefix` puts before the event's arguments.
    """
    takes_ack = any(
        parameter.name == "ack" and parameter.kind is not parameter.POSITIONAL_ONLY
        for parameter in _parameters(fn)
    )
    _, taken = positional_count(fn)
    before = prefix.bit_count()
    if 0 <= taken < before:
        raise TypeError(
            f"{getattr(fn, '__qualname__', fn)!r} takes {taken} arguments, it is called with {before}"
        )
    max_args = taken - before if taken >= 0 else -1
    if takes_ack and max_args > 0 and _has_positional_ack(fn):
        max_args -= 1
    return Handler(fn, prefix=prefix, max_args=max_args, takes_ack=takes_ack, once=once)


def _has_positional_ack(fn: Callable[..., Any]) -> bool:
    return any(p.name == "ack" and p.kind is p.POSITIONAL_OR_KEYWORD for p in _parameters(fn))

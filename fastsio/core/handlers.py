"""Users' functions as Handlers: their signatures are inspected once, when they are registered."""

import inspect
from collections.abc import Callable
from typing import Any

from fastsio._codec import check_event_name
from fastsio._dispatch import Handler
from fastsio.core.turns import concurrency_of
from fastsio.core.typed import typed_call

__all__ = [
    "PREFIX_EVENT",
    "PREFIX_NAMESPACE",
    "PREFIX_NONE",
    "PREFIX_SID",
    "PREFIX_SOCKET",
    "called",
    "check_event_name",
    "heard",
    "make_event_handler",
    "make_handler",
    "positional_count",
    "takes_named",
]

# What a handler gets before the event's own arguments (the bits of _dispatch.Prefix).
PREFIX_NONE = 0
PREFIX_EVENT = 1
PREFIX_NAMESPACE = 2
PREFIX_SID = 4
PREFIX_SOCKET = 8


def positional_count(
    fn: Callable[..., Any], is_own: bool = False, but: str | None = None
) -> tuple[int, int]:
    """How many positional arguments `fn` needs and how many it takes, -1 for any number.

    Of one that a decorator put around another (functools.wraps) it is what the other takes; with `is_own` what
    it takes itself, as the decorator may put in arguments or keep some back. A parameter named `but` is not counted.
    """
    needed = taken = 0
    for parameter in _parameters(fn, is_own):
        if parameter.name == but:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            return needed, -1
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            taken += 1
            if parameter.default is parameter.empty:
                needed += 1
    return needed, taken


def takes_named(fn: Callable[..., Any], name: str) -> bool:
    """Whether `fn` has a parameter of that name that can be given by it."""
    return any(
        parameter.name == name and parameter.kind is not parameter.POSITIONAL_ONLY
        for parameter in _parameters(fn)
    )


def _parameters(fn: Callable[..., Any], is_own: bool = False) -> list[inspect.Parameter]:
    if not callable(fn):
        raise TypeError(f"{fn!r} is not callable")
    try:
        return list(inspect.signature(fn, follow_wrapped=not is_own).parameters.values())
    except ValueError:  # a builtin that tells nothing: let it have everything
        return [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]


async def called(fn: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call `fn`, and await what it returns if it is a coroutine function."""
    result = fn(*args, **named)
    return await result if inspect.iscoroutine(result) else result


async def heard(
    handler: Handler, args: list[Any], answer: Callable[[Any], None] | None
) -> None:  # fmt: skip
    """Call a listener of another server's event, and give `answer` what it returns, or calls its `ack` with."""
    taken = args if handler.max_args < 0 else args[: handler.max_args]
    if handler.takes_ack:
        await called(handler.fn, *taken, ack=_once(answer))
        return
    result = await called(handler.fn, *taken)
    if answer is not None:
        answer(result)


def _once(answer: Callable[[Any], None] | None) -> Callable[..., None]:
    """An ack: its first call counts, with its first value."""
    left = [] if answer is None else [answer]

    def ack(value: Any = None, *more: Any) -> None:
        if left:
            left.pop()(value)

    return ack


def make_handler(
    fn: Callable[..., Any], prefix: int = PREFIX_NONE, once: bool = False, typed: bool | None = False,
    concurrency: int | None = None,
) -> Handler:  # fmt: skip
    """A Handler for `fn`. A parameter named `ack` makes it answer by calling that.

    typed: whether its annotations validate, see typed_call(). concurrency: how many events of one socket it handles at
    a time (see turns.py), None for what `fn` is marked with. Raises TypeError if `fn` can't take what `prefix` puts
    before the event's arguments.
    """
    takes_ack = takes_named(fn, "ack")
    max_args = _room_for(fn, prefix.bit_count(), False)
    if takes_ack and max_args > 0 and _has_positional_ack(fn):
        max_args -= 1
    return Handler(
        fn, prefix=prefix, max_args=max_args, takes_ack=takes_ack, once=once,
        call=typed_call(fn, prefix.bit_count(), takes_ack, typed),
        concurrency=concurrency_of(fn, concurrency),
    )  # fmt: skip


def make_event_handler(
    fn: Callable[..., Any],
    prefix: int,
    *,
    call: Callable[..., Any] | None = None,
    required: int = 0,
    concurrency: int | None = None,
) -> Handler:
    """A Handler for `fn` in python-socketio's style, where `ack` is a name like any other.

    `call` is called in place of `fn`, whose signature counts. Raises TypeError if `fn` does not take what
    `prefix` puts before the event's arguments, and `required` of these.
    """
    before = prefix.bit_count()
    _room_for(fn, before + required, True)
    return Handler(
        call or fn, prefix=prefix, max_args=_room_for(fn, before, True), concurrency=concurrency_of(fn, concurrency)
    )  # fmt: skip


def _room_for(fn: Callable[..., Any], count: int, is_own: bool) -> int:
    """How many arguments `fn` takes after the first `count`, -1 for any number; TypeError if not even those."""
    _, taken = positional_count(fn, is_own)
    if 0 <= taken < count:
        raise TypeError(
            f"{getattr(fn, '__qualname__', fn)!r} takes {taken} arguments, it is called with {count}"
        )
    return taken - count if taken >= 0 else -1


def _has_positional_ack(fn: Callable[..., Any]) -> bool:
    return any(p.name == "ack" and p.kind is p.POSITIONAL_OR_KEYWORD for p in _parameters(fn))

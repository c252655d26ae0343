"""Typed handlers: their annotations as validators of what a client sends, made once for a function.

msgspec validates, in one call for all arguments; pydantic what is its own. Both are optional packages. What the
annotations are is in annotations.py, what calls a handler in _typed.pyx.
"""

import functools
import importlib.util
import logging
import re
import types
from collections.abc import Callable
from typing import Any, NoReturn

from fastsio._typed import Check, TypedCall
from fastsio.core import validators
from fastsio.core.annotations import (
    EMPTY,
    Argument,
    Signature,
    is_checked,
    is_plain,
    signature_of,
)
from fastsio.core.errors import InvalidArgumentError

logger = logging.getLogger("fastsio.core")

# Functions in a connection listener are made anew for each client: their validators are not.
# None: there is nothing to validate.
_checks: dict[Any, Check | None] = {}
MAX_CHECKS = 4096
_NAME = re.compile(r"\w+")


def is_available() -> bool:
    """Whether msgspec is installed."""
    return importlib.util.find_spec("msgspec") is not None


def can_validate(typed: bool | None) -> bool:
    """Whether msgspec is there. Where it is not: ImportError for typed=True, else a log line, once."""
    if is_available():
        return True
    if typed:
        raise ImportError("typed events need msgspec: pip install 'fastsio[typed]'")
    _tell_of_missing()
    return False


def typed_call(
    fn: Callable[..., Any], before: int, takes_ack: bool, typed: bool | None
) -> Callable[..., Any]:
    """What is called in place of `fn`, with the same arguments: `fn` itself if there is nothing to validate.

    The first `before` arguments are not the event's. typed: None validates where msgspec is installed. Raises
    TypeError for annotations that can't be resolved or validated, ImportError where `typed` is True and
    msgspec is missing.
    """
    if typed is False or is_plain(fn):
        return fn
    key = _key_of(fn, before, takes_ack)
    if key in _checks:
        check = _checks[key]
    else:
        signature = signature_of(fn, before, takes_ack)
        if signature.is_annotated and not can_validate(typed):
            return fn
        check = check_of(signature, name_of(fn)) if signature.is_annotated else None
        if key is not None and len(_checks) < MAX_CHECKS:
            _checks[key] = check
    if check is None:
        return fn
    return TypedCall(fn, check, before, functools.partial(_refuse, check), _awaited)


def name_of(fn: Callable[..., Any]) -> str:
    """What messages call a function."""
    return getattr(fn, "__qualname__", repr(fn))


@functools.cache
def _tell_of_missing() -> None:
    logger.warning(
        "events are annotated, but msgspec is not installed: arguments are not validated. "
        "pip install 'fastsio[typed]', or give typed=False"
    )


def _key_of(fn: Callable[..., Any], before: int, takes_ack: bool) -> Any:
    """What functions have in common that are made by the same `def` with the same types; None: nothing is known."""
    if type(fn) is not types.FunctionType or hasattr(fn, "__wrapped__"):
        return None
    code = fn.__code__
    annotations = tuple(fn.__annotations__.items())
    # Whole names: a socket that is called `s` must not be kept because of "str".
    names = {
        name for _, text in annotations if isinstance(text, str) for name in _NAME.findall(text)
    }
    try:
        around: tuple[Any, ...] = ()
        if names and fn.__closure__:
            around = tuple(
                cell.cell_contents
                for name, cell in zip(code.co_freevars, fn.__closure__, strict=True)
                if name in names
            )
        key = (code, before, takes_ack, len(fn.__defaults__ or ()), annotations, around)
        hash(key)
    except (TypeError, ValueError):  # not hashable; a variable that is not assigned yet
        return None
    return key


def check_of(signature: Signature, name: str) -> Check:
    """The validators of a signature. Raises TypeError, naming `name` and the parameter, for a type that has none."""
    arguments = signature.arguments
    made = [_validator_of(argument, name) for argument in arguments]
    others = tuple(
        (i, one.convert) for i, one in enumerate(made) if one is not None and not one.is_msgspec
    )
    fields = fields_type = None
    if any(one is not None and one.is_msgspec for one in made):
        fields, fields_type = validators.fields_of(
            [
                (
                    argument.type if one is not None and one.is_msgspec else Any,
                    argument.default is EMPTY,
                )
                for argument, one in zip(arguments, made, strict=True)
            ]
        )
    rest = None
    if signature.rest is not None and is_checked(signature.rest.type):
        of_each = signature.rest._replace(type=tuple[signature.rest.type, ...])  # type: ignore[name-defined]
        found = _validator_of(of_each, name)
        rest = None if found is None else found.convert
    returned = _validator_of(Argument("what it returns", signature.returns), name)
    return Check(
        required=signature.required,
        count=len(arguments),
        fields=fields,
        type=fields_type,
        astuple=validators.astuple(),
        others=others,
        rest=rest,
        result=None if returned is None else functools.partial(_result, returned, name),
        may_raise=validators.may_raise(),
        names=names_of(signature),
    )


def names_of(signature: Signature) -> tuple[str, ...]:
    """The names of an event's arguments, that of *args at the end."""
    rest = () if signature.rest is None else (signature.rest.name,)
    return (*(argument.name for argument in signature.arguments), *rest)


def _validator_of(argument: Argument, name: str) -> "validators.Validator | None":
    if not is_checked(argument.type):
        return None
    try:
        return validators.validator_of(argument.type)
    except TypeError as error:
        raise TypeError(
            f"{name!r}: {argument.name!r} can't be validated ({error}). Give typed=False to take what comes"
        ) from error


# --- what is wrong -----------------------------------------------------------------------------


def _refuse(check: Check, error: Exception | None, index: int, ack: Any) -> NoReturn:
    """Say what is wrong with a client's arguments: those that `error` was raised for, or one is missing."""
    path, message = "", "missing"
    if error is not None:
        index, path, message = locate(check, error, index)
    invalid = InvalidArgumentError("", index, name_at(check, index), path, message)
    invalid.ack = ack
    raise invalid from error


def locate(check: Check, error: Exception, index: int) -> tuple[int, str, str]:
    """Which argument is wrong, where in it, and how; `index` is Check.run()'s."""
    place, message = validators.explain(error)
    if (index < 0 or index == check.count) and place and isinstance(place[0], int):
        index = max(index, 0) + place[0]
        place = place[1:]
    return max(index, 0), validators.as_path(place), message


def name_at(check: Check, index: int) -> str:
    """The name of an argument; all of *args have the same."""
    return check.names[min(index, len(check.names) - 1)]


def _result(returned: "validators.Validator", name: str, value: Any) -> Any:
    """What a handler returned, as the type that it declares and then as what packets can hold."""
    try:
        return returned.builtins(returned.convert(value))
    except validators.may_raise() as error:
        place, message = validators.explain(error)
        path = validators.as_path(place)
        raise TypeError(
            f"{name!r} returned what it does not declare{f', at {path}' if path else ''}: {message}"
        ) from error


async def _awaited(awaitable: Any, convert: Callable[[Any], Any]) -> Any:
    return convert(await awaitable)

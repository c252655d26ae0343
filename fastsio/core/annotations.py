"""What a handler's annotations say: its parameters with their types resolved, once, when it is registered.

Source: PEP 484, PEP 563 (annotations as text), PEP 593 (Annotated).
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

# What stands for "not annotated", and for a parameter without a default.
EMPTY: Any = inspect.Parameter.empty
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Argument(NamedTuple):
    """One argument of an event. `type` is EMPTY if the parameter has no annotation."""

    name: str
    type: Any
    default: Any = EMPTY


class Signature(NamedTuple):
    """A handler's arguments, those besides the event's (the socket, a sid…) left out.

    rest: those of *args; None without one. ack: its `ack`, None without one. returns: EMPTY without an annotation.
    """

    arguments: tuple[Argument, ...]
    rest: Argument | None
    ack: Argument | None
    returns: Any

    @property
    def required(self) -> int:
        """How many arguments an event must have."""
        return sum(argument.default is EMPTY for argument in self.arguments)

    @property
    def is_annotated(self) -> bool:
        """Whether there is anything to validate."""
        checked = (*self.arguments, *([] if self.rest is None else [self.rest]))
        return any(is_checked(argument.type) for argument in checked) or is_checked(self.returns)


def is_checked(annotation: Any) -> bool:
    """Whether an annotation says anything about values; a returned None is not looked at."""
    return annotation not in (EMPTY, Any, object, None, type(None))


def is_plain(fn: Callable[..., Any]) -> bool:
    """Whether `fn` has no annotations, seen without looking at its signature."""
    return (
        type(fn) is types.FunctionType and not fn.__annotations__ and not hasattr(fn, "__wrapped__")
    )


def signature_of(fn: Callable[..., Any], before: int, takes_ack: bool) -> Signature:
    """The signature of `fn`, which gets `before` arguments in front of the event's.

    Raises TypeError, naming the parameter, for an annotation that can't be resolved.
    """
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a builtin that tells nothing
        return Signature((), Argument("args", EMPTY), None, EMPTY)
    given = list(signature.parameters.values())
    ack = next((one for one in given if takes_ack and one.name == "ack"), None)
    positional = [one for one in given if one.kind in POSITIONAL and one is not ack]
    several = next((one for one in given if one.kind is one.VAR_POSITIONAL), None)
    scope = _Scope(fn)

    def argument(parameter: inspect.Parameter) -> Argument:
        found = scope.resolve(parameter.annotation, f"parameter {parameter.name!r}")
        return Argument(parameter.name, found, parameter.default)

    return Signature(
        tuple(argument(one) for one in positional[before:]),
        None if several is None else argument(several),
        None if ack is None else argument(ack),
        scope.resolve(signature.return_annotation, "what it returns"),
    )


class _Scope:
    """Where the names in a function's annotations are looked up."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._name = getattr(fn, "__qualname__", repr(fn))
        self._function = _function_of(fn)

    def resolve(self, annotation: Any, what: str) -> Any:
        if not has_text(annotation):
            return annotation
        names = getattr(self._function, "__globals__", {})
        try:
            holder = types.SimpleNamespace(__annotations__={"it": annotation})
            return typing.get_type_hints(holder, names, self._local_names(), include_extras=True)[
                "it"
            ]
        except Exception as error:
            raise TypeError(
                f"{self._name!r}: the annotation {annotation!r} of {what} can't be resolved ({error}). Make the name "
                "known in its module, or give typed=False"
            ) from error

    def _local_names(self) -> dict[str, Any]:
        """What a function within another one knows of that."""
        code = getattr(self._function, "__code__", None)
        cells = getattr(self._function, "__closure__", None)
        if code is None or cells is None:
            return {}
        found = {}
        for name, cell in zip(code.co_freevars, cells, strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
        return found


def _function_of(fn: Any) -> Any:
    """The function behind a method, a partial, a decorator's wrapper or a callable object."""
    for _ in range(64):
        following = (
            getattr(fn, "__wrapped__", None)
            or getattr(fn, "__func__", None)
            or getattr(fn, "func", None)
        )
        if following is None:
            break
        fn = following
    return fn if hasattr(fn, "__code__") else getattr(type(fn), "__call__", fn)  # noqa: B004


def has_text(annotation: Any) -> bool:
    """Whether an annotation is text, or has some in it."""
    if isinstance(annotation, (str, typing.ForwardRef)):
        return True
    if typing.get_origin(annotation) is typing.Literal:
        return False
    if typing.get_origin(annotation) is Annotated:
        return has_text(annotation.__origin__)
    return any(has_text(one) for one in _parts(annotation))


def _parts(annotation: Any) -> Iterator[Any]:
    for one in typing.get_args(annotation):
        if isinstance(one, list):  # of Callable[[…], …]
            yield from one
        else:
            yield one


def walk(annotation: Any, seen: set[Any] | None = None) -> Iterator[Any]:
    """An annotation and all that it is made of: arguments, metadata, the fields of classes. Each class once."""
    seen = set() if seen is None else seen
    yield annotation
    if typing.get_origin(annotation) is typing.Literal:
        return
    if typing.get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
        yield from walk(annotation.__origin__, seen)
        return
    for one in _parts(annotation):
        yield from walk(one, seen)
    meant = getattr(annotation, "__supertype__", getattr(annotation, "__value__", None))
    if meant is not None and not isinstance(annotation, type):  # a NewType, a `type` statement
        yield from walk(meant, seen)
    cls = typing.get_origin(annotation) or annotation
    if isinstance(cls, type) and cls not in seen and _has_fields(cls):
        seen.add(cls)
        for field in _field_types(cls):
            yield from walk(field, seen)


def _has_fields(cls: type) -> bool:
    return (
        dataclasses.is_dataclass(cls)
        or hasattr(cls, "__struct_fields__")
        or typing.is_typeddict(cls)
        or hasattr(cls, "_field_defaults")
    )


def _field_types(cls: type) -> list[Any]:
    try:
        return list(typing.get_type_hints(cls, include_extras=True).values())
    except Exception as error:
        raise TypeError(
            f"{cls.__qualname__!r}: a field's annotation can't be resolved ({error})"
        ) from error

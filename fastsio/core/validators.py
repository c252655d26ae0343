"""A type as what validates values of it: msgspec's where it can, pydantic's for what is its own.

Values are what JSON and attachments have: str, int, float, bool, None, list, dict, bytes. Strict as JSON has types: no
text is a number, 1.5 no int; dates and UUIDs are text. Bytes are bytes, never base64. Pydantic's types are as lax as
pydantic is by itself.
"""

import contextlib
import functools
import re
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from fastsio.core.annotations import walk
from fastsio.models import as_builtins, is_model

BINARY = (bytes, bytearray, memoryview)
# At the end of msgspec's messages: " - at `$[0].position.x`", " - at `key` in `$[0]`".
_PLACE = re.compile(r" - at (`key` in )?`\$?([^`]*)`$")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]|\.([^.\[]+)")

Place = list[int | str]


class Validator(NamedTuple):
    """convert(value): as the type has it, one of may_raise() for a bad one. builtins(value): as packets have it.

    is_msgspec: msgspec may validate it together with others.
    """

    convert: Callable[[Any], Any]
    builtins: Callable[[Any], Any]
    is_msgspec: bool


def validator_of(annotation: Any) -> Validator:
    """What validates a type. Raises TypeError for one that nothing here can validate."""
    parts = list(walk(annotation))
    if any(is_pydantic(part) for part in parts) and not any(is_struct(part) for part in parts):
        return _of_pydantic(annotation)
    split = split_off_bytes(annotation)
    if split is not None:
        return _bytes_or(validator_of(split))
    for part in parts:
        if _needs_pydantic(part):
            raise TypeError(
                f"{part!r} within a msgspec.Struct: pydantic's constraints have no effect there"
            )
    _check_supported(annotation)
    convert = _with(_how(parts))
    return Validator(lambda value: convert(value, annotation), _builtins_of(annotation), True)


def fields_of(arguments: list[tuple[Any, bool]]) -> tuple[Callable[[Any, Any], Any], Any]:
    """One validator for a list of arguments, (type, is required) each, and the type to give to it.

    It returns an object for astuple(). The type is its second argument: as a keyword it would take 390 ns, not 110.
    """
    fields: list[Any] = []
    parts: list[Any] = []
    is_optional = False  # fields after one that has a default must have one
    for i, (annotation, is_required) in enumerate(arguments):
        parts.extend(walk(annotation))
        is_optional = is_optional or not is_required
        fields.append((f"a{i}", annotation, None) if is_optional else (f"a{i}", annotation))
    struct = _msgspec().defstruct("Arguments", fields, array_like=True, gc=False)
    convert = _with(_how(parts))
    with contextlib.suppress(_msgspec().ValidationError):
        convert((), struct)  # it looks at the fields when it is first used: so that is now
    return convert, struct


def astuple() -> Callable[[Any], tuple[Any, ...]]:
    found: Callable[[Any], tuple[Any, ...]] = _msgspec().structs.astuple
    return found


def may_raise() -> tuple[type[Exception], ...]:
    """What validators raise for bad values: pydantic's errors are ValueErrors."""
    return (_msgspec().ValidationError, ValueError, RecursionError)


def _msgspec() -> Any:
    import msgspec

    return msgspec


# --- msgspec -----------------------------------------------------------------------------------


def _with(how: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """msgspec's convert(value, type) with these options."""
    convert: Callable[[Any, Any], Any] = _msgspec().convert
    return functools.partial(convert, **how) if how else convert


def _builtins_of(annotation: Any) -> Callable[[Any], Any]:
    """What makes of a value of a type one that packets can hold: nothing, where it is one."""
    return as_it_is if annotation in (int, float, str, bool, bytes) else packet_value


def as_it_is(value: Any) -> Any:
    return value


def _how(parts: list[Any]) -> dict[str, Any]:
    """What convert() has to be told for a type with these parts; less is faster."""
    how: dict[str, Any] = {}
    if any(part in BINARY for part in parts if isinstance(part, type)):
        how["builtin_types"] = BINARY  # otherwise text would do for bytes, as base64
    if any(typing.get_origin(part) is dict and part.__args__[0] is not str for part in parts):
        how["str_keys"] = True  # JSON's keys are text
    if any(_is_pydantic_model(part) for part in parts):
        how["dec_hook"] = _pydantic_model
    return how


def _check_supported(annotation: Any) -> None:
    """TypeError for what msgspec would only refuse when a value comes."""
    msgspec = _msgspec()
    for part in _types_in(msgspec.inspect.type_info(annotation)):
        if isinstance(part, msgspec.inspect.CustomType) and not _is_pydantic_model(part.cls):
            raise TypeError(f"{part.cls!r} is no type that a client's value can be made of")


def _types_in(info: Any, seen: set[int] | None = None) -> typing.Iterator[Any]:
    """msgspec's description of a type and of all that it is made of."""
    seen = set() if seen is None else seen
    if id(info) in seen:
        return
    seen.add(id(info))
    yield info
    for name in info.__struct_fields__:
        value = getattr(info, name)
        for one in value if isinstance(value, tuple) else (value,):
            inner = getattr(one, "type", one)  # a Field has one
            if hasattr(inner, "__struct_fields__"):
                yield from _types_in(inner, seen)


def is_struct(part: Any) -> bool:
    return isinstance(part, type) and hasattr(part, "__struct_fields__")


def split_off_bytes(annotation: Any) -> Any:
    """What `bytes | X` has besides bytes, where X is text or the like: msgspec has no such union. Else None."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return None
    arms = typing.get_args(annotation)
    if bytes not in arms or len([arm for arm in arms if arm is not type(None)]) < 2:
        return None
    return typing.Union[tuple(arm for arm in arms if arm is not bytes)]  # noqa: UP007 - of a tuple


def _bytes_or(other: Validator) -> Validator:
    def convert(value: Any) -> Any:
        return value if isinstance(value, BINARY) else other.convert(value)

    def builtins(value: Any) -> Any:
        return value if isinstance(value, BINARY) else other.builtins(value)

    return Validator(convert, builtins, False)


def packet_value(value: Any) -> Any:
    """A validated value as packets have it; a tuple stays one, for it is several values of an ack."""
    return _msgspec().to_builtins(
        value, builtin_types=BINARY, str_keys=True, enc_hook=_plain_object
    )


def _plain_object(value: Any) -> Any:
    if is_model(value) or not is_pydantic(value):
        return as_builtins(value)
    return str(value)  # an URL, a secret: what pydantic shows of it


# --- pydantic ----------------------------------------------------------------------------------


def _module(part: Any) -> str:
    cls = part if isinstance(part, type) else type(part)
    return (getattr(cls, "__module__", "") or "").partition(".")[0]


def is_pydantic(part: Any) -> bool:
    """A model, a type of pydantic's, or what constrains one in Annotated."""
    return _module(part) in ("pydantic", "pydantic_core", "annotated_types") or hasattr(
        part, "__pydantic_validator__"
    )


def _is_pydantic_model(part: Any) -> bool:
    return (
        isinstance(part, type)
        and hasattr(part, "model_validate")
        and hasattr(part, "__pydantic_validator__")
    )


def _needs_pydantic(part: Any) -> bool:
    return is_pydantic(part) and not _is_pydantic_model(part)


def _pydantic_model(cls: Any, value: Any) -> Any:
    """msgspec's dec_hook."""
    return cls.model_validate(value)


def _of_pydantic(annotation: Any) -> Validator:
    try:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError
    except ImportError:
        raise TypeError("constraints of annotated_types need pydantic") from None
    try:
        adapter: Any = TypeAdapter(annotation)
    except PydanticUserError as error:
        raise TypeError(str(error).partition("\n")[0]) from error
    return Validator(adapter.validate_python, packet_value, False)


# --- what is wrong -----------------------------------------------------------------------------


def explain(error: Exception) -> tuple[Place, str]:
    """Where in the value it is wrong, and how."""
    if isinstance(error, RecursionError):
        return [], "nested too deeply"
    place: Place = []
    message = str(error)
    found = _PLACE.search(message)
    if found:
        place = [_step(number, name) for number, name in _STEP.findall(found[2])]
        message = message[: found.start()] + (" for a key" if found[1] else "")
    pydantic = error if hasattr(error, "errors") else error.__cause__
    if pydantic is not None and hasattr(pydantic, "errors"):
        first = pydantic.errors(include_url=False, include_context=False, include_input=False)[0]
        place.extend(first["loc"])
        message = first["msg"]
    return place, message


def _step(number: str, name: str) -> int | str:
    if name:
        return name
    return number if number == "..." else int(number)


def as_path(place: Place) -> str:
    """A place as it is written: "position.x", "tags[2]"; "[...]" is a value of a dict."""
    text = ""
    for step in place:
        if isinstance(step, int) or step == "...":
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text

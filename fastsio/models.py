"""Objects of models, as what a packet can hold: msgspec's Structs, dataclasses, pydantic's models.

Only what is no value of JSON by itself comes here. None of these packages is imported: whose objects come has done so.
"""

import dataclasses
import datetime as dt
import enum
import functools
import json
import sys
from typing import Any

BINARY = (bytes, bytearray, memoryview)


def is_model(value: Any) -> bool:
    """Whether as_builtins() knows what `value` is."""
    cls = type(value)
    return (
        hasattr(cls, "__struct_fields__")
        or hasattr(cls, "__pydantic_serializer__")
        or dataclasses.is_dataclass(cls)
    )


def as_builtins(value: Any) -> Any:
    """`value` as dicts, lists and what JSON has; bytes in it stay bytes. Raises TypeError for what is no model."""
    cls = type(value)
    if hasattr(cls, "__pydantic_serializer__"):
        return _of_pydantic(value)
    if hasattr(cls, "__struct_fields__"):
        return sys.modules["msgspec"].to_builtins(
            value, builtin_types=BINARY, str_keys=True, enc_hook=as_builtins
        )
    if dataclasses.is_dataclass(cls):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(cls)}
    raise TypeError(f"Object of type {cls.__name__} is not JSON serializable")


def _of_pydantic(value: Any) -> Any:
    """In pydantic's JSON mode; that takes bytes for text, so objects with some are dumped as they are."""
    cls: Any = type(value)
    has_bytes = _has_bytes(cls)
    mode = "python" if has_bytes else "json"
    if hasattr(cls, "model_dump"):
        dumped = value.model_dump(mode=mode, by_alias=True)
    else:  # a dataclass
        dumped = cls.__pydantic_serializer__.to_python(value, mode=mode, by_alias=True)
    return _without_objects(dumped) if has_bytes else dumped


@functools.lru_cache(maxsize=1024)
def _has_bytes(cls: Any) -> bool:
    """Whether a pydantic class has fields of bytes, in whatever depth."""
    pydantic = sys.modules["pydantic"]
    try:
        schema = pydantic.TypeAdapter(cls).json_schema(mode="serialization")
    except pydantic.errors.PydanticUserError:  # it can't be described, and so does not say
        return False
    return '"format": "binary"' in json.dumps(schema, default=str)


def _without_objects(value: Any) -> Any:
    """What JSON has no form for as text, sets as lists."""
    if value is None or isinstance(value, (str, bool, int, float, *BINARY)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, dict):
        return {_without_objects(key): _without_objects(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_without_objects(item) for item in value]
    if isinstance(value, enum.Enum):
        return _without_objects(value.value)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return str(value)

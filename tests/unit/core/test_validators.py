"""Validators: which package validates a type, what they say of bad values, and values as packets have them."""

import dataclasses
import enum
from typing import Annotated, Any, Generic, TypeVar

import annotated_types
import msgspec
import pydantic
import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

from fastsio.core.validators import (
    as_path,
    astuple,
    explain,
    fields_of,
    may_raise,
    split_off_bytes,
    validator_of,
)

T = TypeVar("T")


class Point(msgspec.Struct, rename={"x": "the x"}):
    x: int


class Model(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("odd")
        return n


@pydantic_dataclass
class PydanticData:
    n: Annotated[int, annotated_types.Gt(1)]


@dataclasses.dataclass
class Holder(Generic[T]):
    of: T


@pytest.mark.parametrize(
    ("annotation", "is_msgspec"),
    [
        (int, True),
        (list[Point], True),
        (Holder[Point], True),
        (Holder[Model], False),
        (dict[str, Model], False),
        (PydanticData, False),
        (pydantic.AnyUrl, False),
        (Annotated[int, annotated_types.Gt(1)], False),
        (bytes | str, False),
    ],
)
def test_pydantic_validates_what_is_its_own(annotation: Any, is_msgspec: bool) -> None:
    assert validator_of(annotation).is_msgspec is is_msgspec


@pytest.mark.parametrize(
    ("annotation", "value", "path", "message"),
    [
        (list[Point], [{"the x": ""}], "[0].the x", "Expected `int`, got `str`"),
        (Holder[Model], {"of": {"n": 1}}, "of.n", "Value error, odd"),
        (PydanticData, {"n": 1}, "n", "Input should be greater than 1"),
        (Annotated[int, annotated_types.Gt(1)], 1, "", "Input should be greater than 1"),
        (dict[str, list[Model]], {"a b": [{"n": 2}, {}]}, "a b[1].n", "Field required"),
        (dict[int, int], {"x": 1}, "", "Expected `int`, got `str` for a key"),
    ],
)
def test_bad_values_are_explained(annotation: Any, value: Any, path: str, message: str) -> None:
    with pytest.raises(may_raise()) as refused:
        validator_of(annotation).convert(value)
    place, said = explain(refused.value)
    assert (as_path(place), said) == (path, message)


def test_fields_are_validated_together_and_come_as_a_tuple() -> None:
    convert, type_ = fields_of([(int, True), (Any, True), (bytes, False), (dict[int, int], True)])
    values = (1, {"a": b"x"}, b"y", {"1": 2}, "more")
    assert astuple()(convert(values, type_)) == (1, {"a": b"x"}, b"y", {1: 2})
    assert astuple()(convert(values[:2], type_)) == (1, {"a": b"x"}, None, None)


@pytest.mark.parametrize(
    ("annotation", "rest"),
    [
        (bytes | str, str),
        (bytes | str | None, str | None),
        (bytes | None, None),
        (bytes, None),
        (str | int, None),
        (list[bytes], None),
    ],
)
def test_bytes_are_taken_out_of_unions(annotation: Any, rest: Any) -> None:
    assert split_off_bytes(annotation) == rest


def test_values_come_as_packets_have_them() -> None:
    class Color(enum.Enum):
        RED = 1

    url = validator_of(pydantic.AnyUrl)
    assert url.builtins(url.convert("http://a/")) == "http://a/"
    assert validator_of(PydanticData).builtins(PydanticData(2)) == {"n": 2}
    assert validator_of(Holder[Point]).builtins(Holder(Point(1))) == {"of": {"the x": 1}}
    assert validator_of(Color).builtins(Color.RED) == 1
    assert validator_of(bytes | set[int]).builtins(b"x") == b"x"
    assert validator_of(bytes | set[int]).builtins({1}) == [1]


def test_a_validator_without_pydantic_says_that_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeError, match="annotated_types need pydantic"):
        validator_of(Annotated[int, annotated_types.Gt(1)])


def test_a_class_of_which_pydantic_can_not_make_a_schema_is_a_type_error() -> None:
    class Odd: ...

    with pytest.raises(TypeError, match=r"Unable to generate pydantic-core schema for .*Odd"):
        validator_of(Annotated[Odd, annotated_types.Gt(1)])


def test_deep_recursion_is_said_in_words() -> None:
    assert explain(RecursionError("maximum recursion depth exceeded")) == ([], "nested too deeply")

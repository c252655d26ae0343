"""What annotations say: of functions, methods, partials, decorated ones; as objects and as text."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypedDict

import msgspec
import pytest

from fastsio.core.annotations import EMPTY, Argument, has_text, is_checked, signature_of, walk

Name = NewType("Name", bytes)


class Known(msgspec.Struct):
    a: int


class Chat:
    def say(self, sid: str, text: "Known", *more: int) -> "list[Known]": ...

    def __call__(self, text: "Known") -> None: ...


def test_signature_leaves_out_what_is_not_the_events() -> None:
    signature = signature_of(Chat().say, 1, False)
    assert signature.arguments == (Argument("text", Known),)
    assert signature.rest == Argument("more", int)
    assert signature.returns == list[Known]
    assert signature.required == 1 and signature.is_annotated


def test_callable_objects_partials_and_decorated_functions_are_looked_through() -> None:
    def function(a: "Known", b: int = 2): ...

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    assert signature_of(Chat(), 0, False).arguments == (Argument("text", Known),)
    assert signature_of(functools.partial(function, 1), 0, False).arguments == (
        Argument("b", int, 2),
    )
    assert signature_of(wrapper, 0, False).arguments[0] == Argument("a", Known)


def test_ack_is_no_argument_of_the_event_where_it_is_asked_for() -> None:
    def function(a: int, ack: Callable[[int], None], *, other: int = 1): ...

    asked = signature_of(function, 0, True)
    assert asked.arguments == (Argument("a", int),)
    assert asked.ack == Argument("ack", Callable[[int], None])
    assert [one.name for one in signature_of(function, 0, False).arguments] == ["a", "ack"]


def test_text_is_looked_up_in_the_functions_module_and_in_the_functions_around() -> None:
    class Local(msgspec.Struct):
        a: int

    def function(a: "Local", b: "list[Known]", c: "Literal['x']"):
        return Local

    found = signature_of(function, 0, False).arguments
    assert [one.type for one in found] == [Local, list[Known], Literal["x"]]


def test_text_of_a_variable_that_is_not_assigned_yet_is_an_error_that_names_it() -> None:
    def function(a: "Later"):  # noqa: F821
        return Later  # noqa: F821

    with pytest.raises(TypeError, match=r"'Later' of parameter 'a' can't be resolved"):
        signature_of(function, 0, False)


def test_what_a_function_returns_is_named_in_an_error_too() -> None:
    def function() -> "Nothing": ...  # noqa: F821

    with pytest.raises(TypeError, match="of what it returns can't be resolved"):
        signature_of(function, 0, False)


def test_a_builtin_that_tells_nothing_takes_anything() -> None:
    class Silent:
        @property
        def __signature__(self) -> Any:
            raise ValueError("no signature")

        def __call__(self) -> None: ...

    signature = signature_of(Silent(), 0, False)
    assert signature.rest == Argument("args", EMPTY) and not signature.is_annotated
    assert inspect.signature(print)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("int", True),
        (list["int"], True),
        (Callable[["int"], None], True),
        (Annotated["int", "text"], True),
        (Annotated[int, "text"], False),
        (Literal["text"], False),
        (int | None, False),
        (EMPTY, False),
    ],
)
def test_text_is_found_in_an_annotation(annotation: Any, expected: bool) -> None:
    assert has_text(annotation) is expected


@pytest.mark.parametrize("annotation", [EMPTY, Any, object, None, type(None)])
def test_some_annotations_say_nothing(annotation: Any) -> None:
    assert not is_checked(annotation)
    assert is_checked(int)


def test_walk_finds_what_a_type_is_made_of() -> None:
    @dataclass
    class Data:
        a: dict[str, Name]
        b: "Data | None"

    Data.__annotations__["b"] = Data | None

    class Pair(NamedTuple):
        first: Annotated[float, "note"]

    class Dict(TypedDict):
        data: Data
        pair: tuple[Pair, ...]

    found = list(walk(list[Dict]))
    for part in (Dict, Data, bytes, str, Pair, float, "note", type(None)):
        assert part in found, part
    assert found.count(float) == 1
    assert list(walk(Literal["a"])) == [Literal["a"]]


def test_a_field_that_can_not_be_resolved_is_an_error_that_names_its_class() -> None:
    class Broken(msgspec.Struct):
        a: "Nowhere"  # noqa: F821

    with pytest.raises(TypeError, match=r"Broken': a field's annotation can't be resolved"):
        list(walk(Broken))

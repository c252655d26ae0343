"""_typed: what a Check makes of arguments, and when a TypedCall calls its function. Without msgspec."""

import inspect
from typing import Any

import pytest

from fastsio._typed import Check, Problem, TypedCall


def numbers(values: tuple[Any, ...], type_: Any) -> list[Any]:
    """A validator: all are made of `type_`."""
    return [type_(value) for value in values]


def checked(fn: Any, before: int = 0, awaited: Any = None, **check: Any) -> TypedCall:
    def refuse(error: Exception | None, index: int, ack: Any) -> Any:
        return "refused", error and type(error).__name__, index, ack

    made = Check(
        **{"required": 1, "count": 2, "astuple": tuple, "may_raise": (ValueError,), **check}
    )
    return TypedCall(fn, made, before, refuse, awaited)


def together(*args: Any, **keywords: Any) -> Any:
    return args, keywords


def test_arguments_are_converted_together() -> None:
    call = checked(together, fields=lambda values, type_: [int(v) for v in values[:2]], type=int)
    assert call("1", "2") == ((1, 2), {})
    assert call("1", ack=3) == ((1,), {"ack": 3})
    assert call("1", "2", "more") == ((1, 2, "more"), {})
    assert call("x") == ("refused", "ValueError", -1, None)


def test_defaults_that_fields_add_are_the_functions_own() -> None:
    call = checked(together, fields=lambda values, type_: [*values, "a", "b"][:2])
    assert call(1) == ((1,), {})


def test_too_few_are_refused_with_the_first_that_is_missing() -> None:
    call = checked(together, before=1, required=2)
    assert call("sid", 1, ack="ack") == ("refused", None, 1, "ack")
    assert call("sid", 1, 2) == (("sid", 1, 2), {})


def test_others_and_the_rest_are_converted_one_by_one() -> None:
    call = checked(together, others=((1, int),), rest=lambda values: [float(v) for v in values])
    assert call("a") == (("a",), {})
    assert call("a", "1") == (("a", 1), {})
    assert call("a", "1", "2", "3") == (("a", 1, 2.0, 3.0), {})
    assert call("a", "x") == ("refused", "ValueError", 1, None)
    assert call("a", "1", "2", "x") == ("refused", "ValueError", 2, None)


def test_what_a_function_itself_raises_is_not_refused() -> None:
    def fails(value: Any) -> None:
        raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        checked(fails)(1)


def test_what_may_not_be_raised_is_passed_on() -> None:
    with pytest.raises(TypeError):
        checked(together, others=((0, int),))([])


def test_results_are_converted_and_awaitable_ones_when_they_are_there() -> None:
    class Later:
        def __await__(self) -> Any: ...

    later = Later()
    assert checked(lambda a: "1", result=int)(0) == 1
    assert checked(lambda a: later, result=int, awaited=together)(0) == ((later, int), {})
    assert checked(lambda a: later)(0) is later


def test_it_has_the_signature_of_its_function() -> None:
    def fn(sid, a: int): ...

    assert inspect.signature(checked(fn)) == inspect.signature(fn)


def test_a_check_tells_where_it_failed() -> None:
    check = Check(required=0, count=1, fields=numbers, type=int, astuple=tuple, others=((0, int),))
    problem = Problem()
    assert check.convert(("1",), problem) == (1,)
    assert problem.index == 0

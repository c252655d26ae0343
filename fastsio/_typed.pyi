"""Typed calls as Python sees them; see _typed.pyx."""

from collections.abc import Callable
from typing import Any

class Check:
    required: int
    count: int
    fields: Callable[[tuple[Any, ...], Any], Any] | None
    type: Any
    astuple: Callable[[Any], tuple[Any, ...]] | None
    others: tuple[tuple[int, Callable[[Any], Any]], ...]
    rest: Callable[[tuple[Any, ...]], Any] | None
    result: Callable[[Any], Any] | None
    may_raise: tuple[type[Exception], ...]
    names: tuple[str, ...]
    def __init__(
        self,
        *,
        required: int,
        count: int,
        fields: Callable[[tuple[Any, ...], Any], Any] | None = None,
        type: Any = None,
        astuple: Callable[[Any], tuple[Any, ...]] | None = None,
        others: tuple[tuple[int, Callable[[Any], Any]], ...] = (),
        rest: Callable[[tuple[Any, ...]], Any] | None = None,
        result: Callable[[Any], Any] | None = None,
        may_raise: tuple[type[Exception], ...] = (),
        names: tuple[str, ...] = (),
    ) -> None: ...
    def convert(self, values: tuple[Any, ...], problem: Problem) -> tuple[Any, ...]: ...

class Problem:
    index: int

class TypedCall:
    fn: Callable[..., Any]
    check: Check
    def __init__(
        self,
        fn: Callable[..., Any],
        check: Check,
        before: int,
        refuse: Callable[[Exception | None, int, Any], Any],
        awaited: Callable[[Any, Callable[[Any], Any]], Any],
    ) -> None: ...
    def __call__(self, *args: Any, **keywords: Any) -> Any: ...

"""watch.py: what it puts into a module's source, and that the module does what it did."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz import watch

SOURCE = '''
"""A module."""
from __future__ import annotations

def kind(number: int) -> str:
    """A docstring."""
    if number < 0:
        return "below"
    elif number == 0:
        return "zero"
    try:
        return {1: "one"}[number]
    except KeyError:
        pass
    else:
        raise AssertionError
    match number:
        case 2:
            return "two"
        case _:
            for _ in range(number - 3):
                return "many"
            else:
                return "three"
'''


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[int]]:
    """What a module `watched_module.kinds` tells, once it is imported."""
    found: list[int] = []
    folder = tmp_path / "watched_module"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "kinds.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtins, watch.HIT, found.append, raising=False)
    finder = watch._Finder(("watched_module.kinds",))
    sys.meta_path.insert(0, finder)
    yield found
    sys.meta_path.remove(finder)
    for name in ("watched_module", "watched_module.kinds"):
        sys.modules.pop(name, None)


def test_every_way_through_a_function_tells_other_numbers(hits):
    from watched_module import kinds  # type: ignore[import-not-found]

    assert hits == []
    ways = {}
    for number in (-1, 0, 1, 2, 3, 4):
        hits.clear()
        kind = kinds.kind(number)
        ways[kind] = tuple(hits)
    assert list(ways) == ["below", "zero", "one", "two", "three", "many"]
    assert len(set(ways.values())) == 6
    assert all(len(set(way)) == len(way) for way in ways.values())


def test_docstrings_stay(hits):
    from watched_module import kinds

    assert kinds.__doc__ == "A module."
    assert kinds.kind.__doc__ == "A docstring."


def test_only_named_modules_are_watched(hits):
    import watched_module

    assert not isinstance(watched_module.__spec__.loader, watch._Loader)

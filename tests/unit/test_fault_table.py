"""scripts/fault_table.py, and that docs/reliability.md is what it makes."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from scripts import fault_table
from scripts.fault_table import Row, figures_of, main, marks_of, page, read_rows, texts_of

SOURCE = """
import pytest

pytestmark = [pytest.mark.fault("the file's", "holds for all of it")]


@pytest.mark.fault("a client vanishes", "its handler is told")
@pytest.mark.fault("it vanishes twice", "nothing more")
def test_one(): ...


class TestTwo:
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.fault("one case", "of many"))])
    async def test_inside(self, x): ...

    def fault(self): ...


@fault("no mark", "of ours")
@pytest.mark.feature("1.1 not a fault")
def test_three(): ...
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_some.py").write_text(SOURCE)
    return folder


def places(folder: Path) -> dict[str, list[str]]:
    rows, wrong = read_rows(folder, folder.parent)
    assert wrong == []
    return {row.what: row.tests for row in rows}


def test_marks_are_found_on_files_functions_methods_and_parameters(tests: Path) -> None:
    assert places(tests) == {
        "the file's": ["tests/test_some.py"],
        "a client vanishes": ["tests/test_some.py::test_one"],
        "it vanishes twice": ["tests/test_some.py::test_one"],
        "one case": ["tests/test_some.py::TestTwo::test_inside"],
    }


def test_tests_with_the_same_texts_share_a_row(tests: Path) -> None:
    (tests / "test_zz.py").write_text(
        '@pytest.mark.fault("a client vanishes", "its handler is told")\ndef test_more(): ...\n'
        '@pytest.mark.fault("a client vanishes", "and something else")\ndef test_other(): ...\n'
    )
    rows, _ = read_rows(tests, tests.parent)
    found = {(row.what, row.outcome): row.tests for row in rows}
    assert found["a client vanishes", "its handler is told"] == [
        "tests/test_some.py::test_one",
        "tests/test_zz.py::test_more",
    ]
    assert found["a client vanishes", "and something else"] == ["tests/test_zz.py::test_other"]


def test_packages_of_npm_are_left_alone(tests: Path) -> None:
    before = places(tests)
    folder = tests / "node_modules" / "x"
    folder.mkdir(parents=True)
    (folder / "y.py").write_text("this is no Python")
    assert places(tests) == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('"one"', "two literal texts are wanted"),
        ('"one", "two", "three"', "two literal texts are wanted"),
        ('"one", two', "two literal texts are wanted"),
        ('"one", f"{two}"', "two literal texts are wanted"),
        ('"one", 2', "2 is no text"),
        ('" ", "two"', "' ' is no text"),
        ('"one\\ntwo", "three"', "is more than one line of 200 characters"),
        (f'"{"x" * 201}", "two"', "is more than one line of 200 characters"),
    ],
)
def test_mark_that_makes_no_row_is_named_with_its_place(
    tests: Path, arguments: str, complaint: str
) -> None:
    (tests / "test_wrong.py").write_text(f"@pytest.mark.fault({arguments})\ndef test_it(): ...\n")
    _, wrong = read_rows(tests, tests.parent)
    assert len(wrong) == 1
    assert wrong[0].startswith("tests/test_wrong.py::test_it: fault mark: ")
    assert complaint in wrong[0]


def test_texts_may_be_given_by_name() -> None:
    call = ast.parse('fault(what="a", outcome="b")', mode="eval").body
    assert isinstance(call, ast.Call)
    assert texts_of([keyword.value for keyword in call.keywords]) == ("a", "b")


def test_page_has_a_section_for_each_kind_of_row() -> None:
    text = page(
        [
            Row("a | b", "c", [f"tests/faults/test_x.py::test_{i}" for i in range(6)]),
            Row("slow", "cut", ["tests/faults/test_slow_reader.py::test_y"]),
            Row("d", "e", ["tests/conformance/test_refused_input.py::test_z"]),
        ]
    )
    assert (
        text.index("## Slow, silent")
        < text.index("## Input that")
        < text.index("## Clients that vanish")
    )
    assert "## Limits" not in text
    assert "| d | e | `conformance/test_refused_input.py::test_z` |" in text
    shown = "<br>".join(f"`faults/test_x.py::test_{i}`" for i in range(4))
    assert f"| a &#124; b | c | {shown}<br>and 2 more |" in text


def test_figures_are_left_out_until_there_are_some(tmp_path: Path) -> None:
    assert figures_of(tmp_path) == ""


def test_figures_of_the_long_runs_are_on_the_page(tmp_path: Path) -> None:
    soak = {
        "connects": 123456, "seconds": 60, "machine": "2 CPUs", "accepted": 123400, "disconnects": 123400,
        "wrong": 0, "killed": 7, "blocks_per_connect": 0.001, "left": "none",
        "slope": {"bytes_per_connect": 1.5, "error": 0.5, "mb_per_hour": 2.5}, "rss_mb": {"start": 40.1, "end": 41.2},
    }  # fmt: skip
    (tmp_path / "soak.json").write_text(json.dumps(soak))
    text = figures_of(tmp_path)
    assert "## 123,456 connects in 60 seconds" in text
    assert "| 123,400, 123,400 |" in text


def test_figures_of_those_who_misbehave_are_on_the_page(tmp_path: Path) -> None:
    twice = {"quiet": 1.5, "loud": 2.25, "times": 1.5}
    result = {
        "machine": "2 CPUs", "connections": 10000, "misbehaving": 100, "seconds": 300.0, "quiet_seconds": 60.0,
        "good": {
            "connections": 9900, "websocket": 9400, "polling": 500, "messages": 61234, "due": 3061700,
            "delivered": 3061700, "lost": 0, "closed": 0,
        },
        "p50_ms": twice, "p99_ms": twice, "polling_p99_ms": twice, "busy": {"quiet": 0.2, "loud": 0.31},
        "ways": {"says nothing": {"closed by the server": 1200}, "random bytes": {"refused": 30, "left": 4}},
        "misbehaved": 1234, "cut_off": 1230, "accepted": 20000, "disconnects": 20000, "wrong": 0, "left": "none",
    }  # fmt: skip
    (tmp_path / "misbehave.json").write_text(json.dumps(result))
    text = figures_of(tmp_path)
    assert "## 10,000 connections, 100 of them misbehaving" in text
    assert "| 1.5 ms, 2.25 ms: 1.5 times |" in text
    assert "says nothing (1,200), random bytes (34)." in text
    assert "20%, 31%" in text


def test_page_is_up_to_date_and_long_enough(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_page_that_is_out_of_date_or_too_short_is_told(
    tmp_path: Path, tests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read_rows(tests, tests.parent)
    monkeypatch.setattr(fault_table, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(fault_table, "read_rows", lambda: rows)
    assert main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "is out of date: run `make faults`" in said
    assert "4 rows, and 50 are wanted" in said
    monkeypatch.setattr(fault_table, "LEAST_ROWS", 4)
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_marks_of_this_file_are_none() -> None:
    """What stands in a text is no mark."""
    assert list(marks_of(Path(__file__))) == []

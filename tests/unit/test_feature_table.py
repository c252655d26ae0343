"""scripts/feature_table.py, and that docs/features.md is what it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import feature_table
from scripts.feature_table import (
    Row,
    differences,
    find,
    gaps,
    main,
    marks_of,
    matrix,
    page,
    prove,
    read_rows,
)

TEXT = """# a comment
== 1.1 Things
one | `a()` | - | also: first; number 1
two | - | b()
three | c | c | not: nobody wants it

== 1.2 Others
one | d | d
"""


@pytest.fixture
def rows() -> list[Row]:
    return read_rows(TEXT)[1]


def test_rows_are_read_with_their_sections_and_names(rows: list[Row]) -> None:
    titles, _ = read_rows(TEXT)
    assert titles == {"1.1": "Things", "1.2": "Others"}
    assert [(row.section, row.name) for row in rows] == [
        ("1.1", "one"), ("1.1", "two"), ("1.1", "three"), ("1.2", "one"),
    ]  # fmt: skip
    assert (rows[0].node, rows[0].python, rows[0].aliases) == ("`a()`", "-", ["first", "number 1"])
    assert rows[2].not_here == "nobody wants it"


def test_cell_that_is_no_cell_is_named() -> None:
    with pytest.raises(ValueError, match=r"1\.1 one: 'wrong: x' is none of"):
        read_rows("== 1.1 A\none | a | b | wrong: x\n")


@pytest.mark.parametrize(
    ("mark", "section", "name"),
    [
        ("1.1 one", "1.1", "one"),
        ("1.1 One: with more to it", "1.1", "one"),
        ("1.1 `number 1` too", "1.1", "one"),
        ("1.2 one", "1.2", "one"),
    ],
)
def test_mark_is_of_the_row_whose_name_it_begins_with(
    rows: list[Row], mark: str, section: str, name: str
) -> None:
    found = find(rows, mark)
    assert found is not None and (found.section, found.name) == (section, name)


@pytest.mark.parametrize("mark", ["1.1 ones", "1.3 one", "one", "1.2 two", "1.1 "])
def test_mark_of_no_row_is_none(rows: list[Row], mark: str) -> None:
    assert find(rows, mark) is None


def test_what_node_has_and_nobody_proves_is_a_gap(rows: list[Row]) -> None:
    assert gaps(rows) == ["1.1 one: no test", "1.2 one: no test"]
    rows[0].tests.append("a test")
    rows[2].tests.append("another")
    assert gaps(rows) == [
        "1.2 one: no test",
        "1.1 three: proven by another, but said not to be there",
    ]


def test_marks_are_found_on_functions_classes_modules_and_scenarios(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        'pytestmark = [pytest.mark.feature("1.1 whole file")]\n'
        '@pytest.mark.feature("1.1 one")\n'
        '@pytest.mark.feature("1.2 one: more")\n'
        "async def test_a(): ...\n"
        '@pytest.mark.feature("1.1 class")\n'
        "class TestB:\n"
        '    @pytest.mark.feature("1.1 two")\n'
        "    def test_c(self): ...\n"
        '@scenario("1.1 three", "1.2 one", modes=("raw",))\n'
        "def four(io, app): ...\n"
    )
    assert sorted(marks_of(file)) == [
        ("1.1 class", "TestB"),
        ("1.1 one", "test_a"),
        ("1.1 three", "four"),
        ("1.1 two", "TestB.test_c"),
        ("1.1 whole file", ""),
        ("1.2 one", "four"),
        ("1.2 one: more", "test_a"),
    ]


def test_tests_are_given_to_their_rows_and_strays_are_named(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_table, "ROOT", tmp_path)
    (tmp_path / "test_x.py").write_text(
        '@pytest.mark.feature("1.1 one")\n@pytest.mark.feature("1.1 nothing")\ndef test_a(): ...\n'
    )
    assert prove(rows, tmp_path) == ["test_x.py::test_a: '1.1 nothing'"]
    assert rows[0].tests == ["test_x.py::test_a"]


def test_page_has_a_table_for_each_section(rows: list[Row]) -> None:
    rows[0].tests = [f"tests/test_x.py::test_{i}" for i in range(6)]
    rows[3].tests, rows[3].here = ["tests/test_y.py::test_y"], "in another way"
    text = page({"1.1": "Things", "1.2": "Others"}, rows, {"a_scenario": "Because."})
    assert "## 1.1 Things\n" in text and "## 1.2 Others\n" in text
    line = next(line for line in text.splitlines() if line.startswith("| one |"))
    assert line.startswith("| one | `a()` | - | yes | `test_x.py::test_0`<br>")
    assert line.endswith("<br>and 2 more |")
    assert "| three | c | c | no: nobody wants it |  |" in text
    assert "| two | - | b() | not proven |  |" in text
    assert "| one | d | d | yes: in another way | `test_y.py::test_y` |" in text
    assert text.endswith("| `a_scenario` | Because. |\n")


def test_reasons_of_differences_are_read() -> None:
    text = 'DIFFERENCES = {\n    "a": Difference(\n        "One "\n        "reason.",\n        ("- x",),\n    ),\n}\n'
    assert differences(text) == {"a": "One reason."}


def test_every_client_has_its_row_in_the_matrix() -> None:
    text = (
        'IN_NODE = ("polling", "websocket")\nIN_A_PAGE = ("polling",)\n'
        'CLIENTS = {"2.0": ("a.js", True), "4.8": ("b.js", False)}\nOTHER = call()\n'
    )
    assert matrix(text).splitlines() == [
        "| client | polling | websocket | jsonp |",
        "|---|---|---|---|",
        "| 2.0 | Node, Chromium | Node | Chromium |",
        "| 4.8 | Node, Chromium | Node | it has none |",
    ]


def test_page_in_docs_is_what_the_script_makes_and_every_row_of_node_is_proven_or_explained() -> (
    None
):
    assert main(["--check"]) == 0, "see the captured output"

"""SECURITY.md: every test that it names is there, and every threat has one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "SECURITY.md").read_text()
# `tests/x.py` or `tests/x.py::test_y`
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")


def rows() -> list[list[str]]:
    """The cells of the threat model's table."""
    section = PAGE.partition("\n## Threats\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) >= 20
    for path, name in named:
        file = ROOT / path
        assert file.is_file(), path
        assert not name or re.search(rf"^(async )?def {name}\(", file.read_text(), re.MULTILINE), (
            f"{path} has no {name}"
        )


def test_every_threat_has_what_is_done_and_a_test() -> None:
    assert len(rows()) >= 20
    for row in rows():
        assert len(row) == 3, row
        assert NAMED.search(row[2]), row


def test_every_security_test_is_named() -> None:
    files = {path for path, _ in NAMED.findall(PAGE)}
    for path in sorted((ROOT / "tests" / "conformance").glob("test_security_*.py")):
        name = f"tests/conformance/{path.name}"
        assert name in files or path == Path(__file__), name


def test_every_option_that_is_named_exists() -> None:
    from fastsio.options import Options

    for name in re.findall(r"option `(\w+)`", PAGE):
        assert name in Options.names(), name

"""docs/limits.md: its example runs, its table has every limit, with the default that it has."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import fastsio
from fastsio.options import Options

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text()
ROW = re.compile(
    r"^\| (?P<what>[^|]+) \| (?P<option>[^|]+) \| (?P<default>[^|]+) \| (?P<then>.+) \|$",
    re.MULTILINE,
)
ROWS = [row for row in ROW.finditer(PAGE) if row["what"] not in ("what", "---")]
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Options)}


def shown(value: object) -> str:
    if value == 16 * 1024 * 1024:
        return "16 MiB"
    return (
        "`None`" if value is None else f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    )


def test_every_option_that_bounds_something_is_in_the_table():
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row["option"])}
    bounds = {name for name in DEFAULTS if name.startswith("max_") or name.endswith("_timeout")}
    assert bounds - named == set()
    assert named - set(DEFAULTS) == {"head_timeout"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"][:40])
def test_defaults_in_the_table_are_those_of_the_options(row):
    name = re.fullmatch(r"`(\w+)`", row["option"].strip())
    if name is None or name[1] not in DEFAULTS:
        return
    assert row["default"].strip() == shown(DEFAULTS[name[1]])


def test_head_timeout_is_the_listener_s():
    row = next(row for row in ROWS if "head_timeout" in row["option"])
    parameters = inspect.signature(fastsio.start).parameters
    assert row["default"].strip() == f"{parameters['head_timeout'].default:g}"


def test_example_can_be_run():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    options = names["sio"].hub.options  # type: ignore[attr-defined]
    assert options.max_connection_rate == (200, 200)
    assert options.max_connection_rate_per_address == (2, 20)

"""scripts/cluster_table.py, and that docs/cluster-table.md is what it makes."""

from __future__ import annotations

from pathlib import Path

from scripts import cluster_table
from scripts.cluster_table import constants, main, page, scenarios, table


def test_the_page_is_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_a_page_that_is_out_of_date_is_told(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(cluster_table, "PAGE", tmp_path / "page.md")
    assert main(["--check"]) == 1
    assert "make cluster-table" in capsys.readouterr().out
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_marks_and_values_are_read_without_importing(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(
        "import nothing_that_is_there\n"
        "PAIRS = [('node', 'ours')]\nMADE = nothing_that_is_there.x\n"
        "@pytest.mark.scenario('rooms')\n@pytest.mark.scenario('except')\nasync def test_a(): ...\n"
        "@pytest.mark.other('rooms')\nasync def test_b(): ...\n"
    )
    assert constants(path) == {"PAIRS": [("node", "ours")]}
    assert scenarios(path) == [("rooms", "test_a"), ("except", "test_a")]


def test_a_table_has_a_row_for_each_scenario_and_a_column_for_each_cluster() -> None:
    columns = {"Node + fastsio": "classic, streams"}
    made = table("scenario", columns, [("emitter: rooms", "test_a")], "test_x.py")
    assert "| scenario | Node + fastsio | test |" in made
    assert "| rooms | classic, streams | `test_x.py::test_a` |" in made


def test_every_scenario_of_the_issue_has_a_row() -> None:
    text = page()
    for name in (
        "broadcast", "rooms", "except", "binary", "acks", "acks that are late", "fetch_sockets", "server_side_emit",
        "disconnect_sockets", "another namespace",
    ):  # fmt: skip
        assert f"\n| {name} | classic, sharded, streams |" in text, name
    assert "| fastsio + Node + fastsio |" in text

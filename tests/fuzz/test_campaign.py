"""campaign.py: what it counts and keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz import campaign, corpus, names

LOG = """INFO: seed corpus: files: 12
#13	INITED cov: 100 ft: 200 corp: 12/300b exec/s: 0 rss: 90Mb
#2048	NEW    cov: 110 ft: 250 corp: 20/500b lim: 100 exec/s: 1024 rss: 91Mb
Done 5000 runs in 3 second(s)
stat::number_of_executed_units: 5000
stat::average_exec_per_sec:     1666
"""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "counts.json"
    monkeypatch.setattr(campaign, "COUNTS", path)
    monkeypatch.setattr(campaign, "WORK", tmp_path / "work")
    return path


def test_executions_of_all_campaigns_are_added(counts):
    campaign.note("frames", LOG, 3.2)
    row = campaign.note("frames", LOG, 2.9)
    assert row["last"] == 5000
    kept = json.loads(counts.read_text())
    assert kept == {
        "frames": {
            "executions": 10_000, "compared": 10_000, "seconds": 6, "coverage": 110, "features": 250,
        }
    }  # fmt: skip


def test_of_a_fast_run_what_was_compared_fully_is_counted_apart(counts):
    row = campaign.note("frames", LOG + "stat::compared_units: 160\n", 3, "quick")
    assert (row["executions"], row["compared"], row["last"]) == (5000, 160, 5000)
    # Its build has other branches.
    assert (row["coverage"], row["seen"]) == (0, 110)


def test_a_fast_run_has_long_inputs_and_short_ones_and_looks_at_what_is_new():
    long, short, check = campaign.runs_of("http", 80, True, 1000)
    assert (long.executions, long.seconds, long.max_len) == (125, 10, 0)
    assert (short.executions, short.seconds, short.max_len) == (875, 70, names.SHORT["http"])
    assert (check.kind, check.executions) == ("fuzz", 0)
    assert [one.executions for one in campaign.runs_of("http", 80, True, -1)] == [-1, -1, 0]


def test_what_a_target_lacks_is_told_from_all_its_campaigns(counts):
    campaign.note("frames", LOG, 3)
    assert campaign.lacking_of("frames", 12_000) == 7000
    assert campaign.lacking_of("frames", 5000) == 0
    assert campaign.lacking_of("http", 12_000) == 12_000


def test_a_campaign_that_was_killed_counts_as_far_as_it_has_told(counts):
    campaign.note("frames", LOG[: LOG.index("Done")], 1)
    assert json.loads(counts.read_text())["frames"]["executions"] == 2048


def test_one_that_never_began_counts_nothing(counts):
    campaign.note("frames", "ImportError: no module", 1)
    assert json.loads(counts.read_text())["frames"] == {
        "executions": 0, "compared": 0, "seconds": 1, "coverage": 0, "features": 0,
    }  # fmt: skip


def test_what_repeats_a_failure_names_its_input():
    log = "artifact_prefix='x'; Test unit written to build/fuzz/found/http-crash-12ab\n"
    assert campaign.repeat("http", log).endswith("--repeat build/fuzz/found/http-crash-12ab")


def test_the_report_replaces_its_own_table_alone(counts, monkeypatch, tmp_path):
    document = tmp_path / "fuzzing.md"
    document.write_text(f"before\n{campaign.BEGIN}old\n{campaign.END}after\n")
    monkeypatch.setattr(campaign, "DOCUMENT", document)
    campaign.note("frames", LOG, 3)
    campaign.report()
    lines = document.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert "old" not in lines
    assert [line.split("|")[1].strip() for line in lines if "|" in line][2:] == list(names.NAMES)
    assert "| frames | 5,000 | 5,000 | 3 | 110 | 250 |" in document.read_text()


def test_a_corpus_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.txt"
    corpus.write(path, [b"bb", b"a", b"\n\xff", b"a", b""])
    assert corpus.read(path) == [b"a", b"\n\xff", b"bb"]
    assert corpus.read(tmp_path / "none.txt") == []

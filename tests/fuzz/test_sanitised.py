"""scripts/sanitised.py: the copies that are built with sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts import sanitised


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A repository with a file that git has, one that it has not yet, and one that it ignores."""
    root = tmp_path / "sources"
    (root / "fastsio").mkdir(parents=True)
    (root / "fastsio" / "_a.pyx").write_text("a = 1\n")
    (root / ".gitignore").write_text("*.so\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    (root / "fastsio" / "new.py").write_text("b = 1\n")
    (root / "fastsio" / "_a.so").write_text("the usual build")
    monkeypatch.setattr(sanitised, "ROOT", root)
    return root


def names_in(tree: Path) -> list[str]:
    return sorted(one.name for one in (tree / "fastsio").iterdir())


def test_a_copy_has_the_sources_and_nothing_that_was_built(sources, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    sanitised.copy_sources(tree)
    assert names_in(tree) == ["_a.pyx", "new.py"]


def test_what_has_not_changed_keeps_its_time_and_what_has_is_copied(sources, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    sanitised.copy_sources(tree)
    copy = tree / "fastsio" / "_a.pyx"
    before = copy.stat().st_mtime_ns
    (sources / "fastsio" / "new.py").write_text("b = 22\n")
    sanitised.copy_sources(tree)
    assert copy.stat().st_mtime_ns == before == (sources / "fastsio" / "_a.pyx").stat().st_mtime_ns
    assert (tree / "fastsio" / "new.py").read_text() == "b = 22\n"


def test_what_is_gone_goes_from_the_copy_but_not_what_was_built_there(sources, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    sanitised.copy_sources(tree)
    (tree / "fastsio" / "_a.so").write_text("a build with sanitizers")
    (sources / "fastsio" / "new.py").unlink()
    sanitised.copy_sources(tree)
    assert names_in(tree) == ["_a.pyx", "_a.so"]


def test_a_missing_compiler_is_named_with_what_brings_it(monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(
        SystemExit, match=r"no-such-compiler is not on the PATH.*apt-get install clang"
    ):
        sanitised.build("fuzz")


def test_what_a_compiler_is_told_of_is_there():
    assert set(sanitised.COMPILERS) == set(sanitised.PACKAGES) == set(sanitised.SANITIZERS)
    named = [flag.partition("ignorelist=")[2] for flag in sanitised.MORE_FLAGS["quick"]]
    assert [(sanitised.ROOT / name).read_text()[:1] for name in named if name] == ["#"]

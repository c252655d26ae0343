"""What a build of the compiled modules leaves alone, so that several may run at a time (make test beside make test)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("pyproject.toml", "setup.py", "README.md", "fastsio/__init__.py")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project with one small module instead of its own, which take minutes."""
    (tmp_path / "fastsio").mkdir()
    for name in COPIED:
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "fastsio" / "_small.pyx").write_text("def answer(list x):\n    return x[0]\n")
    return tmp_path


def module_of(checkout: Path, **environ: str) -> Path:
    subprocess.run(
        [sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"],
        cwd=checkout, env=os.environ | environ, capture_output=True, check=True, timeout=100,
    )  # fmt: skip
    (module,) = (checkout / "fastsio").glob("_small*.so")
    return module


def test_a_second_build_does_not_touch_a_module_that_is_what_it_would_write(checkout):
    with module_of(checkout).open("rb") as first:
        assert module_of(checkout).exists()
        assert os.fstat(first.fileno()).st_nlink == 1, "the file was removed and written anew"


def test_builds_of_other_settings_each_put_their_own_module_in_place(checkout):
    plain = module_of(checkout).read_bytes()
    assert module_of(checkout, FASTSIO_DEBUG="1").read_bytes() != plain
    assert module_of(checkout, FASTSIO_DEBUG="0").read_bytes() == plain

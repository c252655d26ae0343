"""What a build makes of the client bundle: in the wheel with its licences, left out without npm, nothing committed.

The compiled modules are left out of these wheels: they take a minute and have nothing to do with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGES.md",
)
SCRIPTS = (
    "socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js", "socket.io.v2.js",
)  # fmt: skip
BUNDLED = pytest.mark.feature("1.3 serve client bundle")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The sources as they are committed, without anything built or fetched."""
    built = shutil.ignore_patterns("*.so", "*.pyd", "*.c", "__pycache__", "bundle")
    shutil.copytree(ROOT / "fastsio", tmp_path / "fastsio", ignore=built)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(
        ROOT / "bundle", tmp_path / "bundle", ignore=shutil.ignore_patterns("node_modules")
    )
    for name in SOURCES:
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def build(checkout: Path, *commands: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "-q", *commands],
        cwd=checkout, env=os.environ | environ, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def wheel_of(checkout: Path, **environ: str) -> tuple[zipfile.ZipFile, str]:
    done = build(checkout, "build_py", "bdist_wheel", "--skip-build", **environ)
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "dist").glob("*.whl")
    return zipfile.ZipFile(wheel), done.stderr


def path_without_npm(folder: Path) -> str:
    """A PATH on which only this Python is."""
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    return str(folder)


@BUNDLED
def test_wheel_carries_the_clients_compressed_too_with_versions_and_licences(checkout):
    wheel, _ = wheel_of(checkout, FASTSIO_BUNDLE="require")
    names = {name for name in wheel.namelist() if name.startswith("fastsio/bundle/")}
    expected = {
        f"fastsio/bundle/{script}{kind}{end}"
        for script in SCRIPTS for kind in ("", ".map") for end in ("", ".br", ".gz")
    }  # fmt: skip
    expected |= {
        f"fastsio/bundle/{name}" for name in ("VERSION", "V2_VERSION", "LICENSES.txt", "STAMP")
    }
    assert names == expected
    assert b"Socket.IO v" + wheel.read("fastsio/bundle/VERSION") in wheel.read(
        "fastsio/bundle/socket.io.js"
    )
    assert b"MIT" in wheel.read("fastsio/bundle/LICENSES.txt")
    assert not (checkout / "fastsio" / "bundle").exists()


@BUNDLED
def test_without_npm_the_build_goes_on_and_says_what_is_left_out(checkout):
    wheel, said = wheel_of(checkout, PATH=path_without_npm(checkout / "bin"))
    assert not [name for name in wheel.namelist() if "bundle/" in name]
    assert "fastsio/serve.py" in wheel.namelist()
    assert "The client bundle is left out" in said
    assert "npm is not on the PATH" in said


def test_release_that_must_have_it_fails_without_npm(checkout):
    environ = {"PATH": path_without_npm(checkout / "bin"), "FASTSIO_BUNDLE": "require"}
    done = build(checkout, "build_py", **environ)
    assert done.returncode != 0
    assert "npm is not on the PATH" in done.stderr


def test_npm_that_fails_is_named_with_its_own_words(checkout):
    (checkout / "bundle" / "package-lock.json").write_text("{}")
    done = build(checkout, "build_py")
    assert done.returncode == 0, done.stderr
    assert "The client bundle is left out" in done.stderr
    assert "npm failed:" in done.stderr


def test_second_run_brings_nothing_again(checkout):
    command = [sys.executable, "scripts/bundle.py"]
    first = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    again = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    assert ("Bringing" in first.stderr, again.stderr) == (True, "")
    assert (checkout / "fastsio" / "bundle" / "socket.io.js").exists()


def test_source_archive_has_what_the_build_needs_and_none_of_the_clients_code(checkout):
    (checkout / "fastsio" / "bundle").mkdir()
    (checkout / "fastsio" / "bundle" / "socket.io.js").write_text("made here")
    done = build(checkout, "sdist")
    assert done.returncode == 0, done.stderr
    (archive,) = (checkout / "dist").glob("*.tar.gz")
    names = subprocess.run(
        ["tar", "tzf", archive], capture_output=True, text=True, check=True
    ).stdout
    for name in (
        "scripts/bundle.py",
        "bundle/package.json",
        "bundle/package-lock.json",
        "bundle/.npmrc",
    ):
        assert f"/{name}\n" in names
    assert "socket.io.js" not in names

"""What a run needs before it starts: a venv with every server in it, and the load generator.

Each is made once, and again when what it is made from has changed. None of it counts as
benchmark time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
BUILD = BENCH / "build"
VENV = BENCH / ".venv"
REQUIREMENTS = BENCH / "requirements-peers.txt"
PACKAGE_SUFFIXES = {".py", ".pyx", ".pxd", ".pyi", ".h", ".typed"}
PACKAGE_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
PIP = (VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q")
COMPILE = ("-O2", "-std=gnu11", "-Wall", "-Wextra")


class SetupError(Exception):
    """Something the benchmark needs is missing; the message says what, in one line."""


@dataclass(frozen=True)
class Tools:
    python: Path  # the interpreter that the servers run on
    load: Path  # the load generator
    environ: dict[str, str]
    fastsio_is: str  # how fastsio got there: "installed" or "checkout"


def prepare(checkout: bool = False) -> Tools:
    """Make what is missing. `checkout`: fastsio is the working tree as built in place."""
    BUILD.mkdir(exist_ok=True)
    python = VENV / "bin" / "python"
    _once("peers", [REQUIREMENTS], _make_venv)
    environ = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    if checkout:
        environ["PYTHONPATH"] = str(PROJECT)
    else:
        _once("fastsio", _package_files(), _install_fastsio)
    load = BUILD / "load"
    _once("load", sorted((BENCH / "load").glob("*.[ch]")), lambda: _compile(load))
    return Tools(python, load, environ, "checkout" if checkout else "installed")


def _once(name: str, sources: Iterable[Path], make) -> None:
    """Call `make` unless it was done for these very sources."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sources:
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    stamp = BUILD / f"{name}.stamp"
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"bench: preparing {name} (once)", flush=True)
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(digest.hexdigest())


def _run(*command: str | Path, what: str) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=BUILD)
    if done.returncode != 0:
        raise SetupError(f"{what} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _pip(*arguments: str | Path, what: str) -> None:
    _run(*PIP, *arguments, what=what)


def _make_venv() -> None:
    (BUILD / "fastsio.stamp").unlink(missing_ok=True)
    venv.create(VENV, clear=True, with_pip=True)
    _pip("-r", REQUIREMENTS, what="installing the peers")


def _package_files() -> list[Path]:
    package = (p for p in (PROJECT / "fastsio").rglob("*") if p.suffix in PACKAGE_SUFFIXES)
    build = (PROJECT / name for name in PACKAGE_FILES if name != "README.md")
    return sorted(p for p in (*package, *build) if p.is_file())


def _install_fastsio() -> None:
    """`pip install` of a copy: what a user gets, and no build in the working tree is touched."""
    with tempfile.TemporaryDirectory() as copy:
        for path in (*_package_files(), PROJECT / "README.md"):
            if path.is_file():
                target = Path(copy) / path.relative_to(PROJECT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        _pip(copy, what="installing fastsio from the checkout")


def _compile(load: Path) -> None:
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        raise SetupError("the load generator needs a C compiler (cc or gcc), and there is none")
    sources = sorted((BENCH / "load").glob("*.c"))
    _run(compiler, *COMPILE, "-o", load, *sources, what="compiling the load generator")

"""How each thing that a run needs is made: once, and again when what it is made from has changed.

Knows nothing of which servers there are; see prepare.py.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
BUILD = BENCH / "build"
SCRIPTS = BENCH / "servers"
MODULES = BENCH / "node_modules"
REQUIREMENTS = BENCH / "requirements-peers.txt"
PACKAGE_SUFFIXES = {".py", ".pyx", ".pxd", ".pyi", ".h", ".typed"}
PACKAGE_FILES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "-q")
COMPILE = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
CERTIFICATE = (BUILD / "cert.pem", BUILD / "key.pem")
# For P-256, as a public server would have it today.
OPENSSL = (
    *("openssl", "req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=localhost"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
)
# The binding that npm's package has for this Node; without one it would fall back to plain JavaScript.
UWS_BINDING = """
const { platform, arch, versions } = process;
require(`@trufflesuite/uws-js-unofficial/binaries/uws_${platform}_${arch}_${versions.modules}.node`);
"""


class SetupError(Exception):
    """Something the benchmark needs is missing; the message says what."""


def once(name: str, sources: Iterable[Path], make: Callable[[], object], how: str = "") -> None:
    """Call `make` unless it was done for these very sources, and in this way."""
    digest = hashlib.sha256((sys.version + how).encode())
    for path in sources:
        digest.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes())
    stamp = _stamp(name)
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"bench: preparing {name} (once)", flush=True)
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(digest.hexdigest())


def run(*command: str | Path, what: str, cwd: Path = BUILD) -> str:
    """What the command prints. Raises SetupError with what it printed if it fails."""
    line = [str(part) for part in command]
    try:
        done = subprocess.run(line, capture_output=True, text=True, cwd=cwd)
    except OSError as error:
        raise SetupError(f"{what} failed: {error}") from None
    if done.returncode != 0:
        raise SetupError(f"{what} failed: {(done.stdout + done.stderr)[-3000:].strip()}")
    return done.stdout.strip()


def _stamp(name: str) -> Path:
    return BUILD / f"{name}.stamp"


# --- Python ----------------------------------------------------------------------------------


def venv(folder: Path, python: str) -> Path:
    """The interpreter of a venv in `folder` with the Python peers in it."""
    make = functools.partial(_make_venv, folder, python)
    once(f"peers{_suffix(folder)}", [REQUIREMENTS], make, how=python)
    return folder / "bin" / "python"


def fastsio_in(folder: Path) -> None:
    """`pip install` of the checkout into a venv()."""
    make = functools.partial(_install_fastsio, folder / "bin" / "python")
    once(f"fastsio{_suffix(folder)}", _package_files(), make)


def python_of(version: str) -> str:
    """An interpreter of this version, on the PATH or among those of pyenv and uv."""
    what = f"looking for Python {version}"
    return run("sh", PROJECT / "scripts" / "find-python.sh", version, what=what, cwd=PROJECT)


def _suffix(folder: Path) -> str:
    return folder.name.removeprefix(".venv")


def _make_venv(folder: Path, python: str) -> None:
    _stamp(f"fastsio{_suffix(folder)}").unlink(missing_ok=True)
    run(python, "-m", "venv", "--clear", folder, what=f"making {folder.name}")
    pip = (folder / "bin" / "python", *PIP)
    run(*pip, "-r", REQUIREMENTS, what=f"installing the Python peers in {folder.name}")


def _package_files() -> list[Path]:
    package = (p for p in (PROJECT / "fastsio").rglob("*") if p.suffix in PACKAGE_SUFFIXES)
    build = (PROJECT / name for name in PACKAGE_FILES if name != "README.md")
    return sorted(p for p in (*package, *build) if p.is_file())


def _install_fastsio(python: Path) -> None:
    """From a copy: what a user gets, and no build in the working tree is touched."""
    with tempfile.TemporaryDirectory() as copy:
        for path in (*_package_files(), PROJECT / "README.md"):
            if path.is_file():
                target = Path(copy) / path.relative_to(PROJECT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        run(python, *PIP, copy, what="installing fastsio from the checkout")


# --- npm -------------------------------------------------------------------------------------


def npm_packages() -> None:
    """From the lock file, unless they are there: the script looks."""
    script = PROJECT / "scripts" / "npm-ci.sh"
    run("sh", script, BENCH, what="installing the packages of npm")


def node() -> str:
    path = shutil.which("node")
    if path is None:
        raise SetupError("node is not on the PATH")
    return path


def check_uws() -> None:
    run(node(), "-e", UWS_BINDING, what="loading uWebSockets.js", cwd=BENCH)


def bun() -> Path:
    program = (MODULES / ".bin" / "bun").resolve()
    run(program, "--version", what="running bun")
    return program


# --- C and TLS -------------------------------------------------------------------------------


def compiler() -> str:
    found = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if found is None:
        raise SetupError("the benchmark needs a C compiler (cc or gcc), and there is none")
    return found


def compiled(name: str, folder: Path, *flags: str) -> Path:
    """The program of all the C files in `folder`."""
    target, sources = BUILD / name, sorted(folder.glob("*.[ch]"))
    units = [source for source in sources if source.suffix == ".c"]
    command = (compiler(), *COMPILE, "-o", target, *units, *flags)
    once(name, sources, functools.partial(run, *command, what=f"compiling {name}"), " ".join(flags))
    return target


def why_no_tls() -> str:
    """Makes the certificate. Returns what is missing for TLS, if something is."""
    headers = ("-fsyntax-only", "-include", "openssl/ssl.h", "-x", "c", "/dev/null")
    try:
        run(compiler(), *headers, what="looking for OpenSSL's headers (Debian: libssl-dev)")
        once("certificate", [], _make_certificate)
    except SetupError as reason:
        return str(reason)
    return ""


def _make_certificate() -> None:
    certificate, key = CERTIFICATE
    run(*OPENSSL, "-out", certificate, "-keyout", key, what="making a certificate for TLS")

"""What a run needs before it starts: every server that was asked for, and the load generator.

None of it counts as benchmark time. A server that can't be had here is left out, and the reason kept.
"""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.install import (
    BENCH,
    BUILD,
    CERTIFICATE,
    MODULES,
    PROJECT,
    SCRIPTS,
    SetupError,
    bun,
    check_uws,
    compiled,
    compiler,
    fastsio_in,
    node,
    npm_packages,
    python_of,
    venv,
    why_no_tls,
)
from bench.versions import versions

VENV = BENCH / ".venv"
PYTHON = VENV / "bin" / "python"
NOT_INHERITED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
LINK_TLS = ("-DWITH_TLS", "-lssl", "-lcrypto")
# What a server can't do, of the things that a case may ask for.
LACKS = {"floor": frozenset({"polling", "tls"})}


@dataclass(frozen=True)
class Tools:
    python: Path  # the interpreter that the servers run on
    load: Path  # the load generator
    environ: dict[str, str]
    fastsio_is: str  # how fastsio got there: "installed" or "checkout"
    servers: dict[str, list[str]]  # how each is started: `PORT [--tls CERT KEY]` follows
    missing: dict[str, str]  # the servers that can't be had here, and why
    certificate: tuple[Path, Path]  # for TLS, and its key
    no_tls: str  # why TLS can't be measured; empty if it can
    versions: dict[str, str]


def prepare(checkout: bool = False, servers: Iterable[str] | None = None) -> Tools:
    """Make what is missing for `servers` (all of them). `checkout`: fastsio as built in place.

    Raises SetupError if there is no load generator or no python-socketio: nothing could be compared.
    """
    BUILD.mkdir(exist_ok=True)
    environ = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    if checkout:
        environ["PYTHONPATH"] = str(PROJECT)
    no_tls = why_no_tls()
    load = compiled("load", BENCH / "load", *() if no_tls else LINK_TLS)
    venv(VENV, sys.executable)
    if not checkout:
        fastsio_in(VENV)
    commands, missing = _find(SERVERS if servers is None else servers, checkout)
    return Tools(
        python=PYTHON,
        load=load,
        environ=environ,
        fastsio_is="checkout" if checkout else "installed",
        servers=commands,
        missing=missing,
        certificate=CERTIFICATE,
        no_tls=no_tls,
        versions=versions(commands, PYTHON, MODULES, compiler(), environ),
    )


def _find(names: Iterable[str], checkout: bool) -> tuple[dict[str, list[str]], dict[str, str]]:
    commands: dict[str, list[str]] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            if checkout and name in OTHER_PYTHONS:
                raise SetupError("the checkout is built in place for one Python only")
            commands[name] = [str(part) for part in COMMANDS[name]()]
        except SetupError as reason:
            missing[name] = str(reason)
    return commands, missing


# --- how each server is started --------------------------------------------------------------

Command = list[str | Path]


def _other_python(version: str) -> Command:
    folder = BENCH / f".venv-{version}"
    python = venv(folder, python_of(version))
    fastsio_in(folder)
    return [python, SCRIPTS / "fastsio_app.py"]


def _node_ws() -> Command:
    npm_packages()
    return [node(), SCRIPTS / "node_ws_app.mjs"]


def _node_uws() -> Command:
    npm_packages()
    check_uws()
    return [node(), SCRIPTS / "node_uws_app.mjs"]


def _bun() -> Command:
    npm_packages()
    return [bun(), SCRIPTS / "bun_app.mjs"]


OTHER_PYTHONS = {
    "fastsio-3.12": lambda: _other_python("3.12"),
    "fastsio-3.13": lambda: _other_python("3.13"),
}
COMMANDS: dict[str, Callable[[], Command]] = {
    "fastsio": lambda: [PYTHON, SCRIPTS / "fastsio_app.py"],
    **OTHER_PYTHONS,
    "python-socketio": lambda: [PYTHON, SCRIPTS / "python_socketio_app.py"],
    "node-ws": _node_ws,
    "node-uws": _node_uws,
    "bun": _bun,
    "floor": lambda: [compiled("floor", SCRIPTS)],
}
SERVERS = tuple(COMMANDS)

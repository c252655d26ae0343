"""Which versions were measured, read from what is installed."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

PYTHON_PACKAGES = (
    *("fastsio", "python-socketio", "python-engineio"),
    *("uvicorn", "uvloop", "httptools", "websockets", "orjson"),
)
# The server that uses a package, and where in node_modules it is; the first place that exists counts.
NPM_PACKAGES = (
    ({"node-ws", "node-uws", "bun"}, "socket.io", ("socket.io",)),
    ({"node-ws", "node-uws"}, "engine.io", ("engine.io",)),
    ({"node-ws"}, "ws", ("engine.io/node_modules/ws", "ws")),
    ({"node-ws"}, "bufferutil", ("bufferutil",)),
    ({"node-uws"}, "uws-js-unofficial", ("@trufflesuite/uws-js-unofficial",)),
    ({"bun"}, "bun-engine", ("@socket.io/bun-engine",)),
)
# Run by the interpreter of the servers.
PYTHON_VERSIONS = """
import importlib.metadata, json, platform, sys
found = {d.name: d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **{p: found[p] for p in sys.argv[1:] if p in found}}))
"""


def versions(
    servers: dict[str, list[str]], python: Path, modules: Path, compiler: str, environ: dict
) -> dict[str, str]:
    """Of everything that `servers` (name: command) run on, and of the C compiler."""
    found = json.loads(_output(python, "-c", PYTHON_VERSIONS, *PYTHON_PACKAGES, env=environ))
    for users, name, places in NPM_PACKAGES:
        if users & servers.keys():
            found |= _npm_version(name, (modules / place for place in places))
    for server, runtime in (("node-ws", "node"), ("node-uws", "node"), ("bun", "bun")):
        if server in servers:
            found[runtime] = _output(servers[server][0], "--version").removeprefix("v")
    for server, command in servers.items():
        if server.startswith("fastsio-"):
            found[server] = _output(command[0], "--version")
    return {**found, "cc": _output(compiler, "--version").splitlines()[0]}


def _npm_version(name: str, places: Iterable[Path]) -> dict[str, str]:
    for place in places:
        package = place / "package.json"
        if package.exists():
            return {name: json.loads(package.read_text())["version"]}
    return {}


def _output(*command: str | Path, env: dict | None = None) -> str:
    line = [str(part) for part in command]
    return subprocess.run(line, capture_output=True, text=True, check=True, env=env).stdout.strip()

"""examples/typed: its events.ts is what the server gives today, and its client compiles and works against it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
EXAMPLE = TESTS.parent / "examples" / "typed"
NPM = TESTS / "node_modules"


@pytest.fixture
def server_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "server", raising=False)
    import server

    yield server
    del sys.modules["server"]


def test_events_are_what_the_server_gives() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastsio", "schema", "server:io", "--format", "typescript"],
        cwd=EXAMPLE, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == (EXAMPLE / "events.ts").read_text()


@pytest.fixture
def compiled_client(tmp_path: Path) -> Path:
    """client.ts as JavaScript, which ends when it has done everything; FASTSIO_URL is where it connects to."""
    client = (EXAMPLE / "client.ts").read_text()
    for old, new in [
        ('"http://127.0.0.1:5000"', "process.env.FASTSIO_URL"),
        ("main();", "main().then(() => socket.close());"),
        ("const socket:", "declare const process: any;\nconst socket:"),
    ]:
        assert client.count(old) == 1
        client = client.replace(old, new)
    (tmp_path / "client.ts").write_text(client)
    (tmp_path / "events.ts").write_text((EXAMPLE / "events.ts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(NPM)
    options = {
        "strict": True, "target": "es2022", "module": "nodenext", "types": [], "lib": ["es2022", "dom"],
    }  # fmt: skip
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    done = subprocess.run(
        [NPM / ".bin" / "tsc", "-p", tmp_path], capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    return tmp_path / "client.js"


@pytest.mark.feature("1.6 typed events: schema")
async def test_client_compiles_and_works(
    server_module: Any, serve: Any, compiled_client: Path
) -> None:
    server = await serve(server_module.io)
    process = await asyncio.create_subprocess_exec(
        "node", str(compiled_client), env={**os.environ, "FASTSIO_URL": server.url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (out.decode().splitlines(), err) == (["gone: 0", "1 true"], b"")

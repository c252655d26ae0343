"""examples/typed: its events.ts is what the server gives today, and its client compiles and works against it."""

from __future__ import annotations

import asyncio
import json
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


async def test_client_compiles_and_works(server_module: Any, serve: Any, tmp_path: Path) -> None:
    server = await serve(server_module.io)
    client = (EXAMPLE / "client.ts").read_text()
    assert "http://127.0.0.1:5000" in client
    client = client.replace("http://127.0.0.1:5000", server.url)
    # It stays, as clients do; here it ends when it has done everything.
    (tmp_path / "client.ts").write_text(
        client.replace("main();", "main().then(() => socket.close());")
    )
    (tmp_path / "events.ts").write_text((EXAMPLE / "events.ts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(NPM)
    options = {"strict": True, "target": "es2022", "module": "nodenext", "types": [], "lib": ["es2022", "dom"]}  # fmt: skip
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options}))
    done = subprocess.run(
        [NPM / ".bin" / "tsc", "-p", tmp_path], capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    process = await asyncio.create_subprocess_exec(
        "node", str(tmp_path / "client.js"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (out.decode().splitlines(), err) == (["gone: 0", "1 true"], b"")

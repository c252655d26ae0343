"""docs/http.md: its examples run, and do what the text around them says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from harness import FakePeer, http

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "http.md"
PATH = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture
def example(tmp_path: Path) -> Any:
    """`module = example("pages")`: one of the manual's, as a program would be."""
    text = MANUAL.read_text(encoding="utf-8")
    examples = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", text, re.DOTALL))
    assert len(examples) == text.count("```python")

    def load(name: str) -> Any:
        path = tmp_path / f"{name}.py"
        path.write_text(examples[name])
        spec = importlib.util.spec_from_file_location(f"manual_{name}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


async def test_pages(example, serve):
    program = example("pages")
    server = await serve(program.io, pages=program.pages)
    assert (await http(server.url, "GET", "/")).body == b"It works!"
    assert b"import fastsio" in (await http(server.url, "GET", "/index")).body
    assert (await http(server.url, "GET", "/hello?name=Ann")).body == b"<h1>Hello Ann</h1>"
    assert (await http(server.url, "GET", "/health")).json() == {}


async def test_cors(example, serve):
    server = await serve(example("cors").io)
    for origin, is_allowed in (
        ("https://example.org", True),
        ("https://shop.example.net", True),
        ("https://shop.example.net.evil", False),
    ):
        answer = await http(server.url, "OPTIONS", PATH, None, {"Origin": origin})
        assert (answer.headers.get("access-control-allow-origin") == origin) is is_allowed
        assert answer.headers["access-control-max-age"] == "600"


async def test_guard(example, serve):
    server = await serve(example("guard").io)
    refused = await http(server.url, "GET", PATH)
    assert (refused.status, refused.json()) == (403, {"code": 4, "message": "no valid token"})
    peer = await FakePeer(server.url, "websocket", headers={"X-Token": "let me in"}).open()
    assert len(peer.handshake["sid"]) == 20
    await peer.close()


async def test_middleware(example, serve):
    server = await serve(example("middleware").io)
    refused = await http(server.url, "GET", PATH, None, {"X-User": "mallory"})
    assert (refused.status, refused.body, refused.headers["x-served-by"]) == (
        401,
        b"Go away",
        "fastsio",
    )
    peer = await FakePeer(server.url, "websocket", headers={"X-User": "ann"}).open()
    await peer.connect()
    assert await peer.receive() == '42["you are","ann"]'
    await peer.close()

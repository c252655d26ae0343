"""The examples of docs/flow.md, played to by clients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import fastsio
from fastsio.core.turns import concurrency
from fastsio.testing import TestClient

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "flow.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", MANUAL, re.DOTALL))


@pytest.fixture
def example(watch: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`names = example("prices")`: what the example of that name defines."""
    monkeypatch.setattr(fastsio, "concurrency", concurrency, raising=False)

    def run(name: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(EXAMPLES[name], names)
        return names

    return run


def test_every_example_is_tested_here():
    assert EXAMPLES.keys() == {"prices", "work", "guarded"}
    assert MANUAL.count("```python") == len(EXAMPLES)


async def test_prices(example):
    names = example("prices")
    async with TestClient(names["io"]) as client:
        names["tick"]("BTC", 1)
        names["tick"]("BTC", 2)
        await client.expect("price", "BTC", 2)
        assert await client.call("file", 8) == "sent"
        assert [event.args[0] for event in await client.received()] == list(range(8))
        (socket,) = names["io"].sockets.sockets.values()
        assert socket.buffer_policy == "drop_oldest"


async def test_work(example):
    names = example("work")
    async with TestClient(names["sio"]) as client:
        assert await client.call("save", "text") == 4
        assert await client.call("upload", b"") is None
        images = await client.join_namespace("/images")
        assert await images.call("resize", b"image") == 5


async def test_guarded(example):
    names = example("guarded")
    async with TestClient(names["io"]) as client:
        answers = [await client.call("chat", i) for i in range(6)]
        assert answers[:5] == list(range(5))
        assert answers[5]["error"]["code"] == "rate_limited"
        for _ in range(6):
            await client.emit("login")
        assert await client.expect_disconnect() == "io server disconnect"

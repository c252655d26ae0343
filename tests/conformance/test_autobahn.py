"""What `make autobahn` is made of: the echo server, and how its report is judged. The suite itself is not run here."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets

import autobahn

ECHO = Path(__file__).with_name("ws_echo.py")


@pytest.fixture
def echo_url() -> Iterator[str]:
    server = subprocess.Popen([sys.executable, str(ECHO)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield f"ws://127.0.0.1:{int(server.stdout.readline())}"
    server.kill()
    server.communicate()


@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.parametrize("compression", ["deflate", None])
async def test_messages_come_back_as_they_were(echo_url: str, compression: str | None):
    async with websockets.connect(echo_url, compression=compression, max_size=1 << 25) as ws:
        assert ("Sec-WebSocket-Extensions" in ws.response.headers) == (compression is not None)
        for message in ("", "text ä", b"", b"\x00\xff", "x" * 100_000, bytes(1 << 24)):
            await ws.send(message)
            assert await asyncio.wait_for(ws.recv(), 10) == message


def case(behaviour: str, end: str = "OK") -> dict[str, str]:
    return {"behavior": behaviour, "behaviorClose": end}


@pytest.mark.parametrize(
    ("cases", "code", "last_line"),
    [
        ({"1.1.1": case("OK"), "7.1.6": case("INFORMATIONAL", "INFORMATIONAL")}, 0, "2 cases, none failed"),
        ({"6.4.3": case("NON-STRICT")}, 0, "1 cases, none failed"),
        ({"1.1.1": case("OK"), "12.1.1": case("UNIMPLEMENTED")}, 1, "12.1.1: UNIMPLEMENTED, close OK"),
        ({"2.1": case("OK", "FAILED")}, 1, "2.1: OK, close FAILED"),
        (None, 2, ""),
    ],
)  # fmt: skip
def test_report_is_judged(monkeypatch, capsys, tmp_path, cases, code, last_line):
    monkeypatch.setattr(autobahn, "REPORTS", tmp_path)
    if cases is not None:
        (tmp_path / "index.json").write_text(json.dumps({"fastsio": cases}))
    assert autobahn.judge() == code
    assert (capsys.readouterr().out.splitlines() or [""])[-1] == last_line

"""Autobahn's test suite: a fast part of it where it can be run, how its report is judged, and what is kept of it.

What is checked everywhere, without the suite, is in test_websocket_cases.py.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets

import autobahn
from autobahn import Verdict

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
    async with websockets.connect(echo_url, compression=compression, max_size=1 << 26) as ws:
        assert ("Sec-WebSocket-Extensions" in ws.response.headers) == (compression is not None)
        for message in ("", "text ä", b"", b"\x00\xff", "x" * 100_000, bytes(1 << 26)):
            await ws.send(message)
            assert await asyncio.wait_for(ws.recv(), 10) == message


@pytest.mark.timeout(300)
def test_fast_part_of_the_suite_finds_nothing(monkeypatch: pytest.MonkeyPatch):
    """Skipped, with the reason, where there is no Python 2.7 or the suite can't be installed with it."""
    try:
        autobahn.suite(autobahn.old_python(), within_s=120)
    except autobahn.NoSuite as error:
        pytest.skip(str(error))
    verdicts = autobahn.run(autobahn.FAST, "fast")
    assert autobahn.failures(verdicts) == []
    assert len(verdicts) > 100


def test_server_listens_on_the_port_that_it_is_given(free_port: int):
    command = [sys.executable, str(ECHO), "--port", str(free_port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == f"{free_port}\n"
    server.kill()
    server.communicate()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


OK = Verdict("OK", "OK")


@pytest.mark.parametrize(
    ("verdicts", "bad"),
    [
        ({"1.1.1": OK, "12.1.18": OK}, []),
        ({"7.1.6": Verdict("INFORMATIONAL", "INFORMATIONAL")}, []),
        ({"7.13.2": Verdict("INFORMATIONAL", "OK")}, []),
        ({"1.1.1": Verdict("INFORMATIONAL", "OK")}, ["1.1.1: INFORMATIONAL, close OK"]),
        ({"6.4.3": Verdict("NON-STRICT", "OK")}, ["6.4.3: NON-STRICT, close OK"]),
        ({"12.1.1": Verdict("UNIMPLEMENTED", "OK")}, ["12.1.1: UNIMPLEMENTED, close OK"]),
        ({"2.1": Verdict("OK", "UNCLEAN")}, ["2.1: OK, close UNCLEAN"]),
        ({"7.1.6": Verdict("OK", "UNCLEAN")}, ["7.1.6: OK, close UNCLEAN"]),
        (
            {"10.1.1": Verdict("FAILED", "OK"), "9.1.1": Verdict("OK", "WRONG CODE")},
            ["9.1.1: OK, close WRONG CODE", "10.1.1: FAILED, close OK"],
        ),
    ],
)
def test_only_ok_is_good(capsys, verdicts, bad):
    assert autobahn.failures(verdicts) == bad
    assert autobahn.judge(verdicts) == bool(bad)
    last = bad[-1] if bad else f"{len(verdicts)} cases, none failed"
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_suites_own_report_is_read(tmp_path: Path):
    case = {"behavior": "OK", "behaviorClose": "UNCLEAN", "duration": 4, "reportfile": "x.json"}
    (tmp_path / "index.json").write_text(json.dumps({"fastsio": {"1.1.1": case}}))
    assert autobahn.verdicts_of(tmp_path) == {"1.1.1": Verdict("OK", "UNCLEAN")}
    with pytest.raises(autobahn.NoSuite, match="no report"):
        autobahn.verdicts_of(tmp_path / "nowhere")


def test_verdicts_are_kept_a_case_a_line_in_order(tmp_path: Path):
    path = tmp_path / "verdicts.json"
    assert autobahn.load(path) == {}
    autobahn.save(path, {"10.1.1": OK, "9.1.1": Verdict("OK", "UNCLEAN")})
    assert path.read_text() == '{\n  "9.1.1": ["OK", "UNCLEAN"],\n  "10.1.1": ["OK", "OK"]\n}\n'
    assert autobahn.load(path) == {"9.1.1": Verdict("OK", "UNCLEAN"), "10.1.1": OK}


def test_page_needs_every_case():
    with pytest.raises(ValueError, match=re.escape("group 1 has 16 cases, and 1 were run")):
        autobahn.page_of({"1.1.1": OK})


def test_page_is_of_the_results_that_are_kept_and_none_of_them_failed():
    verdicts = autobahn.load(autobahn.RESULTS)
    assert len(verdicts) == 517
    assert autobahn.failures(verdicts) == []
    assert autobahn.PAGE.read_text() == autobahn.page_of(verdicts)

"""The official client and a server that is stopped, killed or hung and comes back on its port.

The server is a process of its own (server_process.py); scenarios are in scenarios/lifecycle.js.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from apps import reason_in
from harness import DEADLINE_S, MS

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])


def _reasons(process: Any) -> list[str]:
    return [entry[3] for entry in process.entries() if entry[0] == "disconnect"]


@pytest.mark.feature("1.13 io.close()")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("with_signal", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_clean_stop_tells_clients_and_they_reconnect(
    node: Any, server_process: Any, style: str, mode: str, loop: str, with_signal: int
) -> None:
    await server_process.start(loop)
    run = node.start("reconnects", server_process.url, mode)
    await run.note("ready")
    assert await server_process.terminate(DEADLINE_S, with_signal) in (0, -with_signal)
    assert await run.note("gone") == ["transport close", "transport close"]
    # Every disconnect handler ran, once.
    assert _reasons(server_process) == [reason_in(style, "server shutting down")] * 2
    assert "Traceback" not in server_process.text
    await server_process.start(loop)
    await run.result()


@pytest.mark.fault(
    "the server is killed (SIGKILL) and started again", "official clients come back by themselves"
)
async def test_clients_reconnect_after_the_server_was_killed(
    node: Any, server_process: Any, mode: str
) -> None:
    await server_process.start()
    run = node.start("reconnects", server_process.url, mode)
    await run.note("ready")
    server_process.kill()
    # A WebSocket is closed, a poll fails.
    expected = "transport error" if mode == "polling" else "transport close"
    reasons = await run.note("gone")
    assert reasons == [expected] * 2 or mode == "upgrading", reasons
    await server_process.start()
    await run.result()


async def test_client_of_a_hung_server_times_out_and_comes_back(
    node: Any, server_process: Any, mode: str
) -> None:
    await server_process.start(ping_interval=150 * MS, ping_timeout=250 * MS)
    run = node.start("noticesThatTheServerIsSilent", server_process.url, mode)
    await run.note("ready")
    server_process.suspend()
    reason = await run.note("gone")
    server_process.resume()
    assert reason == "ping timeout"
    await run.result()

"""systemd's side of a service, played by the test: sockets that it opened, and what it is told.

Source: sd_listen_fds(3), sd_notify(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastsio.doors import systemd
from fastsio.doors.systemd import Notifier, activated_sockets
from harness import MS

NAMES = (
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
)  # fmt: skip


@pytest.fixture(autouse=True)
def without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two listening sockets on descriptors that follow each other, as systemd leaves them; not 3, which pytest has."""
    first = 400
    for fd in (first, first + 1):
        with socket.create_server(("127.0.0.1", 0)) as one:
            os.dup2(one.fileno(), fd)
    monkeypatch.setattr(systemd, "FIRST_FD", first)
    yield [first, first + 1]
    for fd in (first, first + 1):
        try:
            os.close(fd)
        except OSError:
            pass  # the test has


# --- sockets --------------------------------------------------------------------------------------


def test_without_systemd_there_are_none():
    assert activated_sockets() == []


def test_sockets_come_in_their_order_once(monkeypatch, opened):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_FDNAMES", "a:b")
    sockets = activated_sockets()
    assert [one.fileno() for one in sockets] == opened
    assert not any(name in os.environ for name in NAMES), "children are not to take them"
    assert not any(os.get_inheritable(fd) for fd in opened)
    assert activated_sockets() == []
    for one in sockets:
        one.close()


def test_sockets_of_another_process_are_left(monkeypatch, opened):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert activated_sockets() == []
    assert os.environ["LISTEN_FDS"] == "2"


@pytest.mark.parametrize("count", ["", "0", "-1", "two", "٢"])
def test_count_that_is_none_is_named(monkeypatch, count):
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)
    with pytest.raises(ValueError, match=f"LISTEN_FDS='{count}'"):
        activated_sockets()


# --- notifications --------------------------------------------------------------------------------


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield one


async def test_it_is_told_when_the_service_is_ready_and_when_it_stops(heard):
    notifier = Notifier()
    notifier.ready("serving here")
    assert heard.recv(999) == b"READY=1\nSTATUS=serving here"
    notifier.stopping("closing", 12.5)
    assert heard.recv(999) == b"STOPPING=1\nSTATUS=closing\nEXTEND_TIMEOUT_USEC=12500000"
    notifier.close()


async def test_abstract_address_is_understood(monkeypatch):
    name = f"fastsio-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind("\0" + name)
        one.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        Notifier().ready("x")
        assert one.recv(999).startswith(b"READY=1\n")


async def test_without_systemd_nothing_is_sent(caplog):
    Notifier().ready("x")
    assert caplog.records == []


@pytest.mark.fault(
    "systemd's notification socket has gone",
    "a warning names it, and the server serves",
)
async def test_address_that_has_gone_is_a_warning(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().ready("x")
    assert "can't be told READY=1" in caplog.text
    assert "gone" in caplog.text


async def test_loop_that_runs_says_so_every_half_of_watchdogs_time(monkeypatch, heard):
    monkeypatch.setenv("WATCHDOG_USEC", str(int(20 * MS * 1e6)))
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    heard.setblocking(False)
    notifier = Notifier()
    notifier.ready("x")
    loop = asyncio.get_running_loop()
    words = [await asyncio.wait_for(loop.sock_recv(heard, 999), 5) for _ in range(4)]
    assert words[0].startswith(b"READY=1")
    assert words[1:] == [b"WATCHDOG=1"] * 3
    notifier.close()
    while True:
        try:
            heard.recv(999)
        except BlockingIOError:
            break
    await asyncio.sleep(30 * MS)
    with pytest.raises(BlockingIOError):
        heard.recv(999)


async def test_watchdog_of_another_process_is_not_fed(monkeypatch, heard):
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    notifier = Notifier()
    notifier.ready("x")
    assert heard.recv(999).startswith(b"READY=1")
    await asyncio.sleep(5 * MS)
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(999)
    notifier.close()


def test_watchdogs_time_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    with pytest.raises(ValueError, match="WATCHDOG_USEC='soon'"):
        Notifier()

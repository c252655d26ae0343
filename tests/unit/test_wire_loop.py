"""fastsio._handles: which loops have Wires, and what becomes of them at a loop's end.

Much of it in processes of their own: a mistake here ends the interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from fastsio._handles import is_uvloop, wires_of
from wire_stage import Stage

resource = pytest.importorskip("resource", reason="nor this")
uvloop = pytest.importorskip("uvloop", reason="there is none for Windows")

LOOPS_END = """
import asyncio, gc, os, socket, sys, threading, warnings
import uvloop
from fastsio._handles import wires_of
from fastsio._wire import listen
lost = []
class P(asyncio.Protocol):
    def connection_made(self, t): self.t = t
    def data_received(self, data): self.t.write(data)
    def connection_lost(self, error): lost.append(error)

async def main(end):
    loop = asyncio.get_running_loop()
    sock = socket.socket(); sock.bind(("127.0.0.1", 0))
    made = []
    def make():
        made.append(P()); return made[-1]
    listener = listen(wires_of(loop), sock, make, 100)
    clients = []
    for _ in range(20):
        c = socket.socket(); c.setblocking(False); clients.append(c)
        await loop.sock_connect(c, sock.getsockname())
        await loop.sock_sendall(c, b"x"); assert await loop.sock_recv(c, 10) == b"x"
    made[0].t.write(bytes(20_000_000))     # in libuv's hands
    made[1].t.write(bytes(20_000_000)); made[1].t.close()
    made[2].t.abort()                      # ends in the same turn as the loop
    end(loop, made, listener, clients)
    return clients

def run(end=lambda *a: None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop = uvloop.new_event_loop()
        clients = loop.run_until_complete(main(end))
        loop.close()
        assert loop.is_closed()
        loop.close()
        assert any("open connections" in str(one.message) for one in caught), caught
    for c in clients[3:]:                  # closed for the clients too
        c.setblocking(True); c.settimeout(5)
        try: assert c.recv(10) == b""
        except ConnectionResetError: pass
        c.close()
    del loop
    gc.collect()
"""


# --- which loops have it --------------------------------------------------------------------


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_asyncios_own_loop_has_none():
    assert not is_uvloop(asyncio.get_running_loop())
    assert wires_of(asyncio.get_running_loop()) is None


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_uvloops_loop_has_one_wires():
    loop = asyncio.get_running_loop()
    assert wires_of(loop) is wires_of(loop) is not None


def test_environment_forbids_it(monkeypatch):
    loop = uvloop.new_event_loop()
    try:
        monkeypatch.setenv("FASTSIO_NO_LIBUV", "1")
        assert wires_of(loop) is None
        monkeypatch.setenv("FASTSIO_NO_LIBUV", "0")
        assert wires_of(loop) is not None
    finally:
        loop.close()


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_loops_in_two_threads_have_wires_of_their_own():
    own = wires_of(asyncio.get_running_loop())
    others: list[Any] = []

    def other() -> None:
        loop = uvloop.new_event_loop()
        others.append(wires_of(loop))
        loop.close()

    thread = threading.Thread(target=other)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert others[0] is not own


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["connection_made", "data_received", "connection_lost"])
def test_what_ends_a_program_reaches_who_runs_the_loop(tmp_path, kind, where):
    """uvloop's own does so for some of the methods, and reports others."""

    def end(*args: Any) -> None:
        raise kind(3)

    async def main() -> None:
        stage = Stage("tcp", True, tmp_path)
        await stage.listen()
        pair = await stage.pair(**{where: end})
        await pair.says(b"x")
        pair.client.close()
        await asyncio.sleep(5)

    loop = uvloop.new_event_loop()
    with pytest.raises(kind):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    with pytest.warns(ResourceWarning, match="open connections"):
        loop.close()


# --- the loop's end, in processes of their own: a mistake here ends the interpreter ------------


def in_process(code: str, **environ: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", LOOPS_END + code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", done.stderr


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_loop_may_be_closed_over_open_connections(debug):
    in_process("run()\nassert len(lost) <= 1, lost\nrun()", PYTHONASYNCIODEBUG=debug)


def test_so_may_loops_in_threads():
    in_process(
        """
threads = [threading.Thread(target=run) for _ in range(4)]
class Quiet:  # catch_warnings() is for one thread
    def __init__(self, **k): pass
    def __enter__(self): return [type("W", (), {"message": "open connections"})]
    def __exit__(self, *a): pass
warnings.catch_warnings = Quiet
warnings.simplefilter = lambda *a: None
warnings.warn = lambda *a, **k: None
for one in threads: one.start()
for one in threads: one.join()
"""
    )


def test_asyncio_run_may_end_over_open_connections():
    in_process(
        """
warnings.simplefilter("ignore")
for _ in range(2):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(lambda *a: None))
gc.collect()
"""
    )


def test_a_loop_that_is_never_closed_leaves_in_peace():
    in_process(
        """
loop = uvloop.new_event_loop()
clients = loop.run_until_complete(main(lambda *a: None))
"""
    )


def test_a_warning_that_is_an_error_leaves_no_handle_behind():
    in_process(
        """
warnings.simplefilter("error")
loop = uvloop.new_event_loop()
clients = loop.run_until_complete(main(lambda *a: None))
for c in clients: c.close()
try: loop.close()
except ResourceWarning: pass
else: raise SystemExit("no warning")
assert loop.is_closed()
warnings.simplefilter("ignore")
"""
    )


def test_without_descriptors_clients_are_shed_and_the_listener_goes_on():
    in_process(
        """
import resource
async def shed():
    loop = asyncio.get_running_loop()
    sock = socket.socket(); sock.bind(("127.0.0.1", 0))
    made = []
    def make():
        made.append(P()); return made[-1]
    listener = listen(wires_of(loop), sock, make, 100)
    clients = [socket.socket() for _ in range(8)]
    spare = []
    used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
    while True:
        try: spare.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: break
    for c in clients:
        c.setblocking(False)
        try: c.connect(sock.getsockname())
        except BlockingIOError: pass
    await asyncio.sleep(0.05)
    assert not made
    for c in clients:
        c.setblocking(True); c.settimeout(2)
        try: assert c.recv(1) == b""
        except ConnectionResetError: pass
        c.close()
    for fd in spare: os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    c = socket.socket(); c.connect(sock.getsockname())
    await asyncio.sleep(0.05)
    assert len(made) == 1
    made[0].t.abort(); listener.close()
    await asyncio.sleep(0)
loop = uvloop.new_event_loop()
loop.run_until_complete(shed())
loop.close()
"""
    )

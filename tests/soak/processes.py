"""The processes of the long runs: the server, the load generator, clients. Linux only."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.install import BENCH, BUILD, compiled

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ANSWER_S = 60.0
# What clients wait for at most is 5 seconds times this: they share their CPU with thousands of others.
SLOWNESS = "6"


class RunFailed(Exception):
    """A process died, did not answer, or found something wrong."""


def cpus() -> tuple[int, int]:
    """The CPU of the server and that of its clients; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def environ() -> dict[str, str]:
    """Child processes find this checkout, and the tests' helpers by their bare names."""
    paths = (ROOT, TESTS, TESTS / "conformance")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONHASHSEED": "0",
        "FASTSIO_TEST_SLOWNESS": SLOWNESS,
    }


def _settle_in(cpu: int, nice: int) -> None:
    """In the new process: held to its CPU, with as many open files as it may have."""
    os.sched_setaffinity(0, {cpu})
    os.nice(nice)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start(*command: str | Path, cpu: int, nice: int = 0, **how: Any) -> subprocess.Popen[bytes]:
    """A process on its CPU. Not with preexec_fn: `how` is Popen's."""
    line = [str(part) for part in command]
    return subprocess.Popen(
        line, cwd=ROOT, env=environ(), preexec_fn=lambda: _settle_in(cpu, nice), **how
    )


class Program:
    """A program of ours in a process, which says lines of JSON and may be asked for them; it ends with its input."""

    def __init__(self, *command: str, cpu: int, nice: int = 0) -> None:
        self.name = command[0] if command[0] != sys.executable else command[2]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.process = start(
            *command,
            cpu=cpu,
            nice=nice,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        self._unread = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self, within_s: float = ANSWER_S) -> dict[str, Any]:
        """The next line that it says; RunFailed with its log's end if there is none in time."""
        assert self.process.stdout is not None
        until = time.monotonic() + within_s
        while b"\n" not in self._unread:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self.process.stdout], [], [], left_s)[0]:
                raise RunFailed(f"{self.name} said nothing for {within_s:g} s{self.log_tail()}")
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise RunFailed(f"{self.name} ended ({self.process.wait()}){self.log_tail()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def all_said(self) -> list[dict[str, Any]]:
        """What it has said and nobody has read; it does not wait."""
        found = []
        assert self.process.stdout is not None
        while b"\n" in self._unread or select.select([self.process.stdout], [], [], 0)[0]:
            try:
                found.append(self.said())
            except RunFailed:
                break  # its end; whoever cares asks for its exit status
        return found

    def ask(self, question: str) -> dict[str, Any]:
        """What it answers to a line."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(question.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RunFailed(f"{self.name} has ended{self.log_tail()}") from None
        return self.said()

    def log_tail(self, size: int = 2000) -> str:
        end = self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, end - size))
        text = self.log.read().decode(errors="replace").strip()
        self.log.seek(0, os.SEEK_END)
        return f":\n{text}" if text else ""

    def end(self, within_s: float = 30.0) -> int:
        """Close its input and wait for it; killed if that takes too long. Its exit status."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RunFailed(f"{self.name} did not end in {within_s:g} s{self.log_tail()}") from None
        self.process.stdout.close()
        self.log.close()
        return status


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our modules."""
    return (sys.executable, "-m", module, *arguments)


class Server(Program):
    """tests/soak/server.py, ready for clients."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__(*python("tests.soak.server", json.dumps(options or {})), cpu=cpus()[0])
        ready = self.said()
        self.url: str = ready["url"]
        self.port: int = ready["port"]

    def look(self) -> dict[str, Any]:
        return self.ask("look")

    def count(self) -> dict[str, Any]:
        return self.ask("count")

    def wait_empty(self, baseline: dict[str, int], within_s: float) -> dict[str, Any]:
        """Its counts once nothing is left of clients, or those of the end of the time."""
        until = time.monotonic() + within_s
        while True:
            counts = self.count()
            if not left_over(counts["left"], baseline) or time.monotonic() > until:
                return counts
            time.sleep(0.25)

    def cpu_s(self) -> float:
        """What it has used of its CPU so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def left_over(left: dict[str, int], baseline: dict[str, int]) -> dict[str, int]:
    """What there is more of than before the first client came."""
    return {name: count - baseline[name] for name, count in left.items() if count > baseline[name]}


@contextlib.contextmanager
def running_server(options: dict[str, Any] | None = None) -> Iterator[Server]:
    """A server for as long as the block runs; RunFailed if it does not end well."""
    server = Server(options)
    try:
        yield server
    except BaseException:
        sys.stderr.write(f"the server's log{server.log_tail()}\n")
        server.process.kill()
        server.end()
        raise
    status = server.end()
    if status != 0:
        raise RunFailed(f"the server ended with {status}")


# --- the load generator ------------------------------------------------------------------------


def load_program() -> Path:
    """bench/load without TLS, compiled if it has changed."""
    BUILD.mkdir(exist_ok=True)
    return compiled("load-plain", BENCH / "load")


def start_load(*arguments: object, server: Server) -> subprocess.Popen[bytes]:
    """A run of the load generator, which load_result() waits for."""
    at = ("--port", server.port, "--server-pid", server.pid)
    line = map(str, (load_program(), *at, *arguments))
    return start(*line, cpu=cpus()[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def load_result(process: subprocess.Popen[bytes], within_s: float) -> dict[str, Any]:
    """What it reports. RunFailed with its reason if an answer was wrong, late, missing or one too many."""
    try:
        out, errors = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise RunFailed(f"the load generator did not end in {within_s:g} s") from None
    try:
        result: dict[str, Any] = json.loads(out)
    except ValueError:
        raise RunFailed(f"the load generator ended with {process.returncode}: {errors!r}") from None
    if not result["ok"]:
        raise RunFailed(f"the load generator: {result['error']}")
    return result

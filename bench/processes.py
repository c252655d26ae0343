"""Servers under test, and the load generator; each may be held to a CPU of its own."""

import json
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.prepare import BUILD, Tools

START_LIMIT_S = 20
STOP_LIMIT_S = 10
LOAD_LIMIT_S = 300


class RunError(Exception):
    """A server did not start or died, or the load generator got a wrong answer."""


def cpus() -> tuple[int, int]:
    """The CPU of the servers and that of the load; the same one where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[min(1, len(allowed) - 1)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def _settle_in(cpu: int | None) -> None:
    """In the new process: held to its CPU, if it has one, with as many open files as it may have."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Program:
    """It listens on `port`, and is ready for connections once this returns. Raises RunError if it does not.

    cpu: held to that one; None: to none. What it prints is in `log`.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        port: int,
        environ: dict[str, str],
        log: Path,
        cpu: int | None = None,
    ):
        self.name = name
        self.port = port
        self.log = log
        with log.open("wb") as written:
            self._process = subprocess.Popen(
                command,
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=BUILD,
                env=environ,
                preexec_fn=lambda: _settle_in(cpu),
            )
        try:
            self._wait_ready()
        except RunError:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait_ready(self) -> None:
        until = time.monotonic() + START_LIMIT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RunError(f"{self.name} ended at once:\n{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RunError(f"{self.name} did not listen within {START_LIMIT_S} s:\n{self.log_tail()}")

    def log_tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Server(Program):
    """One of `tools.servers`."""

    def __init__(self, name: str, tools: Tools, cpu: int, tls: bool = False):
        self.tls = tls
        port = free_port()
        command = [*tools.servers[name], str(port)]
        if tls:
            command += ["--tls", *map(str, tools.certificate)]
        super().__init__(name, command, port, tools.environ, BUILD / f"{name}.log", cpu)

    def cpu_ticks(self) -> int:
        """utime + stime of /proc/<pid>/stat, in ticks of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def settle(self, quiet_s: float = 0.05, limit_s: float = 5.0) -> None:
        """Wait until it has cleaned up after the last run and uses no CPU."""
        until = time.monotonic() + limit_s
        before = self.cpu_ticks()
        while time.monotonic() < until:
            time.sleep(quiet_s)
            now = self.cpu_ticks()
            if now == before:
                return
            before = now


def run_load(tools: Tools, server: Server, cpu: int, arguments: list[str]) -> dict:
    """One run of the load generator against `server`; raises RunError if any answer was wrong."""
    at = ["--port", str(server.port), "--server-pid", str(server.pid), *["--tls"] * server.tls]
    run = f"{server.name}: load {' '.join(arguments)}"
    return load_result([str(tools.load), *at, *arguments], LOAD_LIMIT_S, run, server.log_tail, cpu)


def load_result(
    command: list[str],
    limit_s: float,
    run: str,
    log_tail: Callable[[], str],
    cpu: int | None = None,
) -> dict:
    """What the load generator says; raises RunError if any answer was wrong, late or missing.

    run: its name in an error's text, which has log_tail() too.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit_s,
            preexec_fn=lambda: _settle_in(cpu),
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{run} did not end in {limit_s} s") from None
    try:
        result: dict = json.loads(done.stdout)
    except ValueError:
        result = {"ok": False, "error": f"exit {done.returncode}: {done.stderr or done.stdout}"}
    if not result["ok"]:
        raise RunError(f"{run}: {result['error']}\n{log_tail()}")
    return result

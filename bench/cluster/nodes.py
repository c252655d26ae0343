"""The processes of a cluster: Redis and the servers that it joins, which are more than CPUs: none is held to one."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

from bench.cluster.kinds import APPS, FASTSIO, NODE, Kind
from bench.install import BUILD, SetupError, node
from bench.prepare import Tools
from bench.processes import RunError

START_LIMIT_S = 20
STOP_LIMIT_S = 10
LOAD_LIMIT_S = 120
# After the first clients: servers of python-socketio subscribe when one has come.
JOIN_S = 0.5


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def _many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Process:
    """A program that listens on `port`, ready for connections once this returns. Raises RunError if it does not."""

    def __init__(self, name: str, command: list[str], port: int, environ: dict[str, str]):
        self.name = name
        self.port = port
        self.log = BUILD / f"cluster-{name.replace(' ', '-')}-{port}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=BUILD,
                env=environ,
                preexec_fn=_many_files,
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
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
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
        if not self.log.read_text(errors="replace").strip():
            self.log.unlink()


class Redis(Process):
    """A Redis that keeps nothing. Raises SetupError where there is none."""

    def __init__(self) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SetupError("redis-server is not on the PATH: apt-get install redis-server")
        self._folder = tempfile.mkdtemp()
        port = free_port()
        keep_nothing = ["--save", "", "--appendonly", "no", "--dir", self._folder]
        command = [program, "--port", str(port), "--bind", "127.0.0.1", *keep_nothing]
        super().__init__("redis", [*command, "--loglevel", "warning"], port, dict(os.environ))
        self.url = f"redis://127.0.0.1:{port}"
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        self.version = said.partition("v=")[2].partition(" ")[0]

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Cluster:
    """`count` nodes of one kind on a Redis."""

    def __init__(self, kind: Kind, count: int, redis: Redis, tools: Tools):
        self.kind = kind
        self._redis = redis
        self._tools = tools
        self.nodes: list[Process] = []
        try:
            for _ in range(count):
                port = free_port()
                command = [*_program(kind, tools), str(port), kind.adapter, redis.url]
                self.nodes.append(Process(kind.name, command, port, tools.environ))
            # They join their cluster now, if they have not yet.
            everywhere = ["--port", self._ports, "--connections", str(2 * count)]
            self.load(["--case", "idle", *everywhere, "--warmup", "0", "--seconds", str(JOIN_S)])
        except RunError:
            self.stop()
            raise

    @property
    def ports(self) -> list[int]:
        return [one.port for one in self.nodes]

    @property
    def _ports(self) -> str:
        return ",".join(map(str, self.ports))

    def load(self, arguments: list[str]) -> dict:
        """One run of the load generator; raises RunError if any answer was wrong, late or missing.

        `node_cpu_us` and `redis_cpu_us` are in the result: CPU in the measured window.
        """
        pids = [one.pid for one in (*self.nodes, self._redis)]
        command = [str(self._tools.load), "--watch", ",".join(map(str, pids)), *arguments]
        run = f"{self.kind.name}: load {' '.join(arguments)}"
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=LOAD_LIMIT_S,
                preexec_fn=_many_files,
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"{run} did not end in {LOAD_LIMIT_S} s") from None
        try:
            result: dict = json.loads(done.stdout)
        except ValueError:
            result = {"ok": False, "error": f"exit {done.returncode}: {done.stderr or done.stdout}"}
        if not result["ok"]:
            raise RunError(f"{run}: {result['error']}\n{self._log_tails()}")
        *result["node_cpu_us"], result["redis_cpu_us"] = result.pop("watched_cpu_us")
        return result

    def _log_tails(self) -> str:
        return "\n".join(filter(None, (one.log_tail() for one in self.nodes)))

    def stop(self) -> None:
        for one in self.nodes:
            one.stop()


def _program(kind: Kind, tools: Tools) -> list[str]:
    if kind.server == NODE:
        return [node(), str(APPS / "node_app.mjs")]
    app = "fastsio_app.py" if kind.server == FASTSIO else "python_socketio_app.py"
    return [str(tools.python), str(APPS / app)]


@contextlib.contextmanager
def cluster(kind: Kind, count: int, redis: Redis, tools: Tools) -> Iterator[Cluster]:
    one = Cluster(kind, count, redis, tools)
    try:
        yield one
    finally:
        one.stop()

"""The processes of a cluster: Redis and the servers that it joins, which are more than CPUs: none is held to one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from bench.cluster.kinds import APPS, FASTSIO, NODE, Kind
from bench.install import BUILD, SetupError, node
from bench.prepare import Tools
from bench.processes import Program, RunError, free_port, load_result

LOAD_LIMIT_S = 120
# After the first clients: servers of python-socketio subscribe when one has come.
JOIN_S = 0.5


class Process(Program):
    """A program of a cluster, held to no CPU. Its log goes with it if it has said nothing."""

    def __init__(self, name: str, command: list[str], port: int, environ: dict[str, str]):
        log = BUILD / f"cluster-{name.replace(' ', '-')}-{port}.log"
        super().__init__(name, command, port, environ, log)

    def stop(self) -> None:
        super().stop()
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
        result = load_result(command, LOAD_LIMIT_S, run, self._log_tails)
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

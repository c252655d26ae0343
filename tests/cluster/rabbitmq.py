"""A RabbitMQ server of one's own, for the tests here: its ports, its files and its users are nobody else's."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from .servers import free_port

# Debian's; /usr/sbin/rabbitmq-server would start it as another user.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 180


class RabbitMQ:
    """start() and stop() may be repeated; nothing outlives close()."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._folder = Path(tempfile.mkdtemp())
        self._process: subprocess.Popen[bytes] | None = None
        self._names: subprocess.Popen[bytes] | None = None
        self._env = {
            **os.environ,
            "HOME": str(self._folder),  # where Erlang's cookie is
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "pid"),
            # One scheduler: it shares the machine with everything else that runs here.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
        }

    def start(self) -> None:
        """Raises RuntimeError where it is not installed, or does not answer."""
        if not PROGRAM.exists():
            raise RuntimeError("these tests need RabbitMQ: scripts/rabbitmq-server.sh")
        if self._names is None:
            # What Erlang's nodes are found by: it would start one that stays behind.
            self._names = subprocess.Popen(
                ["epmd"], env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        # What it stored before is not wanted, and a killed one would look through it.
        self._env["RABBITMQ_MNESIA_BASE"] = tempfile.mkdtemp(dir=self._folder)
        self._process = subprocess.Popen(
            [PROGRAM], env=self._env, cwd=self._folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        for _ in range(START_S * 10):
            with socket.socket() as probe:
                probe.settimeout(5)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    probe.sendall(b"AMQP\x00\x00\x09\x01")
                    if probe.recv(1):  # connection.start
                        return
            time.sleep(0.1)
        raise RuntimeError("rabbitmq-server does not answer")

    def stop(self) -> None:
        """Kill it: connections break at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def close(self) -> None:
        self.stop()
        if self._names is not None:
            self._names.kill()
            self._names.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

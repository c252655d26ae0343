"""Servers for the tests of Python clients: fastsio, python-socketio under uvicorn, Node's; each in its process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

from harness import MS

HERE = Path(__file__).parent
KINDS = ("fastsio", "socketio", "node")
START_S = 20_000 * MS
# How each mode names its transports, and what the client uses once it is connected.
TRANSPORTS = {
    "polling": (["polling"], "polling"),
    "websocket": (["websocket"], "websocket"),
    "upgrade": (None, "websocket"),
}


class PeerServer:
    """start(), then kill() or terminate(), and start() again on the same port."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.kind = kind
        self.url = ""
        self.port = 0
        self.options = options
        self._process: subprocess.Popen[str] | None = None
        self._output: deque[str] = deque(maxlen=200)

    def start(self) -> PeerServer:
        """Returns when it listens; AssertionError with its output if it does not."""
        command = (
            [str(shutil.which("node")), str(HERE / "peer_app.js")]
            if self.kind == "node"
            else [sys.executable, str(HERE / "peer_app.py"), self.kind]
        )
        self._process = subprocess.Popen(
            [*command, str(self.port), json.dumps(self.options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        listens = threading.Event()
        threading.Thread(target=self._read, args=(self._process, listens), daemon=True).start()
        assert listens.wait(START_S), f"no server within {START_S:g} s:\n{self.text}"
        assert self.url, f"the server ended:\n{self.text}"
        return self

    def _read(self, process: subprocess.Popen[str], listens: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._output.append(line)
            if line.startswith("LISTENS "):
                self.url = line.split()[1]
                self.port = int(self.url.rpartition(":")[2])
                listens.set()
        listens.set()

    @property
    def text(self) -> str:
        return "".join(self._output)

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a goodbye; nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def terminate(self, within_s: float = 10_000 * MS) -> None:
        """Ask it to stop, and wait."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"still runs after {within_s:g} s:\n{self.text}") from None

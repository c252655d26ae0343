"""The interop application in a process of its own, to be killed, stopped and started again.

Run as a program it is that process: `python server_process.py STYLE PORT LOOP OPTIONS_JSON`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

_TESTS = Path(__file__).parents[1]
START_S = 20.0


def app_of_style(style: str) -> Any:
    """The module that has `build` for "aio" or "io"."""
    return importlib.import_module(f"app_{style}")


class ServerProcess:
    """`await start()`, then `kill()` or `await terminate()`, and `start()` again on the same port."""

    def __init__(self, style: str) -> None:
        self.style = style
        self.port = 0
        self.output: deque[str] = deque(maxlen=400)
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, loop: str = "uvloop", **options: Any) -> None:
        """Start and wait for the printed address; AssertionError with the output if it ends."""
        event_loop = asyncio.get_running_loop()
        ready: asyncio.Future[int | None] = event_loop.create_future()
        self._spawn(loop, options, event_loop, ready)
        port = await asyncio.wait_for(ready, START_S)
        assert port, f"the server ended before it was ready:\n{self.text}"
        self.port = port

    @property
    def text(self) -> str:
        return "".join(self.output)

    def entries(self) -> list[tuple[Any, ...]]:
        """What the application logged so far (see apps.Log)."""
        lines = [line for line in list(self.output) if line.startswith("LOG ")]
        return [tuple(json.loads(line[4:])) for line in lines]

    def kill(self) -> None:
        """End it without a goodbye (SIGKILL); nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def terminate(self, within_s: float, with_signal: int = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code; AssertionError if it does not in time."""
        assert self._process is not None
        process = self._process
        process.send_signal(with_signal)
        try:
            code = await asyncio.to_thread(process.wait, within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still runs {within_s:g} s after the signal:\n{self.text}"
            ) from None
        self._process = None
        return code

    def suspend(self) -> None:
        """Stop it as a hung machine stops: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _spawn(self, loop: str, options: dict[str, Any], *to_tell: Any) -> None:
        self.output.clear()
        self._process = subprocess.Popen(
            [sys.executable, __file__, self.style, str(self.port), loop, json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        args = (self._process, *to_tell)
        threading.Thread(target=self._read, args=args, daemon=True).start()

    def _read(
        self, process: subprocess.Popen[str], loop: asyncio.AbstractEventLoop, ready: Any
    ) -> None:
        def tell(port: int | None) -> None:
            if not ready.done():
                ready.set_result(port)

        assert process.stdout is not None
        found = None
        for line in process.stdout:
            self.output.append(line)
            if found is None and (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)):
                loop.call_soon_threadsafe(tell, int(found[1]))
        if found is None:
            loop.call_soon_threadsafe(tell, None)


def main(style: str, port: str, loop: str, options: str) -> None:
    sys.path[:0] = [str(_TESTS), str(_TESTS / "interop"), str(_TESTS.parent)]
    import fastsio
    from apps import Log

    class PrintedLog(Log):
        def add(self, *entry: Any) -> None:
            print("LOG " + json.dumps(entry), flush=True)

    app = app_of_style(style).build(PrintedLog(), **json.loads(options))
    fastsio.run(app, host="127.0.0.1", port=int(port), loop=loop)
    print("LOG " + json.dumps(["end of run"]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

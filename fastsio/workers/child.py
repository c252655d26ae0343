"""A worker as the supervisor has it: a process, and a socket to it."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from typing import Any

from fastsio.workers.plan import MAX_LINE_BYTES, Plan

logger = logging.getLogger("fastsio.workers")

# What systemd says to the service is for the supervisor.
NOT_INHERITED = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
)


class CantStart(OSError):
    """A worker could not start, for a reason that it has told."""


class Child:
    """`await start(plan)`; `number` is the worker's. `is_asked`: to end, so that its end is no news."""

    def __init__(
        self, number: int, process: asyncio.subprocess.Process, control: socket.socket
    ) -> None:
        self.number = number
        self.process = process
        self.is_asked = False
        self._control = control
        self._failed = ""

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    async def start(cls, plan: Plan) -> "Child":
        """Returns when it serves. Raises CantStart if it ends before; cancelled, it is killed."""
        ours, theirs = socket.socketpair()
        passed = {number for of_worker in plan.ports for number in of_worker}
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command(theirs.fileno()), pass_fds=(*passed, theirs.fileno()), env=environment(),
                    # The terminal's Ctrl+C is the supervisor's, which tells its workers.
                    process_group=0,
                )  # fmt: skip
            except BaseException:
                ours.close()
                raise
        child = cls(plan.number, process, ours)
        ours.setblocking(False)
        try:
            loop = asyncio.get_running_loop()
            with contextlib.suppress(ConnectionError):  # it has ended: what follows says so
                await loop.sock_sendall(ours, plan.pickled())
            if await child._is_ready():
                return child
            status = await process.wait()
            why = child._failed or f"it ended with {shown(status)} before it served"
            raise CantStart(f"worker {plan.number} can't start: {why}")
        except BaseException:
            child.kill()
            await process.wait()
            child.close()
            raise

    async def _is_ready(self) -> bool:
        """Whether it says that it serves, and not that it can't; it may take as long as it likes."""
        loop = asyncio.get_running_loop()
        data = b""
        while b"\n" not in data and len(data) < MAX_LINE_BYTES:
            more = b""
            with contextlib.suppress(ConnectionError):
                more = await loop.sock_recv(self._control, MAX_LINE_BYTES)
            if not more:
                return False
            data += more
        said: dict[str, Any] = json.loads(data.partition(b"\n")[0])
        self._failed = str(said.get("failed", ""))
        return bool(said.get("ready"))

    def ask_to_end(self) -> None:
        """Let it drain and end; once more lets it hurry."""
        self.is_asked = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self.is_asked = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit status, once it has ended."""
        status = await self.process.wait()
        self.close()
        return status

    async def end_within(self, seconds: float) -> None:
        """It was asked to end; it is killed if that takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self.ended()
        except TimeoutError:
            logger.error("worker %d did not end within %g s, and is killed", self.number, seconds)
            self.kill()
            await self.ended()

    def close(self) -> None:
        self._control.close()


def command(number: int) -> list[str]:
    """The command of a worker whose socket has this descriptor there, with the interpreter's own options."""
    return [sys.executable, *_interpreter_options(), "-m", "fastsio.workers.process", str(number)]


def _interpreter_options() -> list[str]:
    """Those that are not in the environment: -X, -O and -W, as Python's own modules hand them down."""
    options = [
        f"-X{name}" if value is True else f"-X{name}={value}"
        for name, value in sys._xoptions.items()
    ]
    if sys.flags.optimize:
        options.append("-" + "O" * sys.flags.optimize)
    return [*options, *(f"-W{one}" for one in sys.warnoptions)]


def environment() -> dict[str, str]:
    """This process's, without what is for it alone; a worker finds fastsio where it was found here."""
    env = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    env["PYTHONPATH"] = os.pathsep.join(
        one for one in (PACKAGE_AT, env.get("PYTHONPATH", "")) if one
    )
    return env


PACKAGE_AT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def shown(status: int) -> str:
    """An exit status as text."""
    if status < 0:
        return signal.Signals(-status).name
    return f"status {status}"

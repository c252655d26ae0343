"""What runs in a worker: `python -m fastsio.workers.process FD`, started by the supervisor, which has FD's other end.

It imports the application, finds the other workers, listens, and serves until SIGTERM, as serve.run() does.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import socket
import sys
import traceback
from typing import Any

from fastsio.doors.beside import MissingExtra
from fastsio.doors.lifespan import StartupFailed
from fastsio.doors.loading import load
from fastsio.doors.running import call_hook
from fastsio.doors.signals import StopSignals
from fastsio.serve import loop_factory, start
from fastsio.workers import ENV
from fastsio.workers.crew import Crew
from fastsio.workers.plan import Plan, read_plan, tell

logger = logging.getLogger("fastsio.workers")

# What is a mistake of whoever has started it, and needs no traceback.
EXPECTED = (OSError, ValueError, MissingExtra, StartupFailed)


def main(number: int) -> int:
    """Be a worker; returns the exit status."""
    os.set_inheritable(number, False)
    with socket.socket(fileno=number) as control:
        plan = read_plan(control)
        sys.path[:] = plan.path
        sys.argv[:] = [sys.argv[0]]
        os.environ[ENV] = str(plan.number)
        name_process(plan.number)
        try:
            app = load(plan.app)
            with asyncio.Runner(loop_factory=loop_factory(plan.loop)) as runner:
                runner.run(work(plan, app, control))
        except EXPECTED as error:
            tell(control, failed=str(error))
            return 1
        except BaseException as error:  # noqa: BLE001  whatever it is, the supervisor waits for it
            traceback.print_exc()
            tell(control, failed=repr(error))
            return 1
    return 0


def name_process(number: int) -> None:
    """Let log lines tell the worker: %(processName)s, and what is printed where nothing was configured."""
    multiprocessing.current_process().name = f"worker {number}"
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(logging.Formatter("%(processName)s: %(message)s"))


async def work(plan: Plan, app: Any, control: socket.socket) -> None:
    """Serve until a signal, or the supervisor's end."""
    ports = [[socket_of(number) for number in of_worker] for of_worker in distinct(plan.ports)]
    own = ports[plan.number % len(ports)]
    crew = Crew(plan.folder, plan.number, ports if len(ports) == plan.count else ())
    with StopSignals() as signals:
        await call_hook(plan.on_startup)
        server = await start(app, sock=own, crew=crew, **plan.options)
        tell(control, ready=True)
        if server.drains:
            signals.hurry = server.hurry
        orphaned = watch(control)
        try:
            await signals.stop_or(orphaned)
            if orphaned.is_set():
                logger.error("the process that has started this worker has gone: it stops")
            await server.drain()
        finally:
            signals.release()
            asyncio.get_running_loop().remove_reader(control)
            await server.close()
            await call_hook(plan.on_shutdown)


def distinct(ports: list[list[int]]) -> list[list[int]]:
    """Each worker's descriptors; once, where all have the same."""
    return ports[:1] if all(one == ports[0] for one in ports) else ports


def socket_of(number: int) -> socket.socket:
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def watch(control: socket.socket) -> asyncio.Event:
    """Set when the supervisor has gone."""
    gone = asyncio.Event()

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                is_end = not control.recv(4096)
            except ConnectionError:
                is_end = True
            if is_end:
                asyncio.get_running_loop().remove_reader(control)
                gone.set()

    control.setblocking(False)
    asyncio.get_running_loop().add_reader(control, readable)
    return gone


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

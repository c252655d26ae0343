"""The process that starts workers, starts again those that die, and stops them.

It keeps the listening sockets open and does nothing else: no client is ever its own.
SIGTERM, SIGINT: all workers drain and end; a second one lets them hurry, one more kills them. SIGHUP: one worker after
the other is replaced by a new one, which is there before the old one leaves. Source: the signals are gunicorn's.
"""

import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from fastsio.doors.listening import UDS_MODE, Place, remove_socket_file, url_of
from fastsio.doors.running import Stop
from fastsio.doors.systemd import Notifier, activated_sockets
from fastsio.doors.tls import context_for
from fastsio.workers.child import Child, shown
from fastsio.workers.plan import Plan
from fastsio.workers.ports import close_ports, open_ports

logger = logging.getLogger("fastsio.workers")

# A worker that dies again and again is started at once, then after ever longer pauses.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
# Who has served for so long begins anew with the shortest.
GOOD_S = 10.0
# Beyond what a stop may take by its options.
GRACE_S = 10.0


def supervise(
    app: Any, host: str, port: int, workers: int, *, loop: str, on_startup: Any, on_shutdown: Any,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Serve with so many workers until a signal; see serve.run(). Raises what run() raises."""
    if not sys.platform.startswith("linux"):
        raise ValueError(f"workers={workers}: needs Linux")
    where = {name: options.pop(name, None) for name in ("sock", "fd", "uds")}
    uds_mode = options.pop("uds_mode", UDS_MODE)
    plan = Plan(app, options, loop, on_startup, on_shutdown, workers, path=sys.path.copy())
    plan.options = {**options, "sock": where["sock"]}
    plan.check()
    plan.options = options
    stop_takes_s = _stop_of(options).longest_s
    # Said here, and not by each worker.
    context = context_for(
        None, *(options.get(f"ssl_{name}") for name in ("certfile", "keyfile", "keyfile_password"))
    )
    scheme = "http" if context is None else "https"
    given = None if any(value is not None for value in where.values()) else activated_sockets()
    place = Place(host, port, given or None, where["fd"], where["uds"], uds_mode)
    place.check()
    asyncio.run(Supervisor(plan, place, scheme, stop_takes_s).run())


def _stop_of(options: dict[str, Any]) -> Stop:
    names = ("shutdown_timeout", "drain_seconds", "drain_delay")
    defaults = (5.0, 0.0, 0.0)
    return Stop(
        *(options.get(name, default) for name, default in zip(names, defaults, strict=True))
    )


class Supervisor:
    """`await run()`. `children` by number: those that serve, or are about to."""

    def __init__(self, plan: Plan, place: Place, scheme: str, stop_takes_s: float) -> None:
        self.plan = plan
        self.children: dict[int, Child] = {}
        self._place = place
        self._scheme = scheme
        self._stop_takes_s = stop_takes_s
        self._signals = 0
        self._stop = asyncio.Event()
        self._roll = asyncio.Event()
        self._is_rolling = False
        self._tasks: set[asyncio.Task[Any]] = set()
        # Those that were replaced, and still drain.
        self._old: set[Child] = set()
        self._pauses: dict[int, float] = {}

    async def run(self) -> None:
        """Returns when all have ended. Raises CantStart if one can't start at first, OSError if it can't listen."""
        ports = open_ports(self._place, self.plan.count)
        file = None if self._place.uds is None else _file_at(self._place.uds)
        notifier = Notifier()
        self.plan.folder = tempfile.mkdtemp(prefix="fastsio-")
        self.plan.ports = [[one.fileno() for one in of_worker] for of_worker in ports]
        self._hear_signals()
        try:
            await self._start_all()
            if not self._stop.is_set():
                urls = " and ".join(url_of(one.getsockname(), self._scheme) for one in ports[0])
                print(
                    f"fastsio serves {urls} with {self.plan.count} workers (Ctrl+C stops it)",
                    file=sys.stderr, flush=True,
                )  # fmt: skip
                notifier.ready(f"serving {urls} with {self.plan.count} workers")
                self._spawn(self._keep_rolling())
                await self._stop.wait()
            notifier.stopping("closing clients", self._stop_takes_s)
        finally:
            close_ports(ports)
            if file is not None:
                remove_socket_file(*file)
            await self._end_all()
            shutil.rmtree(self.plan.folder, ignore_errors=True)
            notifier.close()

    def _spawn(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- signals -----------------------------------------------------------------------------

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_roll)

    def _on_stop(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            tell: Callable[[Child], None] = Child.ask_to_end if self._signals == 2 else Child.kill
            for child in (*self.children.values(), *self._old):
                tell(child)

    def _on_roll(self) -> None:
        self._roll.set()

    # --- starting ----------------------------------------------------------------------------

    async def _start_all(self) -> None:
        """All at once. The first that can't start ends the others."""
        starts = [self._spawn(self._start(number)) for number in range(self.plan.count)]
        stopped = self._spawn(self._stop.wait())
        waiting = set(starts)
        while waiting and not stopped.done():
            done, _ = await asyncio.wait({*waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for one in done & waiting:
                one.result()
            waiting -= done
        stopped.cancel()
        for one in waiting:
            one.cancel()

    async def _start(self, number: int) -> Child:
        """A worker of that number, which serves; watched from then on."""
        child = await Child.start(self._plan_of(number))
        self.children[number] = child
        self._spawn(self._watch(child, asyncio.get_running_loop().time()))
        return child

    def _plan_of(self, number: int) -> Plan:
        return Plan(**{**vars(self.plan), "number": number})

    async def _watch(self, child: Child, started_at: float) -> None:
        """Start it again when it ends without having been asked."""
        loop = asyncio.get_running_loop()
        status = await child.ended()
        self._old.discard(child)
        if child.is_asked or self._stop.is_set():
            return
        number = child.number
        if self.children.get(number) is child:
            del self.children[number]
        logger.error(
            "worker %d (process %d) ended with %s: a new one is started", number, child.pid, shown(status)
        )  # fmt: skip
        if loop.time() - started_at >= GOOD_S:
            self._pauses.pop(number, None)
        while not self._stop.is_set() and number not in self.children:
            await self._pause(number)
            if self._stop.is_set():
                return
            try:
                await self._start(number)
            except OSError as error:  # CantStart too, and no memory for one more process
                logger.error("%s; the others go on", error)

    async def _pause(self, number: int) -> None:
        """Nothing before the first new start, then ever longer."""
        seconds = self._pauses.get(number, 0.0)
        self._pauses[number] = min(max(seconds * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        if seconds:
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return

    # --- replacing ---------------------------------------------------------------------------

    async def _keep_rolling(self) -> None:
        while True:
            await self._roll.wait()
            self._roll.clear()
            await self._replace_all()

    async def _replace_all(self) -> None:
        """New workers for all, one after the other; where one can't start, the rest stay as they are."""
        logger.info("replacing %d workers", self.plan.count)
        for number in range(self.plan.count):
            old = self.children.get(number)
            try:
                await self._start(number)
            except OSError as error:
                logger.error("%s; the old ones go on", error)
                return
            if old is not None:
                self._old.add(old)
                old.ask_to_end()
                await self._end_old(old)
        print(f"fastsio: all {self.plan.count} workers are new ones", file=sys.stderr, flush=True)

    async def _end_old(self, old: Child) -> None:
        try:
            async with asyncio.timeout(self._stop_takes_s + GRACE_S):
                while old in self._old:
                    await old.process.wait()
                    self._old.discard(old)
        except TimeoutError:
            logger.error("worker %d does not end, and is killed", old.number)
            old.kill()

    # --- the end -----------------------------------------------------------------------------

    async def _end_all(self) -> None:
        """Let all workers drain; what has not ended in time is killed."""
        self._stop.set()
        # Those that are about to start are killed by that.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        children = [*self.children.values(), *self._old]
        for child in children:
            if not child.is_asked:
                child.ask_to_end()
        seconds = self._stop_takes_s + GRACE_S
        await asyncio.gather(*(child.end_within(seconds) for child in children))


def _file_at(path: str) -> tuple[str, int, int]:
    found = os.stat(path)
    return path, found.st_dev, found.st_ino

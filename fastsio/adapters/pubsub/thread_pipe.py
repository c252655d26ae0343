"""ThreadPipe: libraries that block, as a Pipe: one thread publishes, one listens."""

import asyncio
import logging
import queue
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

from fastsio.adapters.pubsub.pipe import Pipe, Took
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

FIRST_RETRY_S = 0.1
LAST_RETRY_S = 10.0
# What waits to be published; more than that is lost. What has come and waits for the loop: then nothing is read.
MAX_WAITING = 10_000
MAX_COME = 1_000
# How long stop() waits for what is not published yet.
STOP_S = 2.0


class ThreadPipe(Pipe):
    """publish(data) sends one message or raises; listen(ear) yields what comes, for ever.

    listen() calls ear.up() when it is subscribed, and ends soon when ear.is_stopping, which stop() does not wait for.
    If it raises, it is called again, after 0.1 to 10 seconds. listen=None: nothing is heard. close() lets go of what
    publish() has opened, in its thread. The threads are daemons.
    """

    def __init__(
        self, publish: Callable[[bytes], None], listen: "Callable[[Ear], Iterator[Any]] | None", name: str,
        close: Callable[[], None],
    ) -> None:  # fmt: skip
        self._publish = publish
        self._close = close
        self._listen = listen
        self._name = name
        self._waiting: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING)
        self._lost_here = self._lost_there = 0
        self._log = RareLog(logger)
        self._publisher: threading.Thread | None = None
        self._ear: Ear | None = None

    @property
    def lost(self) -> int:
        return self._lost_here + self._lost_there

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    @property
    def is_behind(self) -> bool:
        return self._waiting.unfinished_tasks > 0

    async def start(self, took: Took, changed: Callable[[bool], None]) -> None:
        name = f"fastsio-{self._name}"
        self._publisher = threading.Thread(target=self._keep_publishing, name=name, daemon=True)
        self._publisher.start()
        if self._listen is None:
            changed(True)
            return
        self._ear = Ear(self._listen, self._name, took, changed)
        threading.Thread(target=self._ear.keep_listening, name=name, daemon=True).start()
        await self._ear.ready.wait()

    async def stop(self) -> None:
        if self._ear is not None:
            self._ear.stop()
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            logger.warning("%s: %d messages are not sent", self._name, self._waiting.qsize())
        await asyncio.to_thread(publisher.join, STOP_S)

    def send(self, data: bytes) -> None:
        try:
            self._waiting.put_nowait(data)
        except queue.Full:
            self._lost_here += 1

    def _keep_publishing(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                self._publish(data)
            except Exception as error:  # noqa: BLE001 - of any library: counted, and logged
                self._lost_there += 1
                self._log.note("lost", "%s: messages are lost: %r", self._name, error)
            self._waiting.task_done()
        self._waiting.task_done()
        try:
            self._close()
        except Exception as error:  # noqa: BLE001 - of any library: the connection is gone, one way or the other
            logger.warning("%s: %r while its connection was closed", self._name, error)


class Ear:
    """Listens from start() to stop(), in a thread; what it hears is given away on the loop."""

    def __init__(
        self, listen: "Callable[[Ear], Iterator[Any]]", name: str, took: Took, changed: Callable[[bool], None]
    ) -> None:  # fmt: skip
        self._listen = listen
        self._name = name
        self._took = took
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._room = threading.Semaphore(MAX_COME)
        self._is_up = False
        # Set when it has been up once; on the loop.
        self.ready = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()

    def up(self) -> None:
        """It is subscribed now. From its thread."""
        if not self._is_up:
            self._is_up = True
            self._on_loop(self._tell, True)

    def keep_listening(self) -> None:
        """What the thread does."""
        delay_s = FIRST_RETRY_S
        while not self.is_stopping:
            error = self._hear()
            if self.is_stopping:
                return
            delay_s = FIRST_RETRY_S if self._is_up else min(2 * delay_s, LAST_RETRY_S)
            logger.warning("%s: nothing is heard, again in %.1f s: %r", self._name, delay_s, error)
            if self._is_up:
                self._is_up = False
                self._on_loop(self._tell, False)
            self._stopping.wait(delay_s * random.uniform(0.5, 1))

    def _hear(self) -> Exception:
        """Give away what comes, until something fails: what that is."""
        try:
            for message in self._listen(self):
                self._give(message)
                if self.is_stopping:
                    break
        except Exception as error:  # noqa: BLE001 - of any library: logged
            return error
        return ConnectionError("it has ended")

    def _give(self, message: Any) -> None:
        while not self._room.acquire(timeout=1):
            if self.is_stopping:
                return
        self._on_loop(self._take, message)

    def _on_loop(self, call: Callable[[Any], None], value: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, value)
        except RuntimeError:  # the loop was closed before stop(): nobody is there to hear of it
            self._stopping.set()

    def _take(self, message: Any) -> None:
        self._room.release()
        if not self.is_stopping:
            self._took(message)

    def _tell(self, is_up: bool) -> None:
        if is_up:
            self.ready.set()
        if not self.is_stopping:
            self._changed(is_up)

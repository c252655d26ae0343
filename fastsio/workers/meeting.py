"""Where workers find each other: a folder that only their user may enter, with a Unix socket for each.

A worker makes its own socket and looks who is there, both under a lock: whoever comes later sees it, so that each pair
is joined once, by the later one. That one connects, says who it is (a line of JSON) and sends two descriptors: an end
of a stream for messages (link.py), and one of a channel for connections (doors/passing.py). The answer is such a line.
The file of one that was killed is removed by who finds nobody there.
Source: unix(7) (SCM_RIGHTS, SO_PEERCRED), flock(2).
"""

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fastsio.doors.handover import (
    ANSWER_S,
    check_peer,
    connect_to,
    read_line,
    socket_of_number,
)
from fastsio.doors.listening import remove_socket_file

logger = logging.getLogger("fastsio.workers")

VERSION = 1
ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# 3,844 names: enough that one that is free is found at once, and short enough for the beginning of each session's id.
ID_SIZE = 2
TRIES = 1000
BACKLOG = 128
# After an attempt that failed though somebody is there.
RETRY_S = 1.0


class Word(NamedTuple):
    """What a worker says of itself: `id`, its name in sessions' ids; its number; its process; its server's uid."""

    id: str
    number: int
    pid: int
    uid: str

    def line(self) -> bytes:
        return json.dumps({"fastsio": VERSION, **self._asdict()}).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> "Word":
        """Raises ValueError for what is none, or of another version."""
        said = json.loads(line)
        if not isinstance(said, dict) or said.get("fastsio") != VERSION:
            raise ValueError(f"not a worker of version {VERSION}: {line!r}")
        word = cls(*(said.get(name) for name in cls._fields))  # type: ignore[arg-type]
        kinds = (str, int, int, str)
        if not all(isinstance(one, kind) for one, kind in zip(word, kinds, strict=True)):
            raise ValueError(f"not what a worker says of itself: {line!r}")
        return word


class Met(NamedTuple):
    """Another worker: its word, this end of the two that join it with this one, and whether this one has called."""

    word: Word
    stream: socket.socket
    channel: socket.socket
    has_called: bool


def make_folder(path: str) -> None:
    """Make the folder unless it is there. Raises PermissionError for one that others may enter or have made."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(
            f"{path!r}, where workers meet, must be a folder of this user alone (mode 700)"
        )


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Alone in a folder; nobody stays longer than it takes to make a file. Raises FileNotFoundError without one."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


class Meeting:
    """A worker's place in the folder: `id` is its name there. `on_met(met)` is called for each other worker.

    Make it, then `await join()`.
    """

    def __init__(self, folder: str, number: int, uid: str, on_met: Callable[[Met], None]) -> None:
        self.id = ""
        self._folder = folder
        self._about = (number, os.getpid(), uid)
        self._on_met = on_met
        self._listener: socket.socket | None = None
        self._file: tuple[str, int, int] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @property
    def word(self) -> Word:
        return Word(self.id, *self._about)

    async def join(self) -> None:
        """Be found, and find those that are here. Raises OSError if the folder can't be used."""
        with locked(self._folder):
            names = os.listdir(self._folder)
            self._listener = self._open(names)
        self._spawn(self._accept())
        await asyncio.gather(*(self._meet(name) for name in names))

    def _open(self, taken: list[str]) -> socket.socket:
        """A listening socket under a name that nobody has."""
        for _ in range(TRIES):
            name = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_SIZE))
            if name not in taken:
                break
        else:
            raise OSError(errno.ENOSPC, f"no name is free for one more worker in {self._folder!r}")
        path = os.path.join(self._folder, name)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(BACKLOG)
            listener.setblocking(False)
            found = os.stat(path)
        except OSError:
            listener.close()
            raise
        self.id, self._file = name, (path, found.st_dev, found.st_ino)
        return listener

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- going to another one ----------------------------------------------------------------

    async def _meet(self, name: str) -> None:
        """Meet the worker of that name; later, if it does not answer now."""
        if not await self._try_to_meet(name) and not self._is_closed:
            self._spawn(self._meet_later(name))

    async def _meet_later(self, name: str) -> None:
        await asyncio.sleep(RETRY_S)
        await self._meet(name)

    def meet_again(self, name: str) -> None:
        """What joined it with this one has ended, by whatever: see whether it is still there."""
        if not self._is_closed:
            self._spawn(self._meet(name))

    async def _try_to_meet(self, name: str) -> bool:
        """False if it must be tried again: somebody is there and does not answer."""
        path = os.path.join(self._folder, name)
        try:
            found = os.lstat(path)
            connection = await connect_to(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            logger.warning("worker %s can't be reached: %s", name, error)
            return False
        if connection is None:
            remove_socket_file(path, found.st_dev, found.st_ino)  # it was killed
            return True
        stream, its_stream = socket.socketpair()
        channel, its_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with connection, its_stream, its_channel:
            try:
                check_peer(connection)
                numbers = [its_stream.fileno(), its_channel.fileno()]
                socket.send_fds(connection, [self.word.line()], numbers)
                line, _ = await read_line(connection, ANSWER_S)
                met = Met(Word.read(line), stream, channel, True)
            except (OSError, TimeoutError, ValueError) as error:
                stream.close()
                channel.close()
                logger.warning("worker %s does not answer: %r", name, error)
                return False
        self._on_met(met)
        return True

    # --- being met ---------------------------------------------------------------------------

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._listener is not None
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # no descriptors left, for example
                logger.warning("can't meet other workers: %s", error)
                await asyncio.sleep(RETRY_S)
                continue
            connection.setblocking(False)
            self._spawn(self._be_met(connection))

    async def _be_met(self, connection: socket.socket) -> None:
        with connection:
            try:
                check_peer(connection)
                line, numbers = await read_line(connection, ANSWER_S)
            except (OSError, TimeoutError, ValueError) as error:
                logger.warning("a worker did not say who it is: %r", error)
                return
            sockets = [socket_of_number(number) for number in numbers]
            try:
                if not line and not sockets:
                    return  # it looked whether this one is here
                stream, channel = sockets
                met = Met(Word.read(line), stream, channel, False)
                # Its end of both is open while it waits for this: what it has given up has nobody at the other end.
                await asyncio.get_running_loop().sock_sendall(connection, self.word.line())
            except (OSError, ValueError) as error:
                for one in sockets:
                    one.close()
                logger.warning("a worker could not be met: %r", error)
                return
        self._on_met(met)

    async def close(self) -> None:
        """Be found no longer."""
        self._is_closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._listener is not None:
            self._listener.close()
        if self._file is not None:
            remove_socket_file(*self._file)
            with contextlib.suppress(OSError):  # others are there, or the supervisor removes it
                self._clear()
                os.rmdir(self._folder)

    def _clear(self) -> None:
        """Remove the files of those that were killed."""
        for name in os.listdir(self._folder):
            path = os.path.join(self._folder, name)
            found = os.lstat(path)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.setblocking(False)
                try:
                    probe.connect(path)
                except ConnectionRefusedError:
                    remove_socket_file(path, found.st_dev, found.st_ino)

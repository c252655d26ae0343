"""Handover: a new process takes the listening sockets over from the one that serves, and no connection is refused.

Both know the path of a Unix socket. The new process asks there and gets the descriptors (SCM_RIGHTS); when it accepts
connections it says so, and the old one stops accepting, says that too, and drains. If the new one ends before that, the
old one has noticed nothing. Lines of text, in this order:
  new -> old   {"fastsio": 1, "pid": …}
  old -> new   {"fastsio": 1, "pid": …, "sockets": n}      with n descriptors
  new -> old   ready                  it accepts, on the same sockets: nothing in the kernel's queue is lost. With one
                                      descriptor, of a channel for connections that are the other's (passing.py)
  old -> new   yours                  the old one does not accept any more, and is no longer asked at the path
Source: unix(7) (SCM_RIGHTS, SO_PEERCRED); the idea is HAProxy's "-x" and Envoy's hot restart.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

from fastsio.doors.listening import HAS_UNIX, bind_unix, remove_socket_file

logger = logging.getLogger("fastsio.serve")

VERSION = 1
# Only this user and root may ask.
MODE = 0o600
# How long the other side may take to answer what it answers at once.
ANSWER_S = 10.0
# How long a process that has the sockets may take to accept connections: it is there to start, not to wait.
READY_S = 120.0
MAX_LINE_BYTES = 4096
MAX_SOCKETS = 200
# What another thread starts in between must not get the descriptors.
CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
READY = b"ready"
YOURS = b"yours"
RETRY_S = 1.0


class HandoverFailed(OSError):
    """The process that serves did not hand its sockets over; it goes on serving."""


# --- the new process -----------------------------------------------------------------------------


class Takeover:
    """The sockets of the process that served until now (`sockets`, its `pid`); `await confirm()` when they are served.

    `neighbour`: a channel to it for passing.Neighbour, None where there can be none.
    """

    def __init__(
        self, path: str, channel: socket.socket, pid: int, sockets: list[socket.socket]
    ) -> None:
        self.pid = pid
        self.sockets = sockets
        self._path = path
        self._channel = channel
        # Our end, and the other's until it has it.
        self.neighbour, self._theirs = _channel_pair()

    async def confirm(self) -> None:
        """This process accepts connections: returns once the other does not any more.

        Raises HandoverFailed if that goes on serving: then this one must not.
        """
        theirs = [] if self._theirs is None else [self._theirs.fileno()]
        try:
            socket.send_fds(self._channel, [READY + b"\n"], theirs)
            answer, _ = await read_line(self._channel, ANSWER_S)
        except OSError as error:  # TimeoutError too
            answer = repr(error).encode()
        finally:
            self._channel.close()
            if self._theirs is not None:
                self._theirs.close()
        if answer != YOURS and await _is_served(self._path):
            raise HandoverFailed(f"process {self.pid} does not let go of its sockets: {answer!r}")

    def give_up(self) -> None:
        """The other process goes on as if it had never been asked."""
        for one in (self._channel, self.neighbour, self._theirs):
            if one is not None:
                one.close()
        for one in self.sockets:
            one.close()


async def ask(path: str) -> Takeover | None:
    """The sockets of the process that serves at `path`; None if there is none: then the server opens its own.

    Raises HandoverFailed for a process that serves and does not hand over, ValueError where there are no such sockets.
    """
    if not HAS_UNIX:
        raise ValueError(f"handover={path!r}: there are no Unix sockets here")
    channel = await connect_to(path)
    if channel is None:
        return None
    sockets: list[socket.socket] = []
    try:
        check_peer(channel)
        hello = json.dumps({"fastsio": VERSION, "pid": os.getpid()}).encode()
        await asyncio.get_running_loop().sock_sendall(channel, hello + b"\n")
        line, descriptors = await read_line(channel, ANSWER_S)
        sockets = [socket_of_number(number) for number in descriptors]
        if not line:
            raise HandoverFailed("it ended the conversation")
        said = _parsed(line)
        if not sockets or said.get("sockets") != len(sockets):
            raise HandoverFailed(
                f"{said.get('sockets')} sockets were promised, {len(sockets)} came"
            )
        return Takeover(path, channel, int(said["pid"]), sockets)
    except (OSError, TimeoutError, ValueError) as error:
        channel.close()
        for one in sockets:
            one.close()
        reason = str(error) or "it did not answer in time"
        raise HandoverFailed(f"the process at {path!r} does not hand over: {reason}") from error


async def connect_to(path: str) -> socket.socket | None:
    """A connection to whoever listens at a path, None if nobody does."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.setblocking(False)
    try:
        async with asyncio.timeout(ANSWER_S):
            await asyncio.get_running_loop().sock_connect(channel, path)
    except (FileNotFoundError, ConnectionRefusedError):
        channel.close()
        return None
    except (OSError, TimeoutError) as error:
        channel.close()
        raise HandoverFailed(f"{path!r}: {error or 'nobody accepts there'}") from error
    return channel


async def _is_served(path: str) -> bool:
    channel = await connect_to(path)
    if channel is not None:
        channel.close()
    return channel is not None


# --- the old process -----------------------------------------------------------------------------


class HandoverPoint:
    """The path at which this process may be asked for its sockets.

    `on_taken(pid, channel)` is called when another process serves them: it must stop accepting at once. The channel, or
    None, is for passing.Neighbour.
    """

    def __init__(
        self, path: str, sockets: Sequence[Any], on_taken: Callable[[int, socket.socket | None], None]
    ) -> None:  # fmt: skip
        """`sockets`: whatever has a fileno(). Raises OSError if the path can't be bound."""
        self._path = path
        self._sockets = sockets
        self._on_taken = on_taken
        self._listener = bind_unix(path, MODE)
        self._listener.setblocking(False)
        self._listener.listen()
        found = os.stat(path)
        self._file = (path, found.st_dev, found.st_ino)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        """Be asked no longer; a handover that is under way fails."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._leave()

    def _leave(self) -> None:
        if self._listener.fileno() >= 0:
            remove_socket_file(*self._file)
            self._listener.close()

    async def _serve(self) -> None:
        """One at a time; who asks meanwhile waits, and finds nobody if the one before was served."""
        loop = asyncio.get_running_loop()
        is_taken = False
        while not is_taken:
            try:
                channel, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # no descriptors left, for example
                logger.warning("%s: can't accept: %s", self._path, error)
                await asyncio.sleep(RETRY_S)
                continue
            with channel:
                channel.setblocking(False)
                try:
                    is_taken = await self._hand_over(channel)
                except (OSError, TimeoutError, ValueError) as error:
                    logger.warning("handover failed, this process goes on serving: %r", error)

    async def _hand_over(self, channel: socket.socket) -> bool:
        """Give the sockets to who asks; True once that serves them."""
        check_peer(channel)
        line, _ = await read_line(channel, ANSWER_S)
        if not line:
            return False  # somebody looked whether this process is here
        pid = int(_parsed(line)["pid"])
        said = {"fastsio": VERSION, "pid": os.getpid(), "sockets": len(self._sockets)}
        descriptors = [one.fileno() for one in self._sockets]
        socket.send_fds(channel, [json.dumps(said).encode() + b"\n"], descriptors)
        line, descriptors = await read_line(channel, READY_S)
        if line != READY:
            for number in descriptors:
                os.close(number)
            logger.warning("process %d did not take the sockets: this one goes on serving", pid)
            return False
        self._on_taken(pid, socket_of_number(descriptors[0]) if descriptors else None)
        self._leave()
        # From here on the other process serves, whatever becomes of this line.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(channel, YOURS + b"\n")
        return True


# --- both ----------------------------------------------------------------------------------------


async def read_line(channel: socket.socket, within_s: float) -> tuple[bytes, list[int]]:
    """The next line without its end, and the descriptors that came with it; b"" if the other side has gone.

    Raises TimeoutError, and ValueError for a line that is too long. What follows a line is not expected.
    """
    line = b""
    descriptors: list[int] = []
    try:
        async with asyncio.timeout(within_s):
            while not line.endswith(b"\n"):
                await _readable(channel)
                with contextlib.suppress(BlockingIOError):
                    data, more, _, _ = socket.recv_fds(
                        channel, MAX_LINE_BYTES, MAX_SOCKETS, CLOEXEC
                    )
                    descriptors += more
                    line += data
                    if not data:
                        break
                    if len(line) > MAX_LINE_BYTES:
                        raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
    except BaseException:
        for number in descriptors:
            os.close(number)
        raise
    return line.rstrip(b"\n"), descriptors


async def _readable(channel: socket.socket) -> None:
    """Until there is something to read; the loop's own reads know nothing of descriptors."""
    loop = asyncio.get_running_loop()
    news = loop.create_future()

    def tell() -> None:
        if not news.done():
            news.set_result(None)

    loop.add_reader(channel, tell)
    try:
        await news
    finally:
        loop.remove_reader(channel)


def _channel_pair() -> tuple[socket.socket | None, socket.socket | None]:
    """Two ends of a channel for passing.Neighbour; None and None where the system has none such (macOS)."""
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        logger.info("connections can't be passed between processes here: %s", error)
        return None, None


def _parsed(line: bytes) -> dict[str, Any]:
    """What a line says. Raises ValueError for one that is not of this protocol, or of another version."""
    said = json.loads(line)
    if (
        not isinstance(said, dict)
        or said.get("fastsio") != VERSION
        or not isinstance(said.get("pid"), int)
    ):
        raise ValueError(f"not a handover of version {VERSION}: {line!r}")
    return said


def socket_of_number(number: int) -> socket.socket:
    os.set_inheritable(number, False)
    return socket.socket(fileno=number)


def check_peer(channel: socket.socket) -> None:
    """The sockets go to the same user's processes and root's, whatever the file's permissions have become."""
    if not hasattr(socket, "SO_PEERCRED"):
        return  # not Linux: the permissions say it
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    if uid not in (0, os.geteuid()):
        raise PermissionError(f"a process of user {uid} is at the other end")

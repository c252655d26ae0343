"""What systemd gives to a service and wants to know of it: its sockets, and whether it is ready.

Without systemd none of the variables is set, and nothing happens here.
Source: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3); no library is needed for them.
"""

import asyncio
import logging
import os
import socket

from fastsio.doors.listening import socket_of_fd

logger = logging.getLogger("fastsio.serve")

# sd_listen_fds(3): the first descriptor is this one.
FIRST_FD = 3
LISTEN_NAMES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def activated_sockets() -> list[socket.socket]:
    """The sockets that systemd has opened for this process (socket activation), in its order; [] if it has not.

    They are given once: the variables are removed, so that what the application starts does not take them for its own.
    Raises ValueError for variables that make no sense.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []  # nobody's, or meant for a process before this one
    count = os.environ.get("LISTEN_FDS", "")
    for name in LISTEN_NAMES:
        os.environ.pop(name, None)
    if not (count.isascii() and count.isdigit()) or int(count) < 1:
        raise ValueError(f"LISTEN_FDS={count!r}: how many sockets systemd has opened, 1 or more")
    return [socket_of_fd(fd) for fd in range(FIRST_FD, FIRST_FD + int(count))]


class Notifier:
    """Tells systemd the state of this service (Type=notify), and that it is alive (WatchdogSec=)."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._watchdog_s = _watchdog_s()
        self._timer: asyncio.TimerHandle | None = None

    def ready(self, status: str) -> None:
        """It serves. From now on the running loop says every half WatchdogSec that it is not blocked."""
        self._tell("READY=1", f"STATUS={status}")
        if self._address and self._watchdog_s:
            self._beat(asyncio.get_running_loop())

    def stopping(self, status: str, within_s: float) -> None:
        """It stops, and that may take so many seconds: more than TimeoutStopSec, if need be."""
        self._tell("STOPPING=1", f"STATUS={status}", f"EXTEND_TIMEOUT_USEC={int(within_s * 1e6)}")

    def close(self) -> None:
        """No more signs of life."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tell("WATCHDOG=1")
        self._timer = loop.call_later(self._watchdog_s / 2, self._beat, loop)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" stands for the first byte of an abstract name.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
                one.setblocking(False)
                one.sendto("\n".join(lines).encode(), address)
        except OSError as error:  # it serves all the same
            logger.warning("systemd can't be told %s at %r: %s", lines[0], self._address, error)


def _watchdog_s() -> float:
    """How often systemd wants to hear of this process, 0 for never."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds or (pid and pid != str(os.getpid())):
        return 0.0
    if not (microseconds.isascii() and microseconds.isdigit()):
        raise ValueError(f"WATCHDOG_USEC={microseconds!r}: microseconds")
    return int(microseconds) / 1e6

"""Accepting that backs off on asyncio's own loop where no descriptor is left.

asyncio calls accept() as often as its backlog is long, also when the first call has said that there is no descriptor:
with ours 2,048 log lines and timers, each second. uvloop (libuv) sheds such connections by itself.
Source: asyncio's BaseSelectorEventLoop._accept_connection(), accept(2).
"""

import asyncio
import errno
import socket
import time
import weakref
from typing import Any

SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# asyncio waits a second until it tries again; what comes sooner is the same round.
ROUND_S = 0.5

_failed_at: "weakref.WeakKeyDictionary[socket.socket, float]" = weakref.WeakKeyDictionary()


class PatientSocket(socket.socket):
    """A listening socket that says once a round that it can't accept, and then that nobody is there."""

    __slots__ = ()

    def accept(self) -> Any:
        if time.monotonic() - _failed_at.get(self, -ROUND_S) < ROUND_S:
            raise BlockingIOError
        try:
            return super().accept()
        except OSError as error:
            if error.errno in SHORTAGES:
                _failed_at[self] = time.monotonic()
            raise


def make_patient(listener: asyncio.AbstractServer) -> None:
    """Let a server's sockets be PatientSockets, where asyncio itself calls accept() on them."""
    for wrapper in getattr(listener, "sockets", ()):
        inner = getattr(wrapper, "_sock", None)
        if type(inner) is socket.socket:
            inner.__class__ = PatientSocket

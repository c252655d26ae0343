"""Accepting that backs off: a listening socket whose accept() fails, and asyncio above it."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from fastsio.doors import patience
from fastsio.doors.patience import PatientSocket, make_patient
from harness import until

ASYNCIO = pytest.mark.asyncio(loop_factories=["asyncio"])


async def listen() -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        asyncio.Protocol, "127.0.0.1", 0, backlog=64
    )


@pytest.fixture
def failing(monkeypatch):
    """`failing(errno)`: accept() fails so from now on, None: not any more. `failing.calls` counts."""

    class Failing:
        error: int | None = None
        calls = 0

        def __call__(self, error: int | None) -> None:
            self.error = error

    state = Failing()
    real = socket.socket.accept

    def accept(self):
        state.calls += 1
        if state.error is not None:
            raise OSError(state.error, "no")
        return real(self)

    monkeypatch.setattr(socket.socket, "accept", accept)
    return state


@ASYNCIO
async def test_a_shortage_is_said_once_a_round_and_clients_come_in_after_it(failing, monkeypatch):
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.05)
    monkeypatch.setattr(patience, "ROUND_S", 0.02)
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    listener = await listen()
    make_patient(listener)
    failing(errno.EMFILE)
    address = listener.sockets[0].getsockname()
    _, writer = await asyncio.open_connection(*address)
    await asyncio.sleep(0.2)
    assert 2 <= len(said) <= 5
    assert failing.calls == len(said)
    failing(None)
    await until(lambda: failing.calls > len(said), "it is accepted")
    writer.close()
    listener.close()


@ASYNCIO
@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EPERM])
async def test_other_failures_are_passed_on_each_time(error, failing):
    listener = await listen()
    make_patient(listener)
    failing(error)
    sock = listener.sockets[0]._sock
    assert isinstance(sock, PatientSocket)
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            sock.accept()
    listener.close()


def test_what_is_no_socket_of_asyncios_stays_what_it_is():
    class Listener:
        sockets = (object(),)

    make_patient(Listener())
    make_patient(object())

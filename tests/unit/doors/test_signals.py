"""Hearing of a server's exit: whose handlers are preceded, and that they are given back."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fastsio.doors.signals import ExitWatch, StopSignals
from harness import until


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Server:
    """As uvicorn's: its handler notes that it should exit."""

    def __init__(self) -> None:
        self.should_exit = False
        signal.signal(signal.SIGTERM, self.handle_exit)

    def handle_exit(self, number: int, frame: Any) -> None:
        self.should_exit = True


async def test_signal_reaches_the_server_and_us() -> None:
    server, heard = Server(), []
    watch = ExitWatch(lambda: heard.append(1))
    watch.arm(asyncio.get_running_loop())
    watch.arm(asyncio.get_running_loop())
    signal.raise_signal(signal.SIGTERM)
    assert server.should_exit
    await until(lambda: heard, "the call")
    await asyncio.sleep(0)
    assert heard == [1]
    watch.disarm()
    assert signal.getsignal(signal.SIGTERM) == server.handle_exit


async def test_handler_of_the_loop_is_called_too() -> None:
    loop, heard = asyncio.get_running_loop(), []
    loop.add_signal_handler(signal.SIGTERM, lambda: heard.append("server"))
    watch = ExitWatch(lambda: heard.append("we"))
    watch.arm(loop)
    try:
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: len(heard) == 2, "both calls")
        assert sorted(heard) == ["server", "we"]
    finally:
        watch.disarm()
        loop.remove_signal_handler(signal.SIGTERM)


@pytest.mark.parametrize("theirs", [signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
async def test_process_that_just_ends_is_left_alone(theirs: Any) -> None:
    signal.signal(signal.SIGTERM, theirs)
    signal.signal(signal.SIGINT, theirs)
    watch = ExitWatch(lambda: None)
    watch.arm(asyncio.get_running_loop())
    assert signal.getsignal(signal.SIGTERM) == theirs and signal.getsignal(signal.SIGINT) == theirs
    watch.disarm()


async def test_two_applications_of_a_server_both_hear() -> None:
    server, heard = Server(), []
    first, second = ExitWatch(lambda: heard.append(1)), ExitWatch(lambda: heard.append(2))
    first.arm(asyncio.get_running_loop())
    second.arm(asyncio.get_running_loop())
    signal.raise_signal(signal.SIGTERM)
    await until(lambda: len(heard) == 2, "both calls")
    assert server.should_exit
    second.disarm()
    first.disarm()
    assert signal.getsignal(signal.SIGTERM) == server.handle_exit


async def test_handler_installed_after_ours_stays() -> None:
    Server()
    watch = ExitWatch(lambda: None)
    watch.arm(asyncio.get_running_loop())
    later = Server()
    watch.disarm()
    assert signal.getsignal(signal.SIGTERM) == later.handle_exit


async def test_other_threads_leave_signals_alone() -> None:
    server = Server()
    watch = ExitWatch(lambda: None)
    loop = asyncio.get_running_loop()
    for action in (lambda: watch.arm(loop), watch.disarm):
        thread = threading.Thread(target=action)
        thread.start()
        thread.join()
    assert signal.getsignal(signal.SIGTERM) == server.handle_exit


async def test_loop_that_is_closed_is_not_called() -> None:
    server, heard = Server(), []
    closed = asyncio.new_event_loop()
    watch = ExitWatch(lambda: heard.append(1))
    watch.arm(closed)
    closed.close()
    signal.raise_signal(signal.SIGTERM)
    assert server.should_exit and not heard
    watch.disarm()


class Stream:
    """As hypercorn's: its send() is a method, and its context has the event."""

    def __init__(self) -> None:
        self.context = self
        self.terminated = asyncio.Event()

    async def app_send(self, message: Any) -> None:
        raise AssertionError


async def test_event_of_hypercorn_is_heard(watch: Any) -> None:
    stream, heard = Stream(), []
    exit_watch = ExitWatch(lambda: heard.append(1))
    exit_watch.arm(asyncio.get_running_loop(), stream.app_send)
    exit_watch.arm(asyncio.get_running_loop(), stream.app_send)
    await asyncio.sleep(0)
    stream.terminated.set()
    await until(lambda: heard, "the call")
    await asyncio.sleep(0)
    assert heard == [1]


async def test_event_of_hypercorn_is_waited_for_no_longer(watch: Any) -> None:
    stream = Stream()
    exit_watch = ExitWatch(lambda: pytest.fail("called"))
    exit_watch.arm(asyncio.get_running_loop(), stream.app_send)
    await asyncio.sleep(0)
    exit_watch.disarm()


# --- our own server -------------------------------------------------------------------------------


async def test_first_signal_stops_the_next_hurries_and_then_they_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    hurried: list[int] = []
    with StopSignals() as signals:
        signals.hurry = lambda: hurried.append(1)
        stopped = asyncio.ensure_future(signals.stop_or(asyncio.Event()))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stopped, 5)
        assert hurried == []
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: hurried, "the second signal")
        assert signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, before)


async def test_signal_after_a_handover_is_a_second_one() -> None:
    hurried: list[int] = []
    other = asyncio.Event()
    with StopSignals() as signals:
        signals.hurry = lambda: hurried.append(1)
        other.set()
        await signals.stop_or(other)
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: hurried, "the signal")


async def test_without_anything_to_hurry_the_first_signal_gives_them_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        stopped = asyncio.ensure_future(signals.stop_or(asyncio.Event()))
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stopped, 5)
        assert signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def serve() -> None:
        stop = asyncio.Event()
        stop.set()
        with StopSignals() as signals:
            assert signal.getsignal(signal.SIGTERM) == before
            await signals.stop_or(stop)

    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - the test raises it
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert failures == []

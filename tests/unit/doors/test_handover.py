"""Handover of listening sockets: who serves when, whatever either side does. Both sides are in the test's process.

With processes, under load and with official clients: faults/test_drain_handover.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastsio
from fastsio.doors import handover
from fastsio.doors.handover import HandoverFailed, HandoverPoint, ask
from harness import CLOSE, MS, FakePeer, http, until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's process")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "handover.sock")


def is_there(path: str) -> bool:
    return os.path.exists(path)


def mode_of(path: str) -> int:
    return os.stat(path).st_mode & 0o777


def app(name: str) -> fastsio.IO:
    io = fastsio.IO()
    io.on("connection", lambda one: one.on("who", lambda: name))
    return io


async def who(url: str) -> str:
    """The name of the application that serves there."""
    peer = await FakePeer(url).open()
    await peer.connect()
    await peer.send('420["who"]')
    answer = str(await peer.receive())
    await peer.close()
    return json.loads(answer[3:])[0]


# --- it works -------------------------------------------------------------------------------------


async def test_next_server_has_the_port_and_the_one_before_its_clients(serve, path):
    first = await serve(app("first"), handover=path)
    staying = await FakePeer(first.url).open()
    await staying.connect()
    second = await serve(app("second"), handover=path, port=5999)
    assert second.port == first.port
    assert first.replaced.is_set()
    for _ in range(20):
        assert await who(second.url) == "second"
    await staying.send('420["who"]')
    assert await staying.receive() == '430["first"]'
    closing = asyncio.ensure_future(first.close())
    assert await staying.ws.receive() == (CLOSE, b"")
    await staying.close()
    await closing
    assert await who(second.url) == "second"


async def test_it_may_be_handed_on(serve, path):
    servers = [await serve(app("0"), handover=path)]
    for number in range(1, 4):
        servers.append(await serve(app(str(number)), handover=path))
        await servers[-2].close()
        assert await who(servers[0].url) == str(number)
    assert is_there(path)
    await servers[-1].close()
    assert not is_there(path)


async def test_several_sockets_go_over_together(serve, path, tmp_path):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    first = await serve(app("first"), sock=sockets, handover=path)
    second = await serve(app("second"), handover=path)
    assert second.urls == first.urls
    await first.close()
    for url in second.urls:
        assert await who(url) == "second"


async def test_file_of_a_unix_socket_is_the_last_servers_to_remove(serve, path, tmp_path):
    uds = tmp_path / "server.sock"
    first = await serve(app("first"), uds=str(uds), handover=path)
    second = await serve(app("second"), uds=str(uds), handover=path)
    await first.close()
    reader, writer = await asyncio.open_unix_connection(str(uds))
    writer.write(b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 400 Bad Request\r\n"
    writer.close()
    await writer.wait_closed()
    await second.close()
    assert not uds.exists()


async def test_listening_socket_of_a_handover_is_not_inherited(serve, path):
    first = await serve(app("first"), handover=path)
    taken = await ask(path)
    assert taken is not None
    assert taken.pid == os.getpid()
    assert not any(os.get_inheritable(one.fileno()) for one in taken.sockets)
    taken.give_up()
    assert await who(first.url) == "first"


async def test_path_is_for_this_user_alone(serve, path):
    await serve(app("first"), handover=path)
    assert mode_of(path) == 0o600


async def test_without_a_server_it_begins_as_ever(serve, path):
    first = await serve(app("first"), handover=path)
    assert await who(first.url) == "first"
    assert not first.replaced.is_set()


async def test_file_that_a_killed_process_has_left_is_nobody(serve, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    first = await serve(app("first"), handover=path)
    assert await who(first.url) == "first"


# --- the new one fails ----------------------------------------------------------------------------


@pytest.mark.fault(
    "a new process takes the sockets over and ends before it is ready",
    "the old one serves on, and the next one may try",
)
async def test_new_one_that_ends_before_it_is_ready_changes_nothing(serve, path, caplog):
    first = await serve(app("first"), handover=path)
    taken = await ask(path)
    assert taken is not None
    taken.give_up()
    assert await who(first.url) == "first"
    assert not first.replaced.is_set()
    await until(lambda: "this one goes on serving" in caplog.text, "a word in the log")
    second = await serve(app("second"), handover=path)
    assert await who(second.url) == "second"


@pytest.mark.fault(
    "a new process asks for the sockets and is silent",
    "after a time the old one gives it up and serves on",
)
async def test_new_one_that_does_not_get_ready_is_given_up(serve, path, monkeypatch, caplog):
    monkeypatch.setattr(handover, "READY_S", 50 * MS)
    first = await serve(app("first"), handover=path)
    taken = await ask(path)
    assert taken is not None
    await until(lambda: "handover failed" in caplog.text, "it is given up")
    with pytest.raises(HandoverFailed, match="does not let go"):
        await taken.confirm()
    for one in taken.sockets:
        one.close()
    assert await who(first.url) == "first"


async def test_new_server_that_was_given_up_does_not_serve(serve, path, monkeypatch, caplog):
    """The one that was too late ends, and nothing of it is left."""
    monkeypatch.setattr(handover, "READY_S", 50 * MS)
    first = await serve(app("first"), handover=path)
    confirm = handover.Takeover.confirm

    async def late(takeover: Any) -> None:
        await until(lambda: "handover failed" in caplog.text, "it is given up")
        await confirm(takeover)

    monkeypatch.setattr(handover.Takeover, "confirm", late)
    second = app("second")
    with pytest.raises(HandoverFailed):
        await serve(second, handover=path)
    assert second.hub.engine is None
    for _ in range(20):
        assert await who(first.url) == "first"


@pytest.mark.parametrize(
    "words", [b"x\n", b"{}\n", b'{"fastsio": 99, "pid": 1}\n', b'{"fastsio": 1}\n', b"[" * 5000]
)
async def test_words_that_are_none_are_logged_and_nothing_happens(serve, path, words, caplog):
    first = await serve(app("first"), handover=path)
    _, writer = await asyncio.open_unix_connection(path)
    writer.write(words)
    await until(lambda: "handover failed, this process goes on" in caplog.text, "a warning")
    writer.close()
    assert await who(first.url) == "first"
    second = await serve(app("second"), handover=path)
    assert await who(second.url) == "second"


async def test_who_asks_while_another_takes_over_waits_and_gets_nothing_it_did_not_take(
    serve, path
):
    await serve(app("first"), handover=path)
    taken = await ask(path)
    assert taken is not None
    waiting = asyncio.ensure_future(ask(path))
    await asyncio.sleep(5 * MS)
    assert not waiting.done()
    taken.give_up()
    next_one = await waiting
    assert next_one is not None
    assert len(next_one.sockets) == 1
    next_one.give_up()


async def test_server_that_stops_can_be_asked_no_longer(serve, path):
    first = await serve(app("first"), handover=path)
    taken = await ask(path)
    await first.close()
    assert taken is not None
    assert not is_there(path)
    assert await ask(path) is None
    taken.give_up()


# --- the old one fails ----------------------------------------------------------------------------


async def fake_old_one(path: str, play: Any) -> asyncio.Server:
    """A process at `path` that answers with play(channel, reader, writer)."""

    async def serve_one(reader: Any, writer: Any) -> None:
        await play(reader, writer)
        writer.close()

    return await asyncio.start_unix_server(serve_one, path)


def promise(writer: Any, sockets: list[socket.socket]) -> None:
    """Send the sockets, by a descriptor of our own: transports show no socket that can do it."""
    fd = os.dup(writer.get_extra_info("socket").fileno())
    line = json.dumps({"fastsio": 1, "pid": 4711, "sockets": len(sockets)}).encode() + b"\n"
    with socket.socket(fileno=fd) as channel:
        socket.send_fds(channel, [line], [one.fileno() for one in sockets])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "it ended the conversation"),
        (b"no\n", "does not hand over"),
        (b'{"fastsio": 2, "pid": 1, "sockets": 1}\n', "not a handover of version 1"),
        (b'{"fastsio": 1, "pid": 1, "sockets": 1}\n', "1 sockets were promised, 0 came"),
    ],
)
async def test_old_one_that_answers_nonsense_is_an_error(path, answer, message, serve):
    async def play(reader: Any, writer: Any) -> None:
        await reader.readline()
        writer.write(answer)

    old = await fake_old_one(path, play)
    with pytest.raises(HandoverFailed, match=message):
        await serve(app("second"), handover=path)
    old.close()


@pytest.mark.fault(
    "the process that serves hangs when it is asked for its sockets",
    "the new one fails with a clear error after 10 s",
)
async def test_old_one_that_does_not_answer_is_an_error(path, monkeypatch):
    monkeypatch.setattr(handover, "ANSWER_S", 30 * MS)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen()
        with pytest.raises(HandoverFailed, match="it did not answer in time"):
            await ask(path)


@pytest.mark.fault(
    "the old process dies at the moment of the handover",
    "the new one, which has the sockets, serves",
)
async def test_old_one_that_dies_when_it_hears_ready_leaves_the_sockets_to_the_new_one(serve, path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = asyncio.Event()

        async def play(reader: Any, writer: Any) -> None:
            await reader.readline()
            promise(writer, [listening])
            assert await reader.readline() == b"ready\n"
            old.close()
            with contextlib.suppress(FileNotFoundError):  # asyncio removes it from 3.13 on
                os.unlink(path)
            ended.set()

        old = await fake_old_one(path, play)
        second = await serve(app("second"), handover=path)
        await ended.wait()
        assert second.port == listening.getsockname()[1]
    assert await who(second.url) == "second"


async def test_new_one_serves_though_its_own_path_cant_be_bound(serve, path, watch, monkeypatch):
    first = await serve(app("first"), handover=path)

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(HandoverPoint, "__init__", refuse)
    second = await serve(app("second"), handover=path)
    watch.expect_error("the next process can't take over")
    await first.close()
    assert await who(second.url) == "second"


async def test_first_one_fails_if_its_path_cant_be_bound(serve, tmp_path):
    io = app("first")
    with pytest.raises(OSError, match="no/such/folder"):
        await serve(io, handover=str(tmp_path / "no/such/folder/x"))
    assert io.hub.engine is None


@ROOT_ONLY
async def test_another_users_process_gets_nothing(serve, tmp_path, caplog):
    folder = Path("/tmp") / f"fastsio-handover-{os.getpid()}"
    folder.mkdir(mode=0o755)
    path = folder / "h"
    try:
        first = await serve(app("first"), handover=str(path))
        path.chmod(0o666)  # as if somebody had made it so
        code = (
            "import os,socket,sys; os.setuid(65534); s=socket.socket(socket.AF_UNIX);"
            "s.connect(sys.argv[1]); print(s.recv(9))"
        )
        command = [sys.executable, "-c", code, str(path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True)
        assert done.stdout == b"b''\n", done.stderr
        assert "a process of user 65534" in caplog.text
        assert await who(first.url) == "first"
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()


# --- stopping and replacing -----------------------------------------------------------------------


async def test_server_that_was_replaced_gives_its_clients_a_second_even_without_drain_seconds(
    serve, path
):
    first = await serve(app("first"), handover=path)
    peers = [await FakePeer(first.url).open() for _ in range(3)]
    for peer in peers:
        await peer.connect()
    await serve(app("second"), handover=path)
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    await first.drain()
    assert 0.5 < loop.time() - began_at < 2
    for peer in peers:
        assert await peer.ws.receive() == (CLOSE, b"")
        await peer.close()


async def test_pages_are_the_new_servers_at_once(serve, path):
    first = await serve(app("first"), handover=path, pages={"/": "first"})
    assert (await http(first.url, "GET", "/")).body == b"first"
    await serve(app("second"), handover=path, pages={"/": "second"})
    for _ in range(20):
        assert (await http(first.url, "GET", "/")).body == b"second"

"""The folder where workers meet: who may, and what is left there by those that were killed."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from fastsio.workers.meeting import ID_ALPHABET, Meeting, Met, Word, make_folder
from harness import until

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's process")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = str(tmp_path / "meet")
    make_folder(path)
    return path


class Guest:
    """A meeting, and whom it has met."""

    def __init__(self, folder: str, number: int) -> None:
        self.met: list[Met] = []
        self.meeting = Meeting(folder, number, f"uid{number}", self.met.append)

    async def close(self) -> None:
        await self.meeting.close()
        for met in self.met:
            met.stream.close()
            met.channel.close()


async def test_each_pair_is_joined_once_however_they_come(folder: str) -> None:
    guests = [Guest(folder, number) for number in range(6)]
    await asyncio.gather(*(guest.meeting.join() for guest in guests))
    await until(lambda: all(len(guest.met) == 5 for guest in guests), "all have met")
    for guest in guests:
        numbers = sorted(met.word.number for met in guest.met)
        assert numbers == [n for n in range(6) if n != guest.meeting.word.number]
        assert all(met.word.pid == os.getpid() for met in guest.met)
    calls = sum(met.has_called for guest in guests for met in guest.met)
    assert calls == 15
    ids = {guest.meeting.id for guest in guests}
    assert len(ids) == 6
    assert all(len(id) == 2 and set(id) <= set(ID_ALPHABET) for id in ids)
    for guest in guests:
        await guest.close()
    assert os.path.basename(folder) not in os.listdir(os.path.dirname(folder))


async def test_what_they_have_of_each_other_are_the_two_ends_of_the_same(folder: str) -> None:
    a, b = Guest(folder, 0), Guest(folder, 1)
    await a.meeting.join()
    await b.meeting.join()
    await until(lambda: a.met, "it was met")
    a.met[0].stream.send(b"1")
    a.met[0].channel.send(b"2")
    b.met[0].stream.setblocking(True)
    b.met[0].channel.setblocking(True)
    assert (b.met[0].stream.recv(9), b.met[0].channel.recv(9)) == (b"1", b"2")
    for guest in (a, b):
        await guest.close()


async def test_socket_of_one_that_was_killed_is_removed(folder: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.path.join(folder, "zz"))
    guest = Guest(folder, 0)
    await guest.meeting.join()
    assert os.listdir(folder) == [guest.meeting.id]
    await guest.close()


@pytest.mark.fault(
    "somebody at the place where workers meet does not answer, or says nothing sensible",
    "the worker goes on without it, logs that, and asks again every second",
)
async def test_one_that_does_not_answer_is_asked_again(folder: str, monkeypatch, caplog) -> None:
    from fastsio.workers import meeting

    monkeypatch.setattr(meeting, "ANSWER_S", 0.05)
    monkeypatch.setattr(meeting, "RETRY_S", 0.02)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.path.join(folder, "zz"))
        silent.listen()
        guest = Guest(folder, 0)
        await guest.meeting.join()
        assert "worker zz does not answer" in caplog.text
        await until(lambda: caplog.text.count("does not answer") > 2, "it is asked again")
    await guest.close()
    assert guest.met == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x\n",
        b"[]\n",
        b'{"fastsio": 2}\n',
        b'{"fastsio": 1, "id": 1, "number": 1, "pid": 1, "uid": ""}\n',
    ],
)
async def test_who_does_not_say_who_it_is_is_not_met(folder: str, line: bytes) -> None:
    guest = Guest(folder, 0)
    await guest.meeting.join()
    reader, writer = await asyncio.open_unix_connection(os.path.join(folder, guest.meeting.id))
    writer.write(line)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert guest.met == []
    await guest.close()


@ROOT_ONLY
@pytest.mark.fault(
    "another user's process asks a worker for its connections",
    "it can't enter the folder; if it could, the kernel's word on who it is would refuse it",
)
async def test_another_user_is_refused(caplog) -> None:
    folder = tempfile.mkdtemp()
    guest = Guest(folder, 0)
    await guest.meeting.join()
    path = os.path.join(folder, guest.meeting.id)
    assert "PermissionError" in (await as_another_user(path)).stderr
    for name, mode in ((folder, 0o755), (path, 0o777)):
        await asyncio.to_thread(os.chmod, name, mode)
    await as_another_user(path)
    await until(lambda: "a process of user 65534" in caplog.text, "the refusal")
    assert guest.met == []
    await guest.close()


async def as_another_user(path: str) -> subprocess.CompletedProcess[str]:
    program = "import os,socket,sys;os.setuid(65534);s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.recv(9)"
    return await asyncio.to_thread(
        subprocess.run,
        ["/usr/bin/env", "python3", "-c", program, path],
        capture_output=True,
        text=True,
    )


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir(0o755)
    with pytest.raises(PermissionError, match="mode 700"):
        make_folder(str(path))
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        make_folder(str(link))


def test_a_word_is_read_as_it_was_written() -> None:
    word = Word("ab", 3, 17, "uid")
    assert Word.read(word.line()) == word

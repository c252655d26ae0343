"""Where a server listens: given sockets, descriptors and paths, and clear words for what is none.

Through fastsio.start() where it matters that clients get in.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fastsio
from fastsio.doors import listening
from fastsio.doors.listening import Place, bind_unix, remove_socket_file, socket_of_fd
from harness import http, request_bytes


@pytest.fixture
def tcp():
    one = socket.create_server(("127.0.0.1", 0))
    yield one
    one.close()


async def status_at(path: str) -> bytes:
    """The status line of an answer over a Unix socket."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request_bytes("GET", "/socket.io/"))
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line


# --- given sockets --------------------------------------------------------------------------------


async def test_given_socket_is_served(serve, tcp):
    server = await serve(fastsio.IO(), sock=tcp, port=5999)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.port == tcp.getsockname()[1]
    assert (await http(server.url, "GET", "/socket.io/")).status == 400
    await server.close()
    assert tcp.fileno() == -1, "it is the server's, and closed with it"


async def test_bound_socket_that_does_not_listen_yet_is_served(serve):
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = await serve(fastsio.IO(), sock=bound)
    assert (await http(server.url, "GET", "/socket.io/")).status == 400


async def test_several_sockets_are_served_by_one_server(serve, tmp_path):
    path = str(tmp_path / "s")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    sockets.append(bind_unix(path))
    server = await serve(fastsio.IO(), sock=sockets)
    assert len(server.urls) == 3
    assert server.urls[2] == f"unix:{path}"
    for url in server.urls[:2]:
        assert (await http(url, "GET", "/socket.io/")).status == 400
    assert await status_at(path) == b"HTTP/1.1 400 Bad Request\r\n"


async def test_descriptor_is_served_and_not_inherited(serve, tcp):
    fd = os.dup(tcp.fileno())
    os.set_inheritable(fd, True)
    server = await serve(fastsio.IO(), fd=fd)
    assert (await http(server.url, "GET", "/socket.io/")).status == 400
    assert not os.get_inheritable(fd)


# --- Unix sockets ---------------------------------------------------------------------------------


async def test_unix_socket_has_its_mode_and_goes_with_the_server(serve, tmp_path):
    path = tmp_path / "server.sock"
    server = await serve(fastsio.IO(), uds=str(path))
    assert (server.url, server.host, server.port) == (f"unix:{path}", str(path), 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert await status_at(str(path)) == b"HTTP/1.1 400 Bad Request\r\n"
    await server.close()
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o600, 0o666])
async def test_unix_sockets_mode_may_be_chosen(serve, tmp_path, mode):
    path = tmp_path / "server.sock"
    await serve(fastsio.IO(), uds=str(path), uds_mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode


async def test_client_on_a_unix_socket_is_known_as_its_proxy_says(serve, tmp_path):
    io = fastsio.IO(trusted_proxies=["unix"])
    addresses = []
    io.on("connection", lambda one: addresses.append(one.handshake.address))
    path = str(tmp_path / "s")
    await serve(io, uds=path)
    reader, writer = await asyncio.open_unix_connection(path)
    headers = {"X-Forwarded-For": "198.51.100.7"}

    async def ask(method: str, target: str, body: bytes | None = None) -> bytes:
        writer.write(request_bytes(method, target, body, headers))
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return await reader.readexactly(size)

    opened = await ask("GET", "/socket.io/?EIO=4&transport=polling")
    sid = opened.partition(b'"sid":"')[2].partition(b'"')[0].decode()
    target = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    assert await ask("POST", target, b"40") == b"ok"
    await ask("GET", target)
    await ask("POST", target, b"1")
    assert addresses == ["198.51.100.7"]
    writer.close()
    await writer.wait_closed()


@pytest.mark.fault(
    "a process was killed and has left the file of its Unix socket",
    "the next one sees that nobody listens there, and replaces it",
)
async def test_file_that_a_killed_process_has_left_is_replaced(serve, tmp_path):
    path = tmp_path / "server.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    await serve(fastsio.IO(), uds=str(path))
    assert await status_at(str(path)) == b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.fault(
    "a second server is started on a Unix socket that is served",
    "it fails with a clear error, and the first one serves on",
)
async def test_path_on_which_somebody_listens_is_refused(serve, tmp_path):
    path = tmp_path / "server.sock"
    await serve(fastsio.IO(), uds=str(path))
    with pytest.raises(OSError, match=r"server\.sock.*in use"):
        await serve(fastsio.IO(), uds=str(path))
    assert await status_at(str(path)) == b"HTTP/1.1 400 Bad Request\r\n"


async def test_file_that_is_no_socket_is_left_alone(serve, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="is no socket"):
        await serve(fastsio.IO(), uds=str(path))
    assert path.read_text() == "mine"


async def test_path_that_cant_be_bound_is_named(serve, tmp_path):
    with pytest.raises(OSError, match="no/such/folder"):
        await serve(fastsio.IO(), uds=str(tmp_path / "no/such/folder"))
    with pytest.raises(OSError, match="too long"):
        await serve(fastsio.IO(), uds=str(tmp_path / ("x" * 200)))


async def test_file_of_another_server_is_not_removed(serve, tmp_path):
    path = tmp_path / "server.sock"
    server = await serve(fastsio.IO(), uds=str(path))
    path.unlink()
    with bind_unix(str(path)):
        await server.close()
        assert path.exists()


def test_removing_a_file_that_is_gone_is_no_error(tmp_path: Path):
    remove_socket_file(str(tmp_path / "gone"), 1, 1)


# --- what is refused ------------------------------------------------------------------------------


def test_one_way_to_say_where_is_enough(tcp):
    with pytest.raises(ValueError, match=r"^sock and uds: give one of them$"):
        Place("", 0, sock=tcp, uds="/x").check()
    with pytest.raises(ValueError, match=r"^fd and uds: give one of them$"):
        Place("", 0, fd=3, uds="/x").check()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Place("", -1), "port -1: 0 to 65535"),
        (Place("", 65536), "port 65536: 0 to 65535"),
        (Place("", 0, uds="/x", uds_mode=0o1777), "uds_mode=0o1777: permissions, 0 to 0o777"),
        (Place("", 0, sock=[]), r"sock=\[\]: no socket to listen on"),
        (Place("", 0, sock=[7]), "sock: 7 is no socket"),
    ],
)
def test_place_that_is_none_is_refused(place, message):
    with pytest.raises(ValueError, match=message):
        place.check()


def test_datagram_socket_is_refused():
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        with pytest.raises(ValueError, match="is no stream socket of TCP or Unix"):
            Place("", 0, sock=one).check()
        fd = one.fileno()
        with pytest.raises(ValueError, match=f"fd={fd} is no stream socket"):
            socket_of_fd(fd)
        assert one.getsockname(), "it is still open"


@pytest.mark.parametrize("fd", [-1, True, "3"])
def test_number_that_is_no_descriptor_is_refused(fd):
    with pytest.raises(ValueError, match="the number of an open descriptor"):
        socket_of_fd(fd)


def test_descriptor_that_is_not_open_or_no_socket_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^fd=9999: Bad file descriptor$"):
        socket_of_fd(9999)
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(ValueError, match=rf"^fd={file.fileno()}: "):
            socket_of_fd(file.fileno())
        file.write("still open")


# --- an address that need not be looked up ---------------------------------------------------------

THREADS = """
import asyncio, os, uvloop
import fastsio

async def main():
    server = await fastsio.start(fastsio.IO(), host=HOST, port=0)
    print(server.host, len(os.listdir("/proc/self/task")))
    await server.close()

asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_numeric_address_needs_no_thread(host: str):
    pytest.importorskip("uvloop")
    done = subprocess.run(
        [sys.executable, "-c", THREADS.replace("HOST", repr(host))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [host, "1"], done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_address_that_is_taken_is_named(serve, tcp, host):
    port = tcp.getsockname()[1]
    with pytest.raises(OSError, match=f"can't listen on '127.0.0.1', port {port}: ") as failed:
        await serve(fastsio.IO(), host=host, port=port)
    assert failed.value.errno == errno.EADDRINUSE


async def test_address_of_another_host_is_named(serve):
    with pytest.raises(OSError, match=r"can't listen on '192\.0\.2\.1', port 0: Cannot assign"):
        await serve(fastsio.IO(), host="192.0.2.1", port=0)


HERE = (socket.AF_INET, ("127.0.0.1", 0))
SWITCHED_OFF = (socket.AF_INET, ("192.0.2.1", 0))


@pytest.mark.parametrize(
    "found", [[HERE, SWITCHED_OFF], [SWITCHED_OFF, HERE]], ids=["last", "first"]
)
async def test_address_of_a_family_that_is_switched_off_is_left_out(monkeypatch, found):
    monkeypatch.setattr(listening, "addresses_of", lambda *args: found)
    (one,) = await listening.bind_all("both", 0)
    assert one.getsockname()[0] == "127.0.0.1"
    one.close()


async def test_host_of_which_no_address_can_be_bound_is_refused(monkeypatch):
    monkeypatch.setattr(listening, "addresses_of", lambda *args: [SWITCHED_OFF, SWITCHED_OFF])
    with pytest.raises(OSError, match=r"can't listen on '192\.0\.2\.1'"):
        await listening.bind_all("none", 0)

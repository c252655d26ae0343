"""Where a server listens: an address, the path of a Unix socket, or sockets that somebody else has opened.

Source: unix(7), POSIX bind(); the options are called as uvicorn's and gunicorn's are.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import stat
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fastsio import _wire
from fastsio._handles import wires_of
from fastsio.doors.patience import make_patient
from fastsio.doors.tls import listener_options

logger = logging.getLogger("fastsio.serve")

BACKLOG = 2048
# Owner and group: a proxy in the server's group may connect.
UDS_MODE = 0o660
# How long a file of a socket is given to show that nobody listens on it any more.
ANSWER_S = 1.0
# IPv6 where it is disabled.
SWITCHED_OFF = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
HAS_UNIX = hasattr(socket, "AF_UNIX")


class Listeners:
    """The listening sockets of a server (`sockets`); `host`, `port` and `url` are the first one's, `urls` all.

    A Unix socket has its path for its host, port 0, and a url that begins with "unix:".
    """

    def __init__(self, servers: Sequence[Any], scheme: str) -> None:
        self._servers = servers
        self.sockets: list[Any] = [one for server in servers for one in server.sockets]
        names = [one.getsockname() for one in self.sockets]
        self.urls = [url_of(name, scheme) for name in names]
        self.url = self.urls[0]
        self.host, self.port = _address_of(names[0])
        # Files that go when the server has stopped: (path, device, inode).
        self._files: list[tuple[str, int, int]] = []

    def own_files(self) -> None:
        """The files of the Unix sockets are removed by close(), if they still are those sockets' then."""
        for one in self.sockets:
            name = one.getsockname()
            if isinstance(name, str) and name:
                found = os.stat(name)
                self._files.append((name, found.st_dev, found.st_ino))

    def disown_files(self) -> None:
        """Leave the files where they are: another process listens now."""
        self._files.clear()

    def close(self) -> None:
        """Listen no longer. Connections that were accepted are not touched; a second call does nothing."""
        for server in self._servers:
            server.close()
        while self._files:
            remove_socket_file(*self._files.pop())


class Place(NamedTuple):
    """Where start() was told to listen; see there."""

    host: str
    port: int
    sock: socket.socket | Sequence[socket.socket] | None = None
    fd: int | None = None
    uds: str | None = None
    uds_mode: int = UDS_MODE

    def check(self) -> None:
        """Raises ValueError for more than one way to say where, and for a sock that is none."""
        named = (("sock", self.sock), ("fd", self.fd), ("uds", self.uds))
        given = [name for name, value in named if value is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: give one of them")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port}: 0 to 65535")
        if not 0 <= self.uds_mode <= 0o777:
            raise ValueError(f"uds_mode={self.uds_mode:#o}: permissions, 0 to 0o777")
        for one in self._given():
            if not isinstance(one, socket.socket):
                raise ValueError(f"sock: {one!r} is no socket")
            _check_kind(one, f"sock: {one!r}")
        if self.sock is not None and not self._given():
            raise ValueError("sock=[]: no socket to listen on")

    def sockets(self) -> list[socket.socket] | None:
        """The sockets to listen on, None for host and port.

        Raises ValueError for a descriptor that is no stream socket, OSError for a path that can't be bound.
        """
        if self.uds is not None:
            return [bind_unix(self.uds, self.uds_mode)]
        if self.fd is not None:
            return [socket_of_fd(self.fd)]
        return self._given() or None

    def _given(self) -> list[socket.socket]:
        if self.sock is None:
            return []
        return [self.sock] if isinstance(self.sock, socket.socket) else list(self.sock)


def socket_of_fd(fd: int) -> socket.socket:
    """The socket of an open descriptor, which is its own from now on: closing it closes the descriptor.

    Raises ValueError, naming the descriptor, if it is not open, no socket, or none that can listen.
    """
    if isinstance(fd, bool) or not isinstance(fd, int) or fd < 0:
        raise ValueError(f"fd={fd!r}: the number of an open descriptor")
    try:
        one = socket.socket(fileno=fd)
    except OSError as error:
        raise ValueError(f"fd={fd}: {error.strerror}") from None
    try:
        _check_kind(one, f"fd={fd}")
    except ValueError:
        one.detach()
        raise
    # What the application starts must not keep the port.
    os.set_inheritable(fd, False)
    return one


def _check_kind(one: socket.socket, what: str) -> None:
    families = [socket.AF_INET, socket.AF_INET6, *([socket.AF_UNIX] if HAS_UNIX else [])]
    if one.family not in families or one.type != socket.SOCK_STREAM:
        raise ValueError(f"{what} is no stream socket of TCP or Unix")


def bind_unix(path: str, mode: int = UDS_MODE) -> socket.socket:
    """A socket bound to a path, not yet listening; a file is replaced if it is a socket on which nobody listens.

    `mode`: the file's permissions; who may write may connect. Raises OSError if the path can't be bound, ValueError
    where there are no such sockets.
    """
    if not HAS_UNIX:
        raise ValueError(f"uds={path!r}: there are no Unix sockets here")
    _clear_the_way(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(path)
        # Before it listens: until then nobody can connect, whatever the file says.
        os.chmod(path, mode)
    except OSError as error:
        one.close()
        raise _cant_listen(repr(path), error) from error
    return one


def bind_tcp(family: int, address: Any, *options: tuple[int, int, int]) -> socket.socket:
    """A socket bound to an address as getaddrinfo() has it, not yet listening.

    `options`: what setsockopt() is given before that. Raises OSError, which names the address, if it can't be bound.
    """
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it lets another process take the port
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in options:
            one.setsockopt(*option)
        one.bind(address)
    except OSError as error:
        one.close()
        raise _cant_listen(f"{address[0]!r}, port {address[1]}", error) from error
    return one


def bind_each(
    addresses: Sequence[tuple[int, Any]], *options: tuple[int, int, int]
) -> list[socket.socket]:
    """A socket for each (family, address); `options` as for bind_tcp(). Raises OSError if one can't be bound.

    Of several those of a family that is switched off are left out, as long as there is another one.
    """
    bound: list[socket.socket] = []
    for family, address in addresses:
        try:
            bound.append(bind_tcp(family, address, *options))
        except OSError as error:
            if error.errno in SWITCHED_OFF and (bound or address != addresses[-1][1]):
                continue
            for one in bound:
                one.close()
            raise
    return bound


async def bind_all(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`, "" for all that this system has; see bind_each().

    A numeric address is not looked up. uvloop would do that in threads of libuv, four that then stay. In a process that
    has threads system calls count references and malloc() locks: 36 us and not 34 for the echo of a single connection
    (bench/load, medians of 51).
    """
    try:
        addresses = addresses_of(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        addresses = await asyncio.to_thread(addresses_of, host, port)
    return bind_each(addresses)


def addresses_of(host: str, port: int, flags: int = 0) -> list[tuple[int, Any]]:
    """(family, address) of each address that a host has; waits for the look-up. Raises OSError for none."""
    found = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | flags
    )
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))


def _cant_listen(where: str, error: OSError) -> OSError:
    """An error of the same kind that names the place."""
    text = f"can't listen on {where}: {error.strerror or error}"
    return OSError(text) if error.errno is None else OSError(error.errno, text)


def _clear_the_way(path: str) -> None:
    """Remove what a process has left that was killed; raises OSError for anything else that is in the way."""
    try:
        found = os.lstat(path)
    except OSError:
        return  # bind() says what is wrong, if anything is
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"can't listen on {path!r}: it exists, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            remove_socket_file(path, found.st_dev, found.st_ino)
        except OSError as error:
            raise _cant_listen(repr(path), error) from error
        else:
            raise OSError(
                f"can't listen on {path!r}: address already in use, a process listens there"
            )


def remove_socket_file(path: str, device: int, inode: int) -> None:
    """Remove a socket's file unless another one is there by now."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == (device, inode):
            os.unlink(path)


async def listen(
    make: Callable[[], Any], host: str, port: int, sockets: Sequence[socket.socket] | None,
    context: ssl.SSLContext | None, handshake_s: float,
) -> Listeners:  # fmt: skip
    """Serve with protocols of `make()` on `sockets`, or on host and port if they are None.

    `handshake_s`: what a TLS handshake may take. Raises OSError if it can't listen; the sockets that were given are
    closed then.
    """
    wires = wires_of(asyncio.get_running_loop()) if context is None else None
    if sockets is None:
        sockets = await bind_all(host, port)
    listeners: list[Any] = []
    try:
        for one in sockets:
            if wires is not None:
                listeners.append(_wire.listen(wires, one, make, BACKLOG))
            else:
                listeners.append(await _listen_by_loop(make, one, context, handshake_s))
    except BaseException:
        for listener in listeners:
            listener.close()
        for one in sockets:
            one.close()
        raise
    return Listeners(listeners, "http" if context is None else "https")


async def adopt(make: Callable[[], Any], sock: socket.socket) -> Any:
    """Serve a connection that somebody else has accepted, without TLS, with a protocol of `make()`, which is returned.

    Raises OSError if it can't be served, ValueError if it is no stream; the socket stays open then.
    """
    loop = asyncio.get_running_loop()
    wires = wires_of(loop)
    if wires is not None:
        return _wire.adopt(wires, sock, make)
    _, protocol = await loop.connect_accepted_socket(make, sock)
    return protocol


async def _listen_by_loop(
    make: Callable[[], Any], one: socket.socket, context: ssl.SSLContext | None, handshake_s: float
) -> asyncio.Server:
    """With the event loop's own transports."""
    loop = asyncio.get_running_loop()
    is_unix = HAS_UNIX and one.family == socket.AF_UNIX
    create: Any = loop.create_unix_server if is_unix else loop.create_server
    # Since 3.13 the loop removes the file, also of a socket that another process goes on listening on.
    keep: dict[str, Any] = (
        {"cleanup_socket": False} if is_unix and sys.version_info >= (3, 13) else {}
    )
    tls = listener_options(context, handshake_s)
    server: asyncio.Server = await create(make, sock=one, backlog=BACKLOG, **tls, **keep)
    make_patient(server)
    return server


class Listening:
    """Listens on sockets besides a server's own, from now on until close(). They stay open; copies are closed.

    make, context, handshake_s: as for listen().
    """

    def __init__(
        self, make: Callable[[], Any], context: ssl.SSLContext | None, handshake_s: float,
        sockets: Sequence[socket.socket],
    ) -> None:  # fmt: skip
        self._listeners: Listeners | None = None
        copies = [one.dup() for one in sockets]
        self._task = asyncio.get_running_loop().create_task(
            self._listen(make, copies, context, handshake_s)
        )

    async def _listen(
        self, make: Callable[[], Any], copies: list[socket.socket], context: ssl.SSLContext | None, handshake_s: float
    ) -> None:  # fmt: skip
        try:
            self._listeners = await listen(make, "", 0, copies, context, handshake_s)
        except OSError as error:
            logger.warning("can't listen for another worker: %s", error)

    def close(self) -> None:
        """Connections that were accepted are not touched."""
        self._task.cancel()
        if self._listeners is not None:
            self._listeners.close()


def url_of(name: Any, scheme: str) -> str:
    """The URL of a listening socket's name, without a path."""
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    return f"unix:{_address_of(name)[0]}"


def _address_of(name: Any) -> tuple[str, int]:
    """A socket's name as host and port; a Unix socket's path has port 0, and "@" for an abstract one's first byte."""
    if isinstance(name, tuple):
        return name[0], name[1]
    return (name if isinstance(name, str) else "@" + name[1:].decode(errors="replace")), 0

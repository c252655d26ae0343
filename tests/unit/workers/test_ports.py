"""The listening sockets of workers: how connections are spread, and that a port is not shared with strangers."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from fastsio.doors.listening import Place
from fastsio.workers.ports import open_ports

WORKERS = 4


def opened(place: Place) -> list[list[socket.socket]]:
    return open_ports(place, WORKERS)


def close(ports: list[list[socket.socket]]) -> None:
    for of_worker in ports:
        for one in of_worker:
            one.close()


def test_connections_are_spread_over_the_workers_sockets() -> None:
    ports = opened(Place("127.0.0.1", 0))
    address = ports[0][0].getsockname()
    assert {one.getsockname() for of_worker in ports for one in of_worker} == {address}
    clients = []
    for _ in range(200):
        clients.append(socket.create_connection(address))
        clients[-1].sendall(b"x")  # accepted with the first bytes
    counts = []
    for (one,) in ports:
        one.setblocking(False)
        accepted = []
        while True:
            try:
                accepted.append(one.accept()[0])
            except BlockingIOError:
                break
        counts.append(len(accepted))
        for connection in accepted:
            connection.close()
    for client in clients:
        client.close()
    close(ports)
    assert sum(counts) == 200
    assert min(counts) >= 20, counts


def test_a_port_on_which_others_listen_is_refused() -> None:
    ports = opened(Place("127.0.0.1", 0))
    port = ports[0][0].getsockname()[1]
    with pytest.raises(OSError, match=f"port {port}") as caught:
        opened(Place("127.0.0.1", port))
    assert caught.value.errno == errno.EADDRINUSE
    close(ports)
    close(opened(Place("127.0.0.1", port)))


def test_all_listen_on_what_is_given(tmp_path: Path) -> None:
    ports = opened(Place("", 0, uds=str(tmp_path / "s")))
    assert len({one.fileno() for of_worker in ports for one in of_worker}) == 1
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
    close(ports)


def test_each_address_of_a_host_has_a_socket() -> None:
    ports = opened(Place("localhost", 0))
    families = {one.family for one in ports[0]}
    assert all({one.family for one in of_worker} == families for of_worker in ports)
    close(ports)


def test_an_address_of_a_family_that_is_switched_off_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = (socket.AF_INET, ("127.0.0.1", 0))
    switched_off = (socket.AF_INET, ("192.0.2.1", 0))
    monkeypatch.setattr("fastsio.workers.ports.addresses_of", lambda *_: [switched_off, here])
    places = opened(Place("both", 0))
    names = {one.getsockname() for of_worker in places for one in of_worker}
    assert len(names) == 1 and names.pop()[0] == "127.0.0.1"
    close(places)
    monkeypatch.setattr("fastsio.workers.ports.addresses_of", lambda *_: [switched_off])
    with pytest.raises(OSError, match=r"can't listen on '192\.0\.2\.1'"):
        opened(Place("none", 0))

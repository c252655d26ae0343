"""Where a server listens on UDP: at the addresses of its TCP sockets, or where it is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from fastsio.webtransport.listener import udp_addresses, udp_socket


@pytest.fixture
def listening() -> Iterator[Any]:
    with ExitStack() as stack:

        def make(family: int, address: Any) -> socket.socket:
            made = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            made.bind(address)
            return made

        yield make


def test_address_is_that_of_each_tcp_socket(listening):
    one = listening(socket.AF_INET, ("127.0.0.1", 0))
    two = listening(socket.AF_INET, ("127.0.0.2", 0))
    assert udp_addresses([one, two], None, None) == [
        (socket.AF_INET, one.getsockname()),
        (socket.AF_INET, two.getsockname()),
    ]


def test_host_and_port_may_be_others(listening):
    tcp = listening(socket.AF_INET, ("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    assert udp_addresses([tcp], None, 443) == [(socket.AF_INET, ("127.0.0.1", 443))]
    assert udp_addresses([tcp, tcp], "0.0.0.0", None) == [(socket.AF_INET, ("0.0.0.0", port))]
    assert udp_addresses([tcp], "::1", 443) == [(socket.AF_INET6, ("::1", 443))]


def test_unix_socket_has_no_address_for_it(listening, tmp_path):
    tcp = listening(socket.AF_UNIX, str(tmp_path / "socket"))
    with pytest.raises(ValueError, match="host=None, port=None: both are needed beside a Unix"):
        udp_addresses([tcp], None, None)
    with pytest.raises(ValueError, match="both are needed"):
        udp_addresses([tcp], "127.0.0.1", None)
    assert udp_addresses([tcp], "127.0.0.1", 443) == [(socket.AF_INET, ("127.0.0.1", 443))]


def test_socket_that_can_not_be_bound_is_closed():
    with (
        udp_socket(socket.AF_INET, ("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        udp_socket(socket.AF_INET, taken.getsockname())

"""Whose request it is: the peer's, or where trusted proxies say that it came from."""

from __future__ import annotations

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine.origin import Origin, is_trusted, origin_of
from fastsio.options import Options
from harness import FakePeer

PROXY = "10.0.0.1"


def origin(headers: dict[str, str], trusted: object = None, peer: str = PROXY) -> Origin:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    parsed = Options(trusted_proxies=trusted).trusted_proxies
    return origin_of(Request("GET", b"/", raw), peer, False, parsed)


LYING = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "Forwarded": "for=203.0.113.9;proto=https",
    "Host": "chat.example",
}


@pytest.mark.parametrize("trusted", [None, [], ["10.0.0.2"], ["192.168.0.0/16", "unix"]])
def test_peer_that_is_not_trusted_is_the_client_whatever_it_says(trusted):
    assert origin(LYING, trusted) == (PROXY, "http", "chat.example")


def test_scheme_of_a_connection_over_tls_is_https():
    assert origin_of(Request("GET", b"/", []), "", True, None) == ("", "https", None)


@pytest.mark.parametrize(
    "trusted", [[PROXY], ["10.0.0.0/8"], "10.0.0.0/8", ("unix", "10.0.0.1"), "*"]
)
def test_trusted_proxy_is_believed(trusted):
    assert origin(LYING, trusted) == ("203.0.113.9", "https", "evil.example")


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("203.0.113.9,10.0.0.3,10.0.0.2", "203.0.113.9"),
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),  # what the client wrote itself stands further left
        ("1.2.3.4, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("10.0.0.4, 10.0.0.3", "10.0.0.4"),  # all trusted: the farthest
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("unknown", PROXY),  # the proxy does not say: the last address that is known
        ("203.0.113.9, unknown", PROXY),
        ("nonsense, 10.0.0.3", "10.0.0.3"),
        ("", PROXY),
        (",", PROXY),
        ("999.1.1.1", PROXY),
    ],
)
def test_right_most_address_that_is_not_trusted_is_the_clients(forwarded_for, address):
    assert origin({"X-Forwarded-For": forwarded_for}, "10.0.0.0/8").address == address


def test_with_a_star_the_left_most_address_is_the_clients():
    assert origin({"X-Forwarded-For": "1.2.3.4, 5.6.7.8"}, "*").address == "1.2.3.4"


@pytest.mark.parametrize(
    ("addresses", "schemes", "scheme"),
    [
        ("1.1.1.1", "https", "https"),
        ("1.1.1.1", "wss", "https"),
        ("1.1.1.1", "HTTPS", "https"),
        ("1.1.1.1", "ws", "http"),
        ("1.1.1.1", "gopher", "http"),
        ("1.1.1.1, 10.0.0.3", "https, http", "https"),  # one for each address
        ("9.9.9.9, 1.1.1.1, 10.0.0.3", "http, https, http", "https"),
        ("1.1.1.1, 10.0.0.3", "https", "https"),  # the nearest proxy's word
        ("9.9.9.9, 1.1.1.1", "http, http, https", "https"),
        ("unknown", "https", "https"),
    ],
)
def test_scheme_is_what_was_said_of_the_clients_own_connection(addresses, schemes, scheme):
    headers = {"X-Forwarded-For": addresses, "X-Forwarded-Proto": schemes}
    assert origin(headers, "10.0.0.0/8").scheme == scheme


def test_scheme_and_host_count_without_an_address():
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}
    assert origin(headers, PROXY) == (PROXY, "https", "a.example")


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("for=203.0.113.9", ("203.0.113.9", "http", None)),
        (
            'For="203.0.113.9:80"; Proto=HTTPS ;host=a.example',
            ("203.0.113.9", "https", "a.example"),
        ),
        ('for="[2001:db8:cafe::17]:4711"', ("2001:db8:cafe::17", "http", None)),
        ("for=1.2.3.4, for=203.0.113.9;proto=https, for=10.0.0.3", ("203.0.113.9", "https", None)),
        ("for=_hidden;proto=https", (PROXY, "https", None)),
        ("for=203.0.113.9, for=unknown", (PROXY, "http", None)),
        ('for=203.0.113.9;by="a, b;for=6.6.6.6"', ("203.0.113.9", "http", None)),
        ('for=203.0.113.9;host="a\\"b"', ("203.0.113.9", "http", 'a"b')),
        ("proto=https", (PROXY, "https", None)),
        (",;=", (PROXY, "http", None)),
        ('for="203.0.113.9', (PROXY, "http", None)),
    ],
)
def test_forwarded_is_read_as_rfc_7239_has_it(forwarded, expected):
    """RFC 7239 4; its values may be quoted (RFC 9110 5.6.4)."""
    assert origin({"Forwarded": forwarded}, "10.0.0.0/8") == expected


def test_forwarded_is_the_clients_own_word_where_the_proxy_writes_x_forwarded_for():
    headers = {"Forwarded": "for=6.6.6.6", "X-Forwarded-For": "203.0.113.9"}
    assert origin(headers, PROXY).address == "203.0.113.9"


def test_repeated_headers_are_one_list():
    request = Request(
        "GET", b"/", [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-for", b"203.0.113.9")]
    )
    trusted = Options(trusted_proxies=PROXY).trusted_proxies
    assert origin_of(request, PROXY, False, trusted).address == "203.0.113.9"


@pytest.mark.parametrize(
    ("address", "names", "expected"),
    [
        ("", ["unix"], True),
        ("", ["10.0.0.0/8"], False),
        ("", ["*"], True),
        ("::ffff:10.0.0.1", ["10.0.0.0/8"], True),  # an IPv4 client of a socket for both kinds
        ("::1", ["::1"], True),
        ("::1", ["127.0.0.0/8"], False),
        ("10.0.0.1", ["::/0"], False),
        ("no address", ["0.0.0.0/0"], False),
    ],
)
def test_addresses_are_trusted_by_kind(address, names, expected):
    assert is_trusted(address, Options(trusted_proxies=names).trusted_proxies) is expected


def test_peer_on_a_unix_socket_may_be_trusted():
    assert origin({"X-Forwarded-For": "203.0.113.9"}, "unix", peer="").address == "203.0.113.9"


# --- what applications see -----------------------------------------------------------------------


@pytest.mark.parametrize("trusted", [None, "127.0.0.1"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_remote_addr_of_a_connect_handler_is_the_clients(serve, trusted, transport):
    sio = fastsio.AsyncServer(trusted_proxies=trusted)
    environs = []
    sio.on("connect", lambda sid, environ: environs.append(environ))
    server = await serve(sio)
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    peer = await FakePeer(server.url, transport, headers=headers).open()
    await peer.connect()
    (environ,) = environs
    expected = ("127.0.0.1", "http") if trusted is None else ("203.0.113.9", "https")
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == expected
    assert environ["HTTP_X_FORWARDED_FOR"] == "203.0.113.9"
    await peer.close()


@pytest.mark.feature("1.4 remote address")
@pytest.mark.parametrize("trusted", [None, "127.0.0.1"])
async def test_address_of_nodes_handshake_is_the_peers_or_behind_trusted_proxies_the_clients(
    serve, trusted
):
    io, seen = fastsio.IO(trusted_proxies=trusted), []
    io.on("connection", lambda socket: seen.append(socket.handshake))
    server = await serve(io)
    headers = {"Forwarded": "for=203.0.113.9;proto=https"}
    peer = await FakePeer(server.url, headers=headers).open()
    await peer.connect()
    found = [(handshake.address, handshake.secure) for handshake in seen]
    assert found == [("127.0.0.1", False) if trusted is None else ("203.0.113.9", True)]
    await peer.close()

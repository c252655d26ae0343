"""Where a request really comes from: behind proxies that are trusted, what they say; else the peer itself.

Source: RFC 7239 (`Forwarded`); X-Forwarded-For, -Proto and -Host as nginx, HAProxy and Traefik write them. Read only
when somebody asks: a connect costs nothing more for it.
"""

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from fastsio._http import Request

ANY = "*"
UNIX = "unix"
# What may stand in `trusted_proxies`, as options has parsed it.
Trusted = tuple[str | ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Origin(NamedTuple):
    """A request's client: its `address` ("" on a Unix socket), "http" or "https", and the host that it asked for."""

    address: str
    scheme: str
    host: str | None


class Hop(NamedTuple):
    """What one proxy says about the request that it got; None for what it does not say."""

    address: str | None
    scheme: str | None
    host: str | None


def origin_of(request: Request, peer: str, is_secure: bool, trusted: Trusted | None) -> Origin:
    """The client of `request`, which came from the address `peer`.

    The chain is walked from the peer outwards for as long as each address is in `trusted`; the first one that is not
    is the client's. X-Forwarded-For goes before Forwarded: where a proxy writes the one, the other is the client's own.
    """
    origin = Origin(peer, "https" if is_secure else "http", request.header("host"))
    if trusted is None or not is_trusted(peer, trusted):
        return origin
    for hop in _hops(request):
        origin = Origin(
            hop.address or origin.address, hop.scheme or origin.scheme, hop.host or origin.host
        )
        if hop.address is None or not is_trusted(hop.address, trusted):
            break
    return origin


def is_trusted(address: str, trusted: Trusted) -> bool:
    """True if what comes from `address` may say where it got it from; "" is a Unix socket's."""
    if ANY in trusted:
        return True
    if not address:
        return UNIX in trusted
    number = _number(address)
    return number is not None and any(
        number in network for network in trusted if not isinstance(network, str)
    )


def _number(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return None
    # A socket that listens for both kinds shows IPv4 clients so.
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return number if mapped is None else mapped


def _hops(request: Request) -> Iterator[Hop]:
    """What the proxies say, the nearest one first."""
    addresses = _values(request, "x-forwarded-for")
    forwarded = request.header("forwarded")
    if not addresses and forwarded:
        yield from _forwarded(forwarded)
        return
    addresses = addresses or ["unknown"]
    schemes = _values(request, "x-forwarded-proto")
    hosts = _values(request, "x-forwarded-host")
    for distance, address in enumerate(reversed(addresses), 1):
        # A list as long as that of the addresses says it for each; a shorter one is the nearest proxy's word for all.
        scheme = schemes[-distance if len(schemes) == len(addresses) else -1] if schemes else ""
        host = hosts[-distance if len(hosts) == len(addresses) else -1] if hosts else None
        yield Hop(_node(address), SCHEMES.get(scheme.lower()), host)


def _values(request: Request, name: str) -> list[str]:
    value = request.header(name)
    return [] if not value else [part.strip() for part in value.split(",")]


def _forwarded(header: str) -> Iterator[Hop]:
    """The elements of a Forwarded header (RFC 7239 4), the last one first."""
    for element in reversed(_split(header, ",")):
        pairs: dict[str, str] = {}
        for pair in _split(element, ";"):
            name, _, value = pair.partition("=")
            pairs[name.strip().lower()] = _unquoted(value.strip())
        yield Hop(
            _node(pairs.get("for", "")),
            SCHEMES.get(pairs.get("proto", "").lower()),
            pairs.get("host"),
        )


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that are not inside of quotes (RFC 9110 5.6.4)."""
    parts, start, is_quoted, is_escaped = [], 0, False, False
    for at, char in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted and char == "\\":
            is_escaped = True
        elif char == '"':
            is_quoted = not is_quoted
        elif char == separator and not is_quoted:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def _node(text: str) -> str | None:
    """The address in a node's name, without its port; None if it has none ("unknown", "_hidden")."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None

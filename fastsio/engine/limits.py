"""Who may open a session: how many each address, and how many a second.

An engine without these options has no Arrivals and asks nobody. A client's address is what trusted proxies tell of it
(origin.py); a client that has none, on a Unix socket without such a proxy, is counted in the total alone. Of IPv6 the
/64 network is one address, as that is the least that a subscriber gets (RFC 6177 2).
Source: RFC 6585 4 (429), RFC 9110 15.6.4 (503), 10.2.3 (Retry-After).
"""

import ipaddress
import math
from collections.abc import Callable, MutableSet
from typing import TYPE_CHECKING, Any

import orjson

from fastsio.engine.errors import FORBIDDEN
from fastsio.engine.origin import is_trusted, origin_of
from fastsio.engine.ports import Exchange, Request

if TYPE_CHECKING:
    from fastsio.engine.engine import Engine
    from fastsio.engine.session import Session

TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503
PER_ADDRESS = "max_connections_per_address"
RATE = "max_connection_rate"
RATE_PER_ADDRESS = "max_connection_rate_per_address"
# A session may have a held GET, a POST and the WebSocket that takes over, each on a connection of its own; browsers
# open six to a host for what pages consist of.
CONNECTIONS_PER_SESSION = 3
SPARE_CONNECTIONS = 6
# A bucket that is full again need not be kept: they are looked through when so many more have come.
PRUNE_AT = 1024


def place_of(address: str) -> str:
    """What an address is counted under: itself, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        number = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:  # some servers have other names for a peer
        return address
    # A socket that listens for both kinds shows IPv4 clients so.
    if number.ipv4_mapped is not None:
        return str(number.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(number) >> 64 << 64))


class Bucket:
    """`burst` tokens, and `rate` new ones a second. `tokens` as they were at the time `at`."""

    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.at = now

    def take(self, now: float) -> float:
        """Take a token; 0, or how many seconds it takes until there is one."""
        tokens = self.tokens_at(now)
        self.at = now
        if tokens >= 1:
            self.tokens = tokens - 1
            return 0
        self.tokens = tokens
        return (1 - tokens) / self.rate

    def tokens_at(self, now: float) -> float:
        return min(self.burst, self.tokens + (now - self.at) * self.rate)


class Buckets:
    """A bucket for each address that has come lately."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._by_place: dict[str, Bucket] = {}
        self._prune_at = PRUNE_AT

    def __len__(self) -> int:
        return len(self._by_place)

    def take(self, place: str, now: float) -> float:
        bucket = self._by_place.get(place)
        if bucket is None:
            if len(self._by_place) >= self._prune_at:
                self._prune(now)
            bucket = self._by_place[place] = Bucket(self._rate, self._burst, now)
        return bucket.take(now)

    def _prune(self, now: float) -> None:
        self._by_place = {
            place: bucket
            for place, bucket in self._by_place.items()
            if bucket.tokens_at(now) < bucket.burst
        }
        self._prune_at = len(self._by_place) + PRUNE_AT


class Arrivals:
    """Judges handshakes, before anything is made for them and before the application is asked."""

    def __init__(self, engine: "Engine") -> None:
        options = engine.options
        self._engine = engine
        self._most = options.max_connections_per_address
        rate: Any = options.max_connection_rate
        self._all = None if rate is None else Bucket(rate[0], rate[1], engine.now())
        rate = options.max_connection_rate_per_address
        self._each = None if rate is None else Buckets(rate[0], rate[1])
        # Sessions by place, and the place of each: so many are there or still asked about.
        self.counts: dict[str, int] = {}
        self._places: dict[Session, str] = {}

    @staticmethod
    def of(engine: "Engine") -> "Arrivals | None":
        """Those of an engine's options, None if these bound nothing."""
        options = engine.options
        bounds = (
            options.max_connections_per_address,
            options.max_connection_rate,
            options.max_connection_rate_per_address,
        )
        return None if bounds == (None, None, None) else Arrivals(engine)

    def refuse(self, request: Request, exchange: Exchange) -> bool:
        """True if a new client is one too many, which it has been told; else it counts as one that came."""
        now = self._engine.now()
        place = self._place(request, exchange)
        if place and self._most is not None and self.counts.get(place, 0) >= self._most:
            self._turn_away(request, exchange, TOO_MANY_REQUESTS, PER_ADDRESS, 1)
            return True
        if place and self._each is not None:
            wait_s = self._each.take(place, now)
            if wait_s:
                self._turn_away(request, exchange, TOO_MANY_REQUESTS, RATE_PER_ADDRESS, wait_s)
                return True
        # Last: who is refused for its address takes no other's place.
        wait_s = 0 if self._all is None else self._all.take(now)
        if wait_s:
            self._turn_away(request, exchange, UNAVAILABLE, RATE, wait_s)
        return wait_s > 0

    def refuse_late(self, request: Request, exchange: Exchange) -> bool:
        """refuse() of one that counts already, where others came while the application was asked about it."""
        place = self._place(request, exchange)
        if not place or self._most is None or self.counts.get(place, 0) < self._most:
            return False
        self._turn_away(request, exchange, TOO_MANY_REQUESTS, PER_ADDRESS, 1)
        return True

    def came(self, session: "Session") -> None:
        """It has a session, or will be asked about: until left()."""
        if self._most is None:
            return
        place = place_of(session.origin.address)
        if place:
            self._places[session] = place
            self.counts[place] = self.counts.get(place, 0) + 1

    def left(self, session: "Session") -> None:
        """It has gone; nothing happens if that is known."""
        place = self._places.pop(session, None)
        if place is None:
            return
        if self.counts[place] > 1:
            self.counts[place] -= 1
        else:
            del self.counts[place]

    def _place(self, request: Request, exchange: Exchange) -> str:
        trusted = self._engine.trusted_proxies
        return place_of(origin_of(request, exchange.remote, exchange.is_secure, trusted).address)

    def _turn_away(
        self, request: Request, exchange: Exchange, status: int, option: str, wait_s: float
    ) -> None:
        """Answer with `status` and the option's name, and close the connection."""
        engine = self._engine
        engine.rare_log.note(
            option, "refused a client from %s: too many connections (%s)", exchange.remote, option
        )
        message = f"Too many connections ({option})"
        engine.tell_refused(request, message, {"name": "TOO_MANY_CONNECTIONS", "option": option})
        headers = [
            ("Content-Type", "application/json"),
            ("Retry-After", str(math.ceil(wait_s))),
            *engine.answer_headers(request),
        ]
        body = orjson.dumps({"code": FORBIDDEN, "message": message})
        exchange.respond(status, headers, body, keep_alive=False)


class Crowded:
    """TCP connections by the peer's address, where they are ours: opened() and closed() of a router of _conn.Conn.

    Those of trusted proxies and of Unix sockets are not counted: behind them are many clients.
    """

    def __init__(self, engine: "Engine", connections: MutableSet[Any], most: int) -> None:
        """`connections` are kept as they come; `most` is max_connections_per_address."""
        self._engine = engine
        self._connections = connections
        self._most = most * CONNECTIONS_PER_SESSION + SPARE_CONNECTIONS
        self.counts: dict[str, int] = {}
        self._places: dict[Any, str] = {}

    @staticmethod
    def of(
        engine: "Engine", connections: MutableSet[Any]
    ) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """What a router calls when a connection comes and when it goes; without a limit the set's own methods."""
        most = engine.options.max_connections_per_address
        if most is None:
            return connections.add, connections.discard
        crowded = Crowded(engine, connections, most)
        return crowded.opened, crowded.closed

    def opened(self, conn: Any) -> None:
        self._connections.add(conn)
        remote = conn.remote
        trusted = self._engine.trusted_proxies
        if not remote or (trusted is not None and is_trusted(remote, trusted)):
            return
        place = place_of(remote)
        count = self.counts.get(place, 0)
        if count < self._most:
            self.counts[place] = count + 1
            self._places[conn] = place
            return
        self._engine.rare_log.note(
            "TCP connections", "closed a connection from %s: the address has %d (%s)",
            remote, self._most, PER_ADDRESS,
        )  # fmt: skip
        body = b"Too many connections (%s)" % PER_ADDRESS.encode()
        conn.respond(TOO_MANY_REQUESTS, [("Content-Type", "text/plain")], body, keep_alive=False)
        # Not when the client has closed its side: it would have a descriptor of ours for so long.
        conn.close()

    def closed(self, conn: Any) -> None:
        self._connections.discard(conn)
        place = self._places.pop(conn, None)
        if place is None:
            return
        if self.counts[place] > 1:
            self.counts[place] -= 1
        else:
            del self.counts[place]

"""Every option of a server, checked where it is given. Times are in seconds, sizes in bytes.

Imports nothing of fastsio: both API styles make it, the engine and the core read it.
"""

import difflib
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

TRANSPORTS = ("polling", "websocket")
BUFFER_POLICIES = ("close", "drop_oldest", "drop_newest", "keep_latest")
# Characters that would end a header's line or a cookie's value.
_COOKIE_FORBIDDEN = set(";\r\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of AsyncServer and IO; the names are python-socketio's where it has the option.

    ping_interval, ping_timeout: a ping every so many seconds; a client from which nothing at all comes
        for ping_timeout after it is closed ("ping timeout"). (interval, grace): the client is told to wait for
        so many seconds more; kept as ping_interval and ping_grace.
    connect_timeout: a client that has joined no namespace by then is closed.
    upgrade_timeout: a WebSocket that has not finished taking a session over by then is closed.
    max_http_buffer_size: bytes of one message or one POST body.
    max_buffered_bytes: bytes queued for one client; a session that is over it and is sent more ends.
    transports: "polling", "websocket" or both. allow_upgrades: from the one to the other.
    cors_allowed_origins: None sends no CORS headers (browsers then allow the same origin only), "*", one
        origin, a list, or function(origin) or function(origin, environ) that returns a bool. CORS tells browsers
        who may read answers; a WebSocket from elsewhere is not refused by it: see check_origin. cors_credentials:
        cookies may come along.
    check_origin: refuse clients (403), WebSockets too, that name another Origin than cors_allowed_origins does; None
        there means the host that they ask for, [] any. AsyncServer: True, as python-socketio; IO: False, as Node.
    cookie: None, a name, or {"name": …, "path": …, "SameSite": …}: sent with the polling handshake.
    http_compression: gzip or deflate for polling responses of at least compression_threshold bytes.
    json: a module with dumps and loads instead of orjson.
    serializer: the form of packets: "default" (text with JSON), "msgpack" (socket.io-msgpack-parser's, needs the extra
        `msgpack`), or a subclass of fastsio.packet.Packet. Clients must use the same.
    namespaces: names that exist besides those with handlers; "*" accepts every name.
    async_handlers: a client's events are handled as they come; False: one after the other, each when the
        handler before it has ended.
    always_connect: a client is in before its connect handler has been asked, and is put out if that refuses;
        its events wait so long.
    buffer_policy: what happens when max_buffered_bytes are queued for a client and another event is: "close" ends the
        session; "drop_oldest" and "drop_newest" drop events; "keep_latest" keeps of the events with one name, or one
        key of latest(), only the newest, and then drops the oldest. Acks and control packets are never dropped.
    high_water, low_water: bytes; when more than high_water are unsent for a client its sockets hear "high_water", when
        low_water or less are again "low_water" (a quarter of the other, if it is not given). None: no such events.
    max_waiting_events: how many events of one client may wait for their turn, where handlers run one after the other
        (async_handlers=False, concurrency=); from half of it on the client is not read, what is over it is refused.
    limits: token buckets, each a dict of the arguments of limit().
    trusted_proxies: addresses and networks ("10.0.0.0/8"), "unix" for Unix sockets, or "*", from which X-Forwarded-For,
        -Proto, -Host and Forwarded are believed: then REMOTE_ADDR, wsgi.url_scheme and Node's handshake.address are
        the client's. Proxies must overwrite these headers or add to them. None believes nobody.
    """

    ping_interval: float = 25.0
    ping_grace: float = 0.0
    ping_timeout: float = 20.0
    connect_timeout: float = 45.0
    upgrade_timeout: float = 10.0
    max_http_buffer_size: int = 1_000_000
    max_buffered_bytes: int = 16 * 1024 * 1024
    transports: tuple[str, ...] = TRANSPORTS
    allow_upgrades: bool = True
    cors_allowed_origins: None | str | Iterable[str] | Callable[[str], bool] = None
    cors_credentials: bool = True
    check_origin: bool = False
    cookie: None | str | dict[str, Any] = None
    http_compression: bool = True
    compression_threshold: int = 1024
    json: Any = None
    serializer: Any = "default"
    namespaces: None | str | Iterable[str] = None
    async_handlers: bool = True
    always_connect: bool = False
    trusted_proxies: None | str | Iterable[str] = None
    buffer_policy: str = "close"
    high_water: int | None = None
    low_water: int | None = None
    max_waiting_events: int = 20_000
    limits: None | Iterable[dict[str, Any]] = None

    def __post_init__(self) -> None:
        given: Any = self.ping_interval
        if isinstance(given, (tuple, list)):
            interval, grace = _interval_and_grace(given)
            object.__setattr__(self, "ping_interval", interval)
            object.__setattr__(self, "ping_grace", grace)
        for name in ("ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout"):
            _check_number(name, getattr(self, name), "seconds")
        for name in ("max_http_buffer_size", "max_buffered_bytes"):
            _check_number(name, getattr(self, name), "bytes")
        _check_flow(self)
        object.__setattr__(self, "transports", _transports(self.transports))
        origins = self.cors_allowed_origins
        if origins is not None and not isinstance(origins, str) and not callable(origins):
            names = frozenset(origins)
            object.__setattr__(self, "cors_allowed_origins", "*" if "*" in names else names)
        object.__setattr__(self, "cookie", _cookie(self.cookie))
        _check_serializer(self.serializer)
        if isinstance(self.namespaces, str) and self.namespaces != "*":
            object.__setattr__(self, "namespaces", (self.namespaces,))
        elif self.namespaces is not None and self.namespaces != "*":
            object.__setattr__(self, "namespaces", tuple(self.namespaces))
        if self.limits is not None:
            object.__setattr__(self, "limits", tuple(self.limits))
        if self.trusted_proxies is not None:
            object.__setattr__(self, "trusted_proxies", parse_proxies(self.trusted_proxies))

    @classmethod
    def names(cls) -> set[str]:
        """Every option."""
        return {field.name for field in fields(cls)}

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Options":
        """Options from keyword arguments; TypeError names the nearest option for one that is none."""
        known = cls.names()
        for name in given:
            if name not in known:
                raise TypeError(f"unknown option {name!r}{nearest(name, known)}")
        # None is python-socketio's way to say "the default" for these.
        return cls(
            **{
                name: value
                for name, value in given.items()
                if name != "transports" or value is not None
            }
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the option that was meant, for the end of a message; empty if none is like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _interval_and_grace(given: Any) -> tuple[Any, Any]:
    """ping_interval=(interval, grace)."""
    if len(given) != 2 or isinstance(given[1], bool) or not isinstance(given[1], (int, float)):
        raise ValueError(f"ping_interval={given!r}: seconds, or (interval, grace) of two numbers")
    if given[1] < 0:
        raise ValueError(f"ping_interval={given!r}: the grace is a number of seconds from 0 on")
    return given[0], given[1]


def _check_number(name: str, value: Any, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name}={value!r}: a number of {unit} above 0")


def _check_flow(options: Options) -> None:
    """The options of flow control; limits are checked where they are made (core/limits.py)."""
    if options.buffer_policy not in BUFFER_POLICIES:
        raise ValueError(
            f"buffer_policy={options.buffer_policy!r}: one of {', '.join(BUFFER_POLICIES)}"
        )
    check_marks(options.high_water, options.low_water)
    most = options.max_waiting_events
    if isinstance(most, bool) or not isinstance(most, int) or most < 2:
        raise ValueError(f"max_waiting_events={most!r}: a number of events, 2 or more")


def check_marks(high: Any, low: Any) -> None:
    """Raise ValueError for high_water and low_water that can't be."""
    if high is not None:
        _check_number("high_water", high, "bytes")
    if low is not None and (isinstance(low, bool) or not isinstance(low, int) or low < 0):
        raise ValueError(f"low_water={low!r}: a number of bytes from 0 on")
    if high is not None and low is not None and low >= high:
        raise ValueError(f"low_water={low!r}: below high_water, which is {high!r}")


def _check_serializer(given: Any) -> None:
    """A misspelt name would else be taken for a class, and fail with the first packet."""
    if given in ("default", "msgpack"):
        return
    if not isinstance(given, type) or not all(
        hasattr(given, name) for name in ("encode", "decode")
    ):
        raise ValueError(
            f'serializer={given!r}: "default", "msgpack", or a class with encode() and decode()'
        )


def _transports(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    wrong = [name for name in names if name not in TRANSPORTS]
    if wrong or not names:
        raise ValueError(
            f"No valid transports provided: {given!r}; known are {', '.join(TRANSPORTS)}"
        )
    return names


def parse_proxies(given: Any) -> tuple[Any, ...]:
    """ "*" and "unix" as they are, all else as networks."""
    names = (given,) if isinstance(given, str) else tuple(given)
    proxies = []
    for name in names:
        try:
            proxies.append(name if name in ("*", "unix") else ipaddress.ip_network(name))
        except ValueError as error:
            raise ValueError(
                f'trusted_proxies={given!r}: {error}; give addresses, networks, "unix" or "*"'
            ) from None
    return tuple(proxies)


def _cookie(given: Any) -> dict[str, Any] | None:
    if given is None or given is False:
        return None
    cookie = (
        {"name": given, "path": "/", "SameSite": "Lax"} if isinstance(given, str) else dict(given)
    )
    if not isinstance(cookie.get("name"), str):
        raise ValueError(f"cookie={given!r}: a name, or a dict with one")
    for part in (str(part) for pair in cookie.items() for part in pair):
        if _COOKIE_FORBIDDEN & set(part):
            raise ValueError(f"cookie={given!r}: {part!r} can't be part of a cookie")
    return cookie

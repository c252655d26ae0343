"""Every option of a server, checked where it is given. Times are in seconds, sizes in bytes.

Imports nothing of fastsio: both API styles make it, the engine and the core read it.
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

TRANSPORTS = ("polling", "websocket")
BUFFER_POLICIES = ("close", "drop_oldest", "drop_newest", "keep_latest")
# per_message_deflate where a dict leaves it out.
_DEFLATE: dict[str, Any] = {
    "threshold": 1024,
    "server_no_context_takeover": False,
    "client_no_context_takeover": False,
    "server_max_window_bits": 15,
    "client_max_window_bits": 15,
    # 67 KB of JSON: 143 us and 13.2 KB; with 6, zlib's own, 591 us and 11.9 KB. It is done on the event loop.
    "level": 1,
    "mem_level": 8,
}
# zlib's own compressor has no window of 8 bits.
_DEFLATE_RANGES = {
    "server_max_window_bits": (9, 15),
    "client_max_window_bits": (9, 15),
    "level": (1, 9),
    "mem_level": (1, 9),
}
# Characters that would end a header's line or a cookie's value.
_COOKIE_FORBIDDEN = set(";\r\n\0")


@dataclass(frozen=True, slots=True)
class Cors:
    """What of the `cors` option goes into headers as it is; None is not sent. allowed_headers None: any."""

    methods: str = "GET,HEAD,PUT,PATCH,POST,DELETE"
    allowed_headers: str | None = None
    exposed_headers: str | None = None
    max_age: str | None = None
    options_success_status: int = 204

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Cors":
        """Raises ValueError for a key that there is not, and for a value that can't be sent."""
        checks: dict[str, Callable[[str, Any], Any]] = {
            "methods": _comma_list, "allowed_headers": _comma_list, "exposed_headers": _comma_list,
            "max_age": _whole_seconds, "options_success_status": _success_status,
        }  # fmt: skip
        for key in given:
            if key not in checks:
                raise ValueError(f"cors: unknown key {key!r}{nearest(key, checks)}")
        return cls(
            **{
                key: checks[key](f"cors: {key}", value)
                for key, value in given.items()
                if value is not None
            }
        )


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
    initial_packet: an Engine.IO message, text (str) or bytes, that every client gets right behind the handshake, before
        all of Socket.IO's; for clients of one's own.
    allow_eio3: clients of Socket.IO 1.x and 2.x (Engine.IO 3) are served too; False: they get HTTP 400, code 5.
    cors_allowed_origins: None sends no CORS headers (browsers then allow the same origin only), "*", one
        origin, a regular expression, a list of both, or function(origin) or function(origin, environ), `async` too,
        that returns a bool or one of these. CORS tells browsers who may read answers; a WebSocket from elsewhere is
        not refused by it: see check_origin. cors_credentials: cookies may come along.
    cors: all of it in one, as Node has it: True, or a dict of origin (as above; True: any, named; "*" if left out),
        methods, allowed_headers, exposed_headers (lists or texts), credentials (False if left out), max_age (seconds),
        options_success_status. Once checked it is a Cors.
    check_origin: refuse clients (403), WebSockets too, that name another Origin than cors_allowed_origins does; None
        there means the host that they ask for, [] any. AsyncServer: True, as python-socketio; IO: False, as Node.
    cookie: None, True for Node's (name "io", path "/", http_only, same_site "lax"), a name, or a dict of a name and
        attributes, in Node's words (max_age, secure, domain, partitioned, … as well) or as they are sent ("SameSite");
        IO adds Node's to a dict. It goes with the polling handshake and has the session's id.
    allow_request: function(request), `async` too, asked about each handshake: True lets the client in; False,
        (message, False), or PermissionError or ConnectionRefusedError raised with a message refuse it (403, code 4).
        Node's form does too: function(request, callback), which calls callback(message, is_allowed).
    generate_id: function(request), `async` too, that makes sessions' ids: secret, and used once.
    serve_client: answer GET <path>/socket.io.js with the official client, and socket.io.min.js, socket.io.esm.min.js,
        socket.io.msgpack.min.js, socket.io.v2.js (for old pages) and their maps. IO: True, as Node; AsyncServer: False.
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
    middleware_timeout: how long a middleware that takes `next` may wait with calling it, once it has returned.
    cleanup_empty_child_namespaces: a namespace of a parent namespace is forgotten when its last client leaves.
    trusted_proxies: addresses and networks ("10.0.0.0/8"), "unix" for Unix sockets, or "*", from which X-Forwarded-For,
        -Proto, -Host and Forwarded are believed: then REMOTE_ADDR, wsgi.url_scheme and Node's handshake.address are
        the client's. Proxies must overwrite these headers or add to them. None believes nobody.
    connection_state_recovery: None, or a dict, which may be empty: a client that has lost its connection and is back
        within max_disconnection_duration (120 seconds) has its id, rooms, data and what it missed. skip_middlewares
        (True): the namespaces' middleware is not asked about it again. What is kept for it, the oldest of it going
        first: max_packets (100,000) and max_bytes (64 MiB) in each namespace, and max_sessions (100,000) in all.
    per_message_deflate: compress WebSocket messages for clients that offer it (RFC 7692), on connections that are ours.
        True, or a dict with some of: threshold, bytes from which on a message is compressed (1024);
        server_no_context_takeover and client_no_context_takeover (False): each message by itself, so that no memory
        is kept between messages and a broadcast is compressed once for all; server_max_window_bits and
        client_max_window_bits, 9 to 15 (15); level, 1 to 9 (1), and mem_level, 1 to 9 (8), zlib's.
    typed: the annotations of handlers validate and convert what clients send, with msgspec (the extra `typed`). None:
        in Node's style where it is installed, in python-socketio's not.
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
    initial_packet: None | str | bytes = None
    allow_eio3: bool = True
    cors_allowed_origins: None | str | Iterable[str] | Callable[[str], bool] = None
    cors_credentials: bool = True
    cors: Any = None
    check_origin: bool = False
    cookie: None | bool | str | dict[str, Any] = None
    allow_request: None | Callable[[Any], Any] = None
    generate_id: None | Callable[[Any], Any] = None
    serve_client: bool = False
    http_compression: bool = True
    compression_threshold: int = 1024
    json: Any = None
    serializer: Any = "default"
    namespaces: None | str | Iterable[str] = None
    async_handlers: bool = True
    always_connect: bool = False
    middleware_timeout: float = 10.0
    cleanup_empty_child_namespaces: bool = False
    trusted_proxies: None | str | Iterable[str] = None
    buffer_policy: str = "close"
    high_water: int | None = None
    low_water: int | None = None
    max_waiting_events: int = 20_000
    limits: None | Iterable[dict[str, Any]] = None
    connection_state_recovery: None | bool | dict[str, Any] = None
    per_message_deflate: bool | dict[str, Any] = False
    typed: bool | None = None

    def __post_init__(self) -> None:
        if self.initial_packet is not None and not isinstance(self.initial_packet, (str, bytes)):
            raise ValueError(f"initial_packet={self.initial_packet!r}: a str, bytes or None")
        given: Any = self.ping_interval
        if isinstance(given, (tuple, list)):
            interval, grace = _interval_and_grace(given)
            object.__setattr__(self, "ping_interval", interval)
            object.__setattr__(self, "ping_grace", grace)
        for name in ("ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout"):
            _check_number(name, getattr(self, name), "seconds")
        _check_number("middleware_timeout", self.middleware_timeout, "seconds")
        for name in ("max_http_buffer_size", "max_buffered_bytes"):
            _check_number(name, getattr(self, name), "bytes")
        if self.limits is not None:
            object.__setattr__(self, "limits", tuple(self.limits))
        _check_flow(self)
        object.__setattr__(self, "transports", _transports(self.transports))
        self._set_cors()
        object.__setattr__(self, "cookie", _cookie(self.cookie))
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r}: a function of the request")
        _check_serializer(self.serializer)
        if isinstance(self.namespaces, str) and self.namespaces != "*":
            object.__setattr__(self, "namespaces", (self.namespaces,))
        elif self.namespaces is not None and self.namespaces != "*":
            object.__setattr__(self, "namespaces", tuple(self.namespaces))
        if self.typed not in (None, True, False):
            raise ValueError(f"typed={self.typed!r}: True, False or None")
        if self.trusted_proxies is not None:
            object.__setattr__(self, "trusted_proxies", parse_proxies(self.trusted_proxies))
        recovery = _recovery(self.connection_state_recovery)
        object.__setattr__(self, "connection_state_recovery", recovery)

    def _set_cors(self) -> None:
        """What `cors` says of origins and credentials is kept as the options of these names."""
        origins: Any = self.cors_allowed_origins
        if isinstance(self.cors, dict) or self.cors is True:
            if origins is not None:
                raise ValueError("cors and cors_allowed_origins: give one of them")
            given = (
                {} if self.cors is True else {snake(key): value for key, value in self.cors.items()}
            )
            origins = given.pop("origin", "*")
            origins = re.compile("") if origins is True else (origins or None)
            object.__setattr__(self, "cors_credentials", bool(given.pop("credentials", False)))
            object.__setattr__(self, "cors", Cors.of(given))
        elif not isinstance(self.cors, Cors):
            if self.cors:
                raise ValueError(f"cors={self.cors!r}: True, or a dict of Node's `cors` options")
            object.__setattr__(self, "cors", Cors())
        object.__setattr__(self, "cors_allowed_origins", _origins(origins))
        object.__setattr__(self, "per_message_deflate", _deflate(self.per_message_deflate))

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


def snake(name: str) -> str:
    """maxAge -> max_age; Node's names of keys are taken as well."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _origins(given: Any) -> Any:
    """None, "*", a text, a pattern, a function; a frozenset of texts, or a tuple with patterns among them."""
    if given is None or isinstance(given, (str, re.Pattern)) or callable(given):
        return given
    try:
        names = tuple(given)
    except TypeError:
        names = (given,)
    wrong = [name for name in names if not isinstance(name, (str, re.Pattern))]
    if wrong:
        raise ValueError(f"cors_allowed_origins={given!r}: {wrong[0]!r} is no text and no pattern")
    if "*" in names:
        return "*"
    return frozenset(names) if all(isinstance(name, str) for name in names) else names


def _comma_list(name: str, given: Any) -> str:
    text = given if isinstance(given, str) else ",".join(given)
    if not text.isprintable() or not text.isascii():
        raise ValueError(f"{name}={given!r}: a list of names")
    return text


def _whole_seconds(name: str, given: Any) -> str:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{name}={given!r}: a whole number of seconds")
    return str(given)


def _success_status(name: str, given: Any) -> int:
    if given not in (200, 204):
        raise ValueError(f"{name}={given!r}: 200 or 204")
    return int(given)


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
    for limit in options.limits or ():
        if not isinstance(limit, dict):
            raise ValueError(f"limits: {limit!r} is no dict of the arguments of limit()")
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


# Options of connection_state_recovery with their units, None for what is a bool.
_RECOVERY_UNITS = {
    "max_disconnection_duration": "seconds", "skip_middlewares": None,
    "max_packets": "packets", "max_bytes": "bytes", "max_sessions": "sessions",
}  # fmt: skip
_RECOVERY_DEFAULTS = {
    "max_disconnection_duration": 120.0, "skip_middlewares": True,
    "max_packets": 100_000, "max_bytes": 64 * 1024 * 1024, "max_sessions": 100_000,
}  # fmt: skip


def _recovery(given: Any) -> dict[str, Any] | None:
    """connection_state_recovery with all its options; True is an empty dict, False is None."""
    if given is None or given is False:
        return None
    options = {} if given is True else given
    if not isinstance(options, dict):
        raise ValueError(
            f"connection_state_recovery={given!r}: None, or a dict, which may be empty"
        )
    for name, value in options.items():
        if name not in _RECOVERY_UNITS:
            raise TypeError(
                f"unknown option {name!r} of connection_state_recovery{nearest(name, _RECOVERY_UNITS)}"
            )
        unit = _RECOVERY_UNITS[name]
        if unit is not None:
            _check_number(name, value, unit)
        elif not isinstance(value, bool):
            raise ValueError(f"{name}={value!r}: True or False")
    return _RECOVERY_DEFAULTS | options


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


# Node's words for a cookie's attributes (the npm package `cookie`), in the order in which it writes them.
_COOKIE_ATTRIBUTES = {
    "max_age": "Max-Age", "domain": "Domain", "path": "Path", "expires": "Expires", "http_only": "HttpOnly",
    "secure": "Secure", "partitioned": "Partitioned", "priority": "Priority", "same_site": "SameSite",
}  # fmt: skip
_NODE_COOKIE = {"name": "io", "path": "/", "http_only": True, "same_site": "lax"}
_SAME_SITE = {True: "Strict", False: False, "lax": "Lax", "strict": "Strict", "none": "None"}


def node_cookie(given: dict[str, Any]) -> dict[str, Any]:
    """A cookie as Node makes it: what is not given is Node's default, and attributes are in Node's order."""
    words = {sent: key for key, sent in _COOKIE_ATTRIBUTES.items()}
    cookie = _NODE_COOKIE | {words.get(key, snake(key)): value for key, value in given.items()}
    known = {key: cookie.pop(key, None) for key in _COOKIE_ATTRIBUTES}
    return cookie | {
        _COOKIE_ATTRIBUTES[key]: _sent(key, value)
        for key, value in known.items()
        if value is not None
    }


def _sent(key: str, value: Any) -> Any:
    """The value of an attribute, which Node takes in other words too."""
    if key != "same_site" or value is None or callable(value):
        return value
    try:
        return _SAME_SITE[value.lower() if isinstance(value, str) else value]
    except (KeyError, TypeError):
        raise ValueError(
            f'cookie: same_site={value!r}: "strict", "lax", "none" or a bool'
        ) from None


def _cookie(given: Any) -> dict[str, Any] | None:
    """The name, and the attributes as they are sent, in order."""
    if given is None or given is False:
        return None
    if given is True:
        cookie = node_cookie({})
    elif isinstance(given, str):
        cookie = {"name": given, "path": "/", "SameSite": "Lax"}
    else:
        words = _COOKIE_ATTRIBUTES.keys() - {"path"}
        cookie = {
            _COOKIE_ATTRIBUTES[snake(key)] if snake(key) in words else key: _sent(snake(key), value)
            for key, value in dict(given).items()
        }
    if not isinstance(cookie.get("name"), str):
        raise ValueError(f"cookie={given!r}: a name, or a dict with one")
    for part in (str(part) for pair in cookie.items() for part in pair):
        if _COOKIE_FORBIDDEN & set(part):
            raise ValueError(f"cookie={given!r}: {part!r} can't be part of a cookie")
    return cookie


def _deflate(given: Any) -> bool | dict[str, Any]:
    """per_message_deflate with all that a dict leaves out; False if it is off."""
    if given is None or isinstance(given, bool):
        return dict(_DEFLATE) if given else False
    if not isinstance(given, dict):
        raise ValueError(f"per_message_deflate={given!r}: True, False, or a dict")
    for name, value in given.items():
        if name not in _DEFLATE:
            raise ValueError(f"per_message_deflate: unknown {name!r}{nearest(name, _DEFLATE)}")
        where = f"per_message_deflate: {name}={value!r}"
        if name.endswith("_no_context_takeover"):
            if not isinstance(value, bool):
                raise ValueError(f"{where}: True or False")
            continue
        low, high = _DEFLATE_RANGES.get(name, (0, 1 << 62))
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            ends = f"from {low} to {high}" if name in _DEFLATE_RANGES else "of bytes from 0 on"
            raise ValueError(f"{where}: a number {ends}")
    return _DEFLATE | given

"""Every option of a server, checked where it is given. Times are in seconds, sizes in bytes."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from fastsio.options import values
from fastsio.options.cors import Cors
from fastsio.options.values import TRANSPORTS, check_number, nearest


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
    transports: "polling", "websocket" or both, and "webtransport", which has to be named and needs a certificate: see
        docs/webtransport.md. allow_upgrades: from the first to the others.
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
    check_origin: refuse clients (403) whose Origin is not one of cors_allowed_origins. True, AsyncServer's default as
        it is python-socketio's: every handshake; no names there (None) mean the host that is asked for, [] anybody.
        None, IO's default: what CORS does not protect, WebSockets and JSONP, where cors_allowed_origins names somebody;
        pages of the host that is asked for always pass. False: nobody is refused, as in Node.
    cookie: None, True for Node's (name "io", path "/", http_only, same_site "lax"), a name, or a dict of a name and
        attributes, in Node's words (max_age, secure, domain, partitioned, … as well) or as they are sent ("SameSite");
        IO adds Node's to a dict. It goes with the polling handshake and has the session's id. A name alone has
        HttpOnly and SameSite=Lax; what comes over TLS has Secure unless the dict says otherwise.
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
    max_running_events: how many coroutine handlers of one client may be at work, whatever they wait for; from half of
        it on the client is not read, what is over it is refused.
    limits: token buckets, each a dict of the arguments of limit().
    max_header_bytes, max_headers: of the head of one request, on connections that are ours; a larger one gets HTTP 431.
    max_frames_per_message: WebSocket frames of one message, on connections that are ours; more close it with code 1008.
    max_attachments: binary values in one packet. Both sides must agree: the official clients take and send 10 at most.
    max_json_depth: how deep arrays and objects may be nested in a packet, its own array counted; 1,024 at most.
    max_namespaces: how many namespaces besides "/" one client may be in, or wait for; others it is refused.
    max_rooms: how many rooms one socket may be in, besides its own; join() raises LimitError for one more.
    max_pending_acks: how many answers of one socket may be waited for; one more gives up the oldest.
    max_connections_per_address: how many sessions, over whatever transport, clients with one address may have, as
        trusted_proxies tells it (of IPv6: one /64 network); more get HTTP 429. TCP connections that are ours: three
        times as many and six, of an address that is no trusted proxy's. None: any number.
    max_connection_rate, max_connection_rate_per_address: how many new sessions a second are opened, in all (else HTTP
        503) and for one address (else HTTP 429): a number, or (rate, burst). None: any number.
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
    send_timeout: seconds in which a client must take all that waits to be sent to it, or 16 KiB of it; over polling:
        fetch it. One that does not is closed, however much it sends itself. None: no such time.
    tcp_user_timeout: seconds that the system waits for a client to acknowledge what it was sent, on sockets that are
        ours, where the system has that (Linux). None: ping_interval + ping_timeout, at least 10; 0: the system's own.
    watchdog: seconds that the event loop may be blocked before a log line tells by what: a thread asks twice in that
        time. None: no thread, and a line afterwards that tells for how long it was.
    typed: the annotations of handlers validate and convert what clients send, with msgspec (the extra `typed`). None:
        in Node's style where it is installed, in python-socketio's not.
    adapter: what joins this server with others, so that rooms, broadcasts and acks span them: see fastsio.adapters.
    presence: servers that are joined tell each other who is where, for count(), members() and rooms(): see
        docs/cluster.md. Without another server these need no option.
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
    check_origin: None | bool = None
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
    max_running_events: int = 20_000
    limits: None | Iterable[dict[str, Any]] = None
    max_header_bytes: int = 65_536
    max_headers: int = 256
    max_frames_per_message: int = 100_000
    max_attachments: int = 10
    max_json_depth: int = 1024
    max_namespaces: int = 1000
    max_rooms: int = 50_000
    max_pending_acks: int = 10_000
    max_connections_per_address: int | None = None
    max_connection_rate: None | float | tuple[float, int] = None
    max_connection_rate_per_address: None | float | tuple[float, int] = None
    connection_state_recovery: None | bool | dict[str, Any] = None
    per_message_deflate: bool | dict[str, Any] = False
    send_timeout: float | None = 30.0
    tcp_user_timeout: float | None = None
    watchdog: float | None = None
    typed: bool | None = None
    adapter: Any = None
    presence: bool = False

    def __post_init__(self) -> None:
        if self.initial_packet is not None and not isinstance(self.initial_packet, (str, bytes)):
            raise ValueError(f"initial_packet={self.initial_packet!r}: a str, bytes or None")
        given: Any = self.ping_interval
        if isinstance(given, (tuple, list)):
            interval, grace = values.interval_and_grace(given)
            object.__setattr__(self, "ping_interval", interval)
            object.__setattr__(self, "ping_grace", grace)
        values.check_origin_option(self.check_origin)
        for name in ("ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout"):
            check_number(name, getattr(self, name), "seconds")
        check_number("middleware_timeout", self.middleware_timeout, "seconds")
        for name in ("max_http_buffer_size", "max_buffered_bytes"):
            check_number(name, getattr(self, name), "bytes")
        if self.limits is not None:
            object.__setattr__(self, "limits", tuple(self.limits))
        values.check_flow(self)
        values.check_slowness(self)
        values.check_counts(self)
        for name in ("max_connection_rate", "max_connection_rate_per_address"):
            object.__setattr__(self, name, values.rate(name, getattr(self, name)))
        object.__setattr__(self, "transports", values.transports(self.transports))
        self._set_cors()
        object.__setattr__(self, "per_message_deflate", values.deflate(self.per_message_deflate))
        object.__setattr__(self, "cookie", values.cookie(self.cookie))
        for name in ("allow_request", "generate_id"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise ValueError(f"{name}={getattr(self, name)!r}: a function of the request")
        values.check_serializer(self.serializer)
        if isinstance(self.namespaces, str) and self.namespaces != "*":
            object.__setattr__(self, "namespaces", (self.namespaces,))
        elif self.namespaces is not None and self.namespaces != "*":
            object.__setattr__(self, "namespaces", tuple(self.namespaces))
        if self.adapter is not None and not hasattr(self.adapter, "publish"):
            raise ValueError(f"adapter={self.adapter!r}: one of fastsio.adapters, or None")
        if self.presence not in (True, False):
            raise ValueError(f"presence={self.presence!r}: True or False")
        if self.typed not in (None, True, False):
            raise ValueError(f"typed={self.typed!r}: True, False or None")
        if self.trusted_proxies is not None:
            object.__setattr__(self, "trusted_proxies", values.parse_proxies(self.trusted_proxies))
        recovery = values.recovery(self.connection_state_recovery)
        object.__setattr__(self, "connection_state_recovery", recovery)

    def _set_cors(self) -> None:
        """What `cors` says of origins and credentials is kept as the options of these names."""
        origins: Any = self.cors_allowed_origins
        if isinstance(self.cors, dict) or self.cors is True:
            if origins is not None:
                raise ValueError("cors and cors_allowed_origins: give one of them")
            given = (
                {}
                if self.cors is True
                else {values.snake(key): value for key, value in self.cors.items()}
            )
            origins = given.pop("origin", "*")
            origins = re.compile("") if origins is True else (origins or None)
            object.__setattr__(self, "cors_credentials", bool(given.pop("credentials", False)))
            object.__setattr__(self, "cors", Cors.of(given))
        elif not isinstance(self.cors, Cors):
            if self.cors:
                raise ValueError(f"cors={self.cors!r}: True, or a dict of Node's `cors` options")
            object.__setattr__(self, "cors", Cors())
        object.__setattr__(self, "cors_allowed_origins", values.origins(origins))

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

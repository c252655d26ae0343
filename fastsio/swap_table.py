"""What `fastsio check-swap` knows of python-socketio 5.18: each name, and how it is here.

Data only. A verdict is a status and a note; docs/differences.md tells the same at length.
"""

from typing import NamedTuple

SAME, DIFFERS, UNSUPPORTED = "same", "differs", "unsupported"


class Verdict(NamedTuple):
    """How a use of python-socketio is here; `note` says what to do or to know, empty for SAME."""

    status: str
    note: str = ""


AS_IS = Verdict(SAME)


def differs(note: str) -> Verdict:
    return Verdict(DIFFERS, note)


def unsupported(note: str) -> Verdict:
    return Verdict(UNSUPPORTED, note)


_ZMQ = unsupported("ZeroMQ with eventlet is not here: use RedisManager")
_CORE = unsupported("clients and rooms are kept by the core: this is never called")
_TORNADO = unsupported("Tornado has no ASGI: serve Socket.IO on a port of its own")
_THREADS = differs("runs in threads; monkey patching by eventlet or gevent has to go")
_ENGINE = differs("a read view of the engine: what is public is there")
PRIVATE = unsupported("private: it is not here")
UNKNOWN = differs("python-socketio 5.18 has no such name")
UNKNOWN_ARGUMENT = differs("no such argument: ignored, with one warning")

# Names of the package socketio.
NAMES: dict[str, Verdict] = {
    **dict.fromkeys(
        ("AsyncServer", "AsyncNamespace", "AsyncManager", "ASGIApp", "AsyncClient", "AsyncSimpleClient",
         "AsyncClientNamespace", "Namespace", "Manager", "WSGIApp", "Middleware", "Client", "SimpleClient",
         "ClientNamespace", "PubSubManager", "KombuManager", "RedisManager", "KafkaManager", "AsyncRedisManager",
         "AsyncAioPikaManager"),
        AS_IS,
    ),
    "Server": AS_IS,
    "ZmqManager": _ZMQ,
    "get_tornado_handler": _TORNADO,
    **dict.fromkeys(("exceptions", "packet", "msgpack_packet"), AS_IS),
}  # fmt: skip

# Managers that join servers through a message queue.
QUEUE_MANAGERS = (
    "PubSubManager", "RedisManager", "AsyncRedisManager", "AsyncAioPikaManager", "KombuManager", "KafkaManager",
)  # fmt: skip

# Submodules of socketio, for `import socketio.x` and `from socketio.x import y`.
MODULES: dict[str, Verdict] = {
    **dict.fromkeys(("exceptions", "packet", "msgpack_packet"), AS_IS),
    **dict.fromkeys(
        ("pubsub_manager", "async_pubsub_manager", "redis_manager", "async_redis_manager", "kombu_manager",
         "kafka_manager", "async_aiopika_manager"),
        differs("import the manager from fastsio itself"),
    ),
    "zmq_manager": _ZMQ,
    "tornado": _TORNADO,
}  # fmt: skip
INTERNAL_MODULE = differs("an internal module: import the name from fastsio itself")

_EXCEPTIONS = dict.fromkeys(
    ("SocketIOError", "ConnectionError", "ConnectionRefusedError", "TimeoutError", "BadNamespaceError",
     "DisconnectedError"),
    AS_IS,
)  # fmt: skip
_PACKET = dict.fromkeys(
    ("Packet", "CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK",
     "packet_names"),
    AS_IS,
)  # fmt: skip
# What may be taken from a submodule. Other submodules have no table: the module's own verdict counts.
MODULE_NAMES: dict[str, dict[str, Verdict]] = {
    "exceptions": _EXCEPTIONS,
    "packet": _PACKET,
    "msgpack_packet": {"MsgPackPacket": AS_IS},
}

# Names of the package engineio.
ENGINEIO: dict[str, Verdict] = {
    "AsyncServer": differs("import it from fastsio.engineio"),
    "ASGIApp": differs("import it from fastsio.engineio"),
    **dict.fromkeys(
        ("Server", "Client", "AsyncClient", "WSGIApp", "Middleware", "get_tornado_handler"),
        unsupported("only engineio's AsyncServer and ASGIApp are here"),
    ),
    "payload": differs(
        "a request may hold any number of packets: max_decode_packets is not needed"
    ),
    "packet": differs("import it from fastsio.engineio"),
    "exceptions": differs("import it from fastsio.engineio"),
    "json": unsupported("give json= to the server instead"),
}

_SERVER = dict.fromkeys(
    ("on", "event", "register_namespace", "emit", "send", "call", "enter_room", "leave_room", "close_room",
     "rooms", "get_session", "save_session", "session", "disconnect", "transport", "get_environ", "shutdown",
     "handle_request", "start_background_task", "sleep", "is_asyncio_based", "reason", "reserved_events",
     "environ", "handlers", "namespace_handlers", "async_handlers", "always_connect", "namespaces",
     "async_mode", "logger", "not_handled", "manager_initialized", "packet_class", "manager", "instrument"),
    AS_IS,
) | {"eio": _ENGINE}  # fmt: skip
_NAMESPACE = dict.fromkeys(
    ("trigger_event", "emit", "send", "call", "enter_room", "leave_room", "close_room", "rooms", "get_session",
     "save_session", "session", "disconnect", "namespace", "server", "is_asyncio_based"),
    AS_IS,
)  # fmt: skip
_MANAGER = dict.fromkeys(
    ("rooms", "get_namespaces", "get_participants", "is_connected", "is_pre_connected", "sid_from_eio_sid",
     "eio_sid_from_sid", "get_rooms", "is_sid_room", "set_server", "initialize", "can_disconnect", "emit",
     "disconnect", "enter_room", "leave_room", "close_room", "server", "logger", "pending_connect",
     "pending_disconnect"),
    AS_IS,
) | dict.fromkeys(
    ("basic_enter_room", "basic_leave_room", "basic_close_room", "basic_disconnect", "connect", "pre_connect",
     "pre_disconnect", "trigger_callback", "callbacks", "eio_to_sid"),
    _CORE,
)  # fmt: skip
_QUEUE_MANAGER = _MANAGER | dict.fromkeys(
    (
        "channel",
        "write_only",
        "host_id",
        "name",
        "redis_url",
        "redis_options",
        "url",
        "_publish",
        "_listen",
    ),
    AS_IS,
)
_CLIENT = dict.fromkeys(
    ("on", "event", "register_namespace", "connect", "wait", "emit", "send", "call", "disconnect", "shutdown",
     "start_background_task", "sleep", "get_sid", "transport", "sid", "connected", "namespaces", "reason",
     "reserved_events", "is_asyncio_based", "handlers", "namespace_handlers", "failed_namespaces",
     "connection_url", "connection_headers", "connection_auth", "connection_transports",
     "connection_namespaces", "socketio_path", "reconnection", "reconnection_attempts",
     "reconnection_delay", "reconnection_delay_max", "randomization_factor", "logger"),
    AS_IS,
) | {"eio": _ENGINE}  # fmt: skip
_SIMPLE = dict.fromkeys(
    (
        "connect",
        "sid",
        "transport",
        "emit",
        "call",
        "receive",
        "disconnect",
        "client_class",
        "client",
    ),
    AS_IS,
)
_CLIENT_NAMESPACE = dict.fromkeys(
    (
        "trigger_event",
        "emit",
        "send",
        "call",
        "disconnect",
        "namespace",
        "client",
        "is_asyncio_based",
    ),
    AS_IS,
)
_ASGI = dict.fromkeys(
    ("engineio_server", "other_asgi_app", "static_files", "engineio_path", "on_startup", "on_shutdown",
     "serve_static_file", "lifespan", "not_found"),
    AS_IS,
)  # fmt: skip
_WSGI = dict.fromkeys(
    ("engineio_app", "wsgi_app", "static_files", "engineio_path", "not_found"), AS_IS
)

# The attributes of an object of a class.
MEMBERS: dict[str, dict[str, Verdict]] = {
    "AsyncServer": _SERVER | {"attach": AS_IS},
    "Server": _SERVER,
    "AsyncNamespace": _NAMESPACE,
    "Namespace": _NAMESPACE,
    "AsyncManager": _MANAGER,
    "Manager": _MANAGER,
    **dict.fromkeys(QUEUE_MANAGERS, _QUEUE_MANAGER),
    "AsyncClient": _CLIENT,
    "Client": _CLIENT,
    "AsyncSimpleClient": _SIMPLE,
    "SimpleClient": _SIMPLE,
    "AsyncClientNamespace": _CLIENT_NAMESPACE,
    "ClientNamespace": _CLIENT_NAMESPACE,
    "ASGIApp": _ASGI,
    "WSGIApp": _WSGI,
    "Middleware": _WSGI,
}

# Classes that applications derive from, whose methods beginning with on_ are event handlers.
NAMESPACE_CLASSES = frozenset(
    {"AsyncNamespace", "Namespace", "AsyncClientNamespace", "ClientNamespace"}
)
# What a subclass of a manager may define; anything else that the class has would never be called.
MANAGER_HOOKS = frozenset({"initialize", "set_server", "__init__", "_publish", "_listen"})
MANAGER_CLASSES = frozenset({"AsyncManager", "Manager", *QUEUE_MANAGERS})
NEVER_CALLED = _CORE

_ENGINE_OPTIONS = dict.fromkeys(
    ("ping_interval", "ping_timeout", "max_http_buffer_size", "allow_upgrades", "http_compression",
     "compression_threshold", "cookie", "cors_allowed_origins", "cors_credentials", "transports",
     "monitor_clients", "engineio_logger", "logger", "async_handlers", "always_connect", "namespaces",
     "serializer", "async_mode"),
    AS_IS,
) | {
    "client_manager": AS_IS,
    "json": differs("used for this server only, not for the whole process; without it orjson is used"),
}  # fmt: skip
_CLIENT_OPTIONS = dict.fromkeys(
    ("reconnection", "reconnection_attempts", "reconnection_delay", "reconnection_delay_max",
     "randomization_factor", "logger", "serializer", "handle_sigint", "engineio_logger", "request_timeout",
     "http_session", "ssl_verify", "websocket_extra_options", "timestamp_requests"),
    AS_IS,
) | {"json": differs("used for this client only, not for the whole process")}  # fmt: skip

# Keyword arguments of constructors.
ARGUMENTS: dict[str, dict[str, Verdict]] = {
    "AsyncServer": _ENGINE_OPTIONS,
    "Server": _ENGINE_OPTIONS,
    "AsyncClient": _CLIENT_OPTIONS,
    "Client": _CLIENT_OPTIONS,
    "AsyncSimpleClient": _CLIENT_OPTIONS,
    "SimpleClient": _CLIENT_OPTIONS,
}

# Values of arguments that make a difference: (class, argument, value).
VALUES: dict[tuple[str, str, str], Verdict] = {
    ("AsyncServer", "async_mode", "tornado"): _TORNADO,
    **{("Server", "async_mode", mode): _THREADS
       for mode in ("eventlet", "gevent", "gevent_uwsgi")},
}  # fmt: skip

FLASK_SOCKETIO = unsupported(
    "Flask-SocketIO reaches into python-socketio's private parts: use fastsio.Server with WSGIApp"
)
MODULE_IMPORT = Verdict(SAME, "import fastsio as socketio")

"""Every public member of Node's server classes, and what it is called here: data for tests.

A str is the attribute's name here; Not says why there is none, or what does the same. Source: socket.io 4.8,
engine.io 6.6.
"""

from __future__ import annotations

from typing import NamedTuple


class Not(NamedTuple):
    """Deliberately not here."""

    why: str


def all_are(reason: Not, *names: str) -> dict[str, Not]:
    """These are not here, for one reason."""
    return dict.fromkeys(names, reason)


INNER = Not("the library's own, though JavaScript can't hide it")
DOOR = Not("what serves an application says it: fastsio.run(), start(), ASGIApp, attach()")
OPTION = Not("an option of IO(…); what it is can be read at io.hub.options")
ONE_NAME = Not("an older name for what stays: on, off")
LIMITS = Not("Node warns of leaks at ten listeners of an event; here there is no limit to set")
RAW = Not("what Node wraps around a listener; here listeners() are the functions that were given")
PACKETS = Not("packets pass through compiled code: on_any() and on_any_outgoing() hear of events")
NO_CUSTOM_ADAPTER = Not("adapters are the core's own and can't be replaced: operators do this")
BUS = Not("servers that work together come with their own adapter")

EMITTER = {
    "on": "on",
    "once": "once",
    "off": "off",
    "prependListener": "prepend",
    "prependOnceListener": "prepend_once",
    "removeAllListeners": "remove_all_listeners",
    "listeners": "listeners",
    "listenerCount": "listener_count",
    "eventNames": "event_names",
    "addListener": ONE_NAME,
    "removeListener": ONE_NAME,
    "rawListeners": RAW,
    "setMaxListeners": LIMITS,
    "getMaxListeners": LIMITS,
}

OPERATOR = {
    "to": "to",
    "in": "in_",
    "except": "except_",
    "compress": "compress",
    "volatile": "volatile",
    "local": "local",
    "timeout": "timeout",
    "emit": "emit",
    "emitWithAck": "emit_with_ack",
    "allSockets": "all_sockets",
    "fetchSockets": "fetch_sockets",
    "socketsJoin": "sockets_join",
    "socketsLeave": "sockets_leave",
    "disconnectSockets": "disconnect_sockets",
}

SENDING = {
    **OPERATOR,
    "send": "send",
    "write": "write",
    "serverSideEmit": "server_side_emit",
    "serverSideEmitWithAck": "server_side_emit_with_ack",
}

SERVER = {
    **EMITTER,
    **SENDING,
    "of": "of",
    "use": "use",
    "sockets": "sockets",
    "engine": "engine",
    "close": "close",
    "listen": "listen",
    "attach": "attach",
    "connectTimeout": "connect_timeout",
    "path": DOOR,
    "serveClient": OPTION,
    "adapter": NO_CUSTOM_ADAPTER,
    "httpServer": DOOR,
    "attachApp": Not("uWebSockets.js is JavaScript's"),
    "bind": Not("there is one engine, and it is compiled in"),
    **all_are(
        INNER,
        "extractFilename",
        "initEngine",
        "attachServe",
        "serve",
        "onconnection",
        "_nsps",
        "parentNsps",
        "parentNamespacesFromRegExp",
        "encoder",
        "opts",
    ),
}

NAMESPACE = {
    **EMITTER,
    **SENDING,
    "use": "use",
    "name": "name",
    "sockets": "sockets",
    "adapter": "adapter",
    "server": "server",
    "run": INNER,
}

PARENT = {
    **EMITTER,
    **OPERATOR,
    "send": "send",
    "write": "write",
    "use": "use",
    "name": "name",
    "children": "children",
    "createChild": "create_child",
}

SOCKET = {
    **EMITTER,
    "id": "id",
    "nsp": "nsp",
    "client": "client",
    "handshake": "handshake",
    "data": "data",
    "connected": "connected",
    "disconnected": "disconnected",
    "rooms": "rooms",
    "request": "request",
    "conn": "conn",
    "emit": "emit",
    "emitWithAck": "emit_with_ack",
    "send": "send",
    "write": "write",
    "join": "join",
    "leave": "leave",
    "to": "to",
    "in": "in_",
    "except": "except_",
    "broadcast": "broadcast",
    "local": "local",
    "volatile": "volatile",
    "compress": "compress",
    "timeout": "timeout",
    "use": "use",
    "disconnect": "disconnect",
    "onAny": "on_any",
    "prependAny": "prepend_any",
    "offAny": "off_any",
    "listenersAny": "listeners_any",
    "onAnyOutgoing": "on_any_outgoing",
    "prependAnyOutgoing": "prepend_any_outgoing",
    "offAnyOutgoing": "off_any_outgoing",
    "listenersAnyOutgoing": "listeners_any_outgoing",
    "recovered": "recovered",
    **all_are(
        INNER,
        "buildHandshake",
        "registerAckCallback",
        "packet",
        "leaveAll",
        "onevent",
        "ack",
        "onack",
        "ondisconnect",
        "dispatch",
        "run",
        "notifyOutgoingListeners",
        "newBroadcastOperator",
        "server",
        "adapter",
        "acks",
        "fns",
        "flags",
    ),
}

FLAGGED_SOCKET = {
    name: SOCKET[name]
    for name in (
        "emit", "emitWithAck", "send", "to", "in", "except", "broadcast", "local", "volatile", "compress", "timeout",
    )
}  # fmt: skip

REMOTE_SOCKET = {
    "id": "id",
    "handshake": "handshake",
    "rooms": "rooms",
    "data": "data",
    "emit": "emit",
    "timeout": "timeout",
    "join": "join",
    "leave": "leave",
    "disconnect": "disconnect",
}

CLIENT = {
    "conn": "conn",
    "request": "request",
    **all_are(
        INNER,
        "setup",
        "connect",
        "doConnect",
        "close",
        "writeToEngine",
        "ondata",
        "ondecoded",
        "onerror",
        "onclose",
        "destroy",
    ),
}

HANDSHAKE = {
    name: name
    for name in (
        "headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth",
    )
}  # fmt: skip

REQUEST = {"method": "method", "url": "url", "headers": "headers", "httpVersion": INNER}

CONN = {
    **EMITTER,
    "id": "id",
    "protocol": "protocol",
    "request": "request",
    "remoteAddress": "remote_address",
    "readyState": "ready_state",
    "transport": "transport",
    "upgraded": "upgraded",
    "send": "send",
    "write": "write",
    "close": "close",
    **all_are(
        INNER,
        "onOpen",
        "onPacket",
        "onError",
        "schedulePing",
        "resetPingTimeout",
        "setTransport",
        "onDrain",
        "clearTransport",
        "onClose",
        "sendPacket",
        "flush",
        "getAvailableUpgrades",
        "closeTransport",
    ),
}

CONN_EVENTS = {
    "close": "close",
    "upgrade": "upgrade",
    **all_are(
        PACKETS,
        "open",
        "packet",
        "packetCreate",
        "message",
        "data",
        "heartbeat",
        "flush",
        "upgrading",
    ),
    "drain": Not("how much waits for a client, and when it has gone, is the socket's to say"),
}

ADAPTER = {
    "rooms": "rooms",
    "sids": "sids",
    "nsp": "nsp",
    "on": "on",
    "off": "off",
    "sockets": "sockets",
    "socketRooms": "socket_rooms",
    "serverCount": "server_count",
    "broadcast": "broadcast",
    **all_are(
        NO_CUSTOM_ADAPTER,
        "init",
        "close",
        "addAll",
        "del",
        "delAll",
        "broadcastWithAck",
        "fetchSockets",
        "addSockets",
        "delSockets",
        "disconnectSockets",
        "apply",
        "computeExceptSids",
    ),
    "serverSideEmit": BUS,
    "persistSession": INNER,
    "restoreSession": INNER,
}

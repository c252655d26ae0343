"""Clients of redis-py by a URL: Redis, Valkey, over TLS or a Unix socket, or what Sentinels name.

The forms are python-socketio's: redis://, rediss://, unix://, valkey://, valkeys://, and
redis+sentinel://user:password@host1:26379,host2:26379/0/service. Nodes of a Redis cluster have a form of our own:
redis+cluster://user:password@host1:6379,host2:6379. Knows nothing of what is published.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

# Valkey speaks Redis' protocol, so redis-py serves for both.
SCHEMES = {
    "redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss",
}  # fmt: skip
SENTINELS = ("redis+sentinel", "valkey+sentinel")
# By what a node's own URL begins with.
CLUSTERS = {
    "redis+cluster": "redis", "rediss+cluster": "rediss", "valkey+cluster": "redis", "valkeys+cluster": "rediss",
}  # fmt: skip
# A Sentinel that does not answer within so many seconds is left for the next one.
SENTINEL_S = 5.0


def connect(redis: Any, url: str, options: dict[str, Any], service: str = "") -> Any:
    """A client of `redis`, the module redis or redis.asyncio, which connects when it has something to say.

    options: keyword arguments of Redis.from_url(), or of Sentinel(). service: what Sentinels know the server by, if the
    URL does not say. Raises ValueError for another kind of URL.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in SENTINELS:
        sentinels, name, found = parse_sentinels(url)
        given = {
            "sentinel_kwargs": {"socket_timeout": SENTINEL_S, "socket_connect_timeout": SENTINEL_S}
        }
        from_sentinels = redis.sentinel.Sentinel(sentinels, **{**given, **options, **found})
        return from_sentinels.master_for(name or service)
    if scheme in CLUSTERS:
        raise ValueError(f"{scheme}://: only ShardedRedisAdapter takes a Redis cluster by its URL")
    if scheme not in SCHEMES or not separator:
        known = ", ".join(f"{name}://" for name in (*SCHEMES, *SENTINELS))
        raise ValueError(f"Unsupported Redis URL scheme: {scheme}; known are {known}")
    return redis.Redis.from_url(f"{SCHEMES[scheme]}://{rest}", **options)


def parse_sentinels(url: str) -> tuple[list[tuple[str, int]], str | None, dict[str, Any]]:
    """The Sentinels' hosts and ports, the service's name, and username, password and db as far as they are given.

    Raises ValueError for an address without a port, or a db that is no number.
    """
    parts = urlsplit(url)
    sentinels = []
    for address in parts.netloc.rpartition("@")[2].split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"Sentinel {address!r} in a URL: host:port")
        sentinels.append((host.strip("[]"), int(port)))
    found: dict[str, Any] = {}
    if parts.username:
        found["username"] = unquote(parts.username)
    if parts.password:
        found["password"] = unquote(parts.password)
    db, _, name = parts.path.removeprefix("/").partition("/")
    if db:
        if not db.isdigit():
            raise ValueError(f"db {db!r} in a URL of Sentinels: a number")
        found["db"] = int(db)
    return sentinels, name or None, found


def is_cluster(url: str) -> bool:
    """Whether it names nodes of a Redis cluster."""
    return url.partition("://")[0] in CLUSTERS


def cluster_nodes(url: str) -> tuple[list[str], Callable[[str], str]]:
    """The nodes that such a URL names, "host:port", one of which must answer; and what makes any node's URL of that.

    User, password and what is behind a "?" are all nodes'. Raises ValueError for an address without a port.
    """
    scheme, _, rest = url.partition("://")
    place, mark, options = rest.partition("?")
    login, at, hosts = place.rstrip("/").rpartition("@")
    nodes = hosts.split(",")
    for node in nodes:
        host, _, port = node.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"node {node!r} in a URL of a Redis cluster: host:port")
    return nodes, lambda node: f"{CLUSTERS[scheme]}://{login}{at}{node}{mark}{options}"

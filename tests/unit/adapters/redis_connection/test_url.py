"""The URLs that adapters and managers take for Redis, Valkey and Sentinels."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
from socketio.redis_manager import parse_redis_sentinel_url

from fastsio.adapters import RedisAdapter, ShardedRedisAdapter
from fastsio.adapters.redis_connection.url import (
    cluster_nodes,
    connect,
    is_cluster,
    parse_sentinels,
)


@pytest.mark.parametrize("module", [redis, redis.asyncio], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", {}),
        ("redis://user:p%40ss@host:7000/3",
         {"host": "host", "port": 7000, "db": 3, "username": "user", "password": "p@ss"}),
        ("valkey://host:7000/3", {"host": "host", "port": 7000, "db": 3}),
        ("unix:///tmp/redis.sock?db=2", {"path": "/tmp/redis.sock", "db": 2}),
    ],
)  # fmt: skip
def test_a_url_is_read_as_redis_py_reads_it(module: Any, url: str, expected: dict[str, Any]):
    client = connect(module, url, {"socket_timeout": 7})
    kwargs = client.connection_pool.connection_kwargs
    assert expected.items() <= kwargs.items()
    assert kwargs["socket_timeout"] == 7


@pytest.mark.parametrize("url", ["rediss://host", "valkeys://host"])
def test_an_s_is_tls(url: str):
    assert "SSL" in connect(redis, url, {}).connection_pool.connection_class.__name__


@pytest.mark.parametrize("url", ["http://localhost", "localhost", "redis", ""])
def test_another_kind_of_url_is_refused(url: str):
    with pytest.raises(ValueError, match="Unsupported Redis URL scheme"):
        connect(redis, url, {})


SENTINELS = [
    "redis+sentinel://h1:1,h2:2/0/mine",
    "redis+sentinel://:secret@h1:1,h2:2/3/mine",
    "valkey+sentinel://user:secret@h1:1/0/mine",
    "redis+sentinel://h1:1",
    "redis+sentinel://h1:1/2",
]


@pytest.mark.parametrize("url", SENTINELS)
def test_sentinels_are_read_as_python_socketio_reads_them(url: str):
    assert parse_sentinels(url) == parse_redis_sentinel_url(url)


@pytest.mark.parametrize("module", [redis, redis.asyncio], ids=["sync", "async"])
def test_the_server_is_asked_of_sentinels(module: Any):
    pool = connect(module, SENTINELS[1], {"health_check_interval": 5}).connection_pool
    assert pool.service_name == "mine"
    assert pool.connection_kwargs["password"] == "secret"
    assert pool.connection_kwargs["health_check_interval"] == 5
    unnamed = connect(module, SENTINELS[3], {}, "socketio").connection_pool
    assert unnamed.service_name == "socketio"


@pytest.mark.parametrize(
    ("url", "what"), [("redis+sentinel://h1", "h1"), ("redis+sentinel://h1:x", "h1:x"), ("redis+sentinel://h:1/x", "x")]
)  # fmt: skip
def test_what_is_wrong_in_a_url_of_sentinels_is_named(url: str, what: str):
    with pytest.raises(ValueError, match=f"'{what}'"):
        parse_sentinels(url)


def test_nodes_of_a_redis_cluster_have_what_the_url_says_in_common():
    url = "rediss+cluster://user:s@cret@h1:1,[::1]:2/?protocol=3"
    assert is_cluster(url) and not is_cluster("redis://h1:1")
    nodes, url_of = cluster_nodes(url)
    assert nodes == ["h1:1", "[::1]:2"]
    assert url_of("h3:7") == "rediss://user:s@cret@h3:7?protocol=3"
    assert cluster_nodes("redis+cluster://h:1")[1]("x:2") == "redis://x:2"


@pytest.mark.parametrize("node", ["h1", "h1:x", ""])
def test_what_is_wrong_in_a_url_of_a_redis_cluster_is_named(node: str):
    with pytest.raises(ValueError, match=f"node '{node}'"):
        cluster_nodes(f"redis+cluster://h:1,{node}")


def test_a_redis_cluster_is_refused_where_it_would_not_work():
    with pytest.raises(ValueError, match="only ShardedRedisAdapter"):
        RedisAdapter("redis+cluster://h:1")
    with pytest.raises(ValueError, match="forward=True does not go with a Redis cluster"):
        ShardedRedisAdapter("redis+cluster://h:1", forward=True)
    with pytest.raises(TypeError, match="nonsense"):
        ShardedRedisAdapter("redis+cluster://h:1", nonsense=1)

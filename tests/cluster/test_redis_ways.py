"""The ways to a Redis: TCP with a password and a database, a Unix socket, TLS; each on both event loops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio

import fastsio
from fastsio.adapters import RedisAdapter, RedisStreamsAdapter
from fastsio.testing import TestServer

from .servers import Redis, free_port

WAYS = ("password", "unix", "tls")


@pytest.fixture(scope="module")
def urls(
    certificate: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    cert, key = certificate
    socket: Path = tmp_path_factory.mktemp("redis") / "socket"
    tls_port = free_port()
    server = Redis(
        *("--unixsocket", str(socket), "--tls-port", str(tls_port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert),
    )
    server.start()
    yield {
        "password": server.url.replace("//", "//default:secret@") + "/3",
        "unix": f"unix://{socket}",
        "tls": f"rediss://127.0.0.1:{tls_port}?ssl_cert_reqs=none",
    }
    server.close()


@pytest.mark.parametrize("make", [RedisAdapter, RedisStreamsAdapter])
@pytest.mark.parametrize("way", WAYS)
async def test_servers_are_joined_whatever_the_way_to_redis(way, make, urls):
    url = urls[way]
    admin = redis.asyncio.Redis.from_url(urls["unix"])
    if way == "password":
        await admin.config_set("requirepass", "secret")
    try:
        a, b = ios = [fastsio.IO(adapter=make(url)) for _ in "ab"]
        async with TestServer(a), TestServer(b) as server:
            for io in ios:
                await io.hub.cluster.ready()
            client = await server.connect()
            for n in range(20):
                a.emit("n", n, "x" * 10_000 * (n % 3))
            got = [(await client.expect("n", timeout=10)).args[0] for _ in range(20)]
            assert got == list(range(20))
    finally:
        await admin.execute_command("CONFIG", "SET", "requirepass", "")
        await admin.aclose()

"""HTTP clients that mix pages and polling on one kept-alive connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import requests

from harness import DEADLINE_S, FakePeer, Response

POLLING = "/socket.io/?EIO=4&transport=polling"


async def mix_with_httpx(client: httpx.AsyncClient, *, handshake_only: bool = False) -> None:
    """A whole Socket.IO session by polling, with pages between its requests; one request at a time.

    `handshake_only`: the session is told that the client goes, and no event is asked for.
    """

    async def pages() -> None:
        assert (await client.get("/hello?name=x")).json() == {"hello": "x", "state": "at startup"}
        response = await client.post("/upload", content=b"x" * 200_000)
        assert response.json() == {"size": 200_000}
        async with client.stream("GET", "/stream?count=50") as stream:
            assert len([line async for line in stream.aiter_lines()]) == 50

        async def parts() -> Any:
            for i in range(3):
                await asyncio.sleep(0)
                yield f"part {i} ".encode()

        assert (await client.post("/echo", content=parts())).text == "part 0 part 1 part 2 "
        assert (await client.get("/missing")).status_code == 404

    await pages()
    sid = json.loads((await client.get(POLLING)).text[1:])["sid"]
    address = f"{POLLING}&sid={sid}"
    await pages()
    assert (await client.post(address, content="40")).text == "ok"
    assert (await client.get(address)).text.startswith('40{"sid":"')
    if not handshake_only:
        await pages()
        assert (await client.post(address, content='420["echo","x"]')).text == "ok"
        await pages()
        assert (await client.get(address)).text == '430["x"]'
    assert (await client.post(address, content="1")).text == "ok"
    await pages()


async def hold_poll(polling: FakePeer, other: FakePeer) -> asyncio.Task[Response]:
    """A GET of `polling` that the server holds, as it tells `other`."""
    held = asyncio.ensure_future(polling.get())
    async with asyncio.timeout(DEADLINE_S):
        answer: object = None
        while answer != "430[1]":
            await other.send('420["held polls"]')
            answer = await other.receive()
    return held


def mix_with_requests(client: requests.Session, url: str) -> None:
    """The same with requests, in short."""
    sid = json.loads(client.get(url + POLLING, timeout=10).text[1:])["sid"]
    address = f"{url}{POLLING}&sid={sid}"
    for _ in range(3):
        assert client.get(f"{url}/hello", timeout=10).json()["hello"] == "world"
        assert client.post(f"{url}/items", json={"a": [1]}, timeout=10).json() == {
            "got": {"a": [1]}
        }
        assert client.head(url + POLLING, timeout=10).status_code == 400
        response = client.post(f"{url}/upload", data=b"x" * 300_000, timeout=10)
        assert response.json() == {"size": 300_000}
    assert client.post(address, data="40", timeout=10).text == "ok"
    assert client.get(address, timeout=10).text.startswith("40")
    assert client.post(address, data="1", timeout=10).text == "ok"

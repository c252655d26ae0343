"""A plain ASGI application with routes, streams, a WebSocket and a lifespan, to be beside Socket.IO.

`events` is what it saw: "startup", "shutdown", "cancelled", "http.disconnect".
"""

from __future__ import annotations

import asyncio
from typing import Any


class Pages:
    """Routes: see the methods. `startup_error`: its startup fails with that."""

    def __init__(self, startup_error: str | None = None) -> None:
        self.startup_error = startup_error
        self.events: list[str] = []
        self.held = 0
        self._release = asyncio.Event()

    def release(self) -> None:
        """Let /hold answer."""
        self._release.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(receive, send)
        else:
            page = getattr(self, "page_" + scope["path"].strip("/"), None)
            if page is None:
                await answer(send, b"missing", 404)
            else:
                await page(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.startup_error is not None:
            await send({"type": "lifespan.startup.failed", "message": self.startup_error})
            return
        self.events.append("startup")
        scope["state"]["text"] = "made at startup"
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.events.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def _websocket(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": "echo " + message["text"]})

    async def page_hello(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"hello")

    async def page_state(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["state"]["text"].encode())

    async def page_scheme(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["scheme"].encode())

    async def page_client(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, f"{scope['scheme']} {scope['client'][0]}".encode())

    async def page_path(self, scope: Any, receive: Any, send: Any) -> None:
        await answer(send, f"{scope['root_path']} {scope['path']}".encode())

    async def page_error(self, scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("this page is broken")

    async def page_size(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await answer(send, b"%d" % size)

    async def page_stream(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for i in range(3):
            await send({"type": "http.response.body", "body": b"%d\n" % i, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def page_big(self, scope: Any, receive: Any, send: Any) -> None:
        """10 MB, no two parts alike."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for i in range(100):
            body = b"%08d" % i * 12_500
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def page_echo(self, scope: Any, receive: Any, send: Any) -> None:
        """Every part of the body is sent back when it comes."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def page_hold(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers after release(), unless the client goes."""
        await receive()
        self.held += 1
        gone = asyncio.ensure_future(receive())
        released = asyncio.ensure_future(self._release.wait())
        try:
            await asyncio.wait([gone, released], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise
        finally:
            released.cancel()
            if not gone.done():
                gone.cancel()
            else:
                self.events.append(gone.result()["type"])
        await answer(send, b"released")


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

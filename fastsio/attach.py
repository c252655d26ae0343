"""`sio.attach(app)`: Socket.IO from an aiohttp or sanic application, on that framework's own server.

Each request of theirs is given to doors/hosted.py as an ASGI one, so that sessions, limits and ends are the same
there. Neither aiohttp nor sanic is imported before an application of it is given.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fastsio.doors.hosted import Message, serve
from fastsio.engine.engine import Engine
from fastsio.server import Application, engine_of, release_engine, wind_up

# These servers do not tell a request that its client has gone; a held GET looks so often.
LOOK_S = 1.0
SHUTDOWN_S = 5.0
METHODS = ("GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE")
Environ = dict[str, Any]


def attach(server: Application, app: Any, socketio_path: str = "socket.io") -> None:
    """Serve `server` below `socketio_path` of an aiohttp.web.Application or a Sanic application.

    Sessions end when the application stops. Raises TypeError for any other application (an ASGI one is wrapped: see
    ASGIApp).
    """
    path = f"/{socketio_path.strip('/')}/".replace("//", "/")
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(app).__mro__}
    if "aiohttp.Application" in kinds:
        _attach_aiohttp(server, app, path)
    elif "sanic.Sanic" in kinds:
        _attach_sanic(server, app, path)
    else:
        raise TypeError(
            f"{app!r} is no aiohttp or sanic application; an ASGI one goes into ASGIApp(sio, app)"
        )


async def _stop(server: Application) -> None:
    """Tell every client, and let every `disconnect` handler run."""
    release_engine(server.hub)
    await wind_up(server.hub, SHUTDOWN_S)


def _scope(
    kind: str, method: str, url: str, headers: Any, transport: Any, is_secure: bool, environ: Environ
) -> Message:  # fmt: skip
    """The ASGI scope of a request; `environ`: what handlers find in theirs besides. `url` is the path and query."""
    path, _, query = url.partition("?")
    is_http = kind == "http"
    return {
        "type": kind,
        "method": method,
        "scheme": ("https" if is_secure else "http") if is_http else ("wss" if is_secure else "ws"),
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
        "client": _address(transport, "peername"),
        "server": _address(transport, "sockname"),
        "extensions": {"websocket.http.response": {}},
        "fastsio.environ": environ,
    }


def _address(transport: Any, name: str) -> tuple[str, int] | None:
    address = transport.get_extra_info(name) if transport is not None else None
    return address[:2] if isinstance(address, tuple) else None


class _Answer:
    """Collects a plain answer: the ASGI messages of an HTTP response, or of a refused handshake."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"].endswith(".response.start"):
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
        else:
            self.body = message["body"]


class _Requests:
    """receive() of an HTTP request: its body in pieces, then the client's end."""

    def __init__(
        self, next_piece: Callable[[], Awaitable[bytes]], is_lost: Callable[[], bool]
    ) -> None:
        self._next_piece = next_piece
        self._is_lost = is_lost
        self._has_ended = False

    async def receive(self) -> Message:
        if not self._has_ended:
            try:
                piece = await self._next_piece()
            except (ConnectionError, EOFError):
                return {"type": "http.disconnect"}
            self._has_ended = not piece
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}
        while True:
            await asyncio.sleep(LOOK_S)
            if self._is_lost():
                return {"type": "http.disconnect"}


# --- aiohttp -------------------------------------------------------------------------------------


def _attach_aiohttp(server: Application, app: Any, path: str) -> None:
    async def handle(request: Any) -> Any:
        return await _serve_aiohttp(engine_of(server.hub), request)

    async def on_shutdown(app: Any) -> None:
        await _stop(server)

    app.router.add_route("*", path, handle)
    if server.hub.options.serve_client:
        app.router.add_get(
            path + r"{name:socket\.io[a-z0-9.]*}", handle
        )  # the client bundle; HEAD too
    app.on_shutdown.append(on_shutdown)


async def _serve_aiohttp(engine: Engine, request: Any) -> Any:
    from aiohttp import web

    is_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
    scope = _scope(
        "websocket" if is_websocket else "http",
        request.method,
        request.raw_path,
        [(name.lower(), value) for name, value in request.raw_headers],
        request.transport,
        request.secure,
        {"SERVER_SOFTWARE": "aiohttp", "aiohttp.request": request},
    )
    if is_websocket:
        carrier = _AiohttpWebSocket(request, engine.options.max_http_buffer_size)
        scope["subprotocols"] = _subprotocols(request.headers)
        await serve(engine, scope, carrier.receive, carrier.send)
        if carrier.websocket is not None:
            return carrier.websocket
        answer = carrier.answer
    else:
        answer = _Answer()
        requests = _Requests(
            request.content.readany,
            lambda: request.transport is None or request.transport.is_closing(),
        )
        await serve(engine, scope, requests.receive, answer.send)
    # 400: of a client that has gone, and to nobody.
    return web.Response(status=answer.status or 400, headers=answer.headers, body=answer.body)


def _subprotocols(headers: Any) -> list[str]:
    offered = headers.get("Sec-WebSocket-Protocol", "").split(",")
    return [name.strip() for name in offered if name.strip()]


class _AiohttpWebSocket:
    """ASGI's receive() and send() over aiohttp's WebSocketResponse."""

    def __init__(self, request: Any, max_message_bytes: int) -> None:
        self.websocket: Any = None
        self.answer = _Answer()
        self._request = request
        self._max_message_bytes = max_message_bytes
        self._is_connected = False

    async def receive(self) -> Message:
        from aiohttp import WSMsgType

        if not self._is_connected:
            self._is_connected = True
            return {"type": "websocket.connect"}
        message = await self.websocket.receive()
        if message.type == WSMsgType.TEXT:
            return {"type": "websocket.receive", "text": message.data}
        if message.type == WSMsgType.BINARY:
            return {"type": "websocket.receive", "bytes": message.data}
        return {"type": "websocket.disconnect", "code": self.websocket.close_code or 1006}

    async def send(self, message: Message) -> None:
        from aiohttp import web

        kind = message["type"]
        if kind == "websocket.send":
            text = message.get("text")
            if text is not None:
                await self.websocket.send_str(text)
            else:
                await self.websocket.send_bytes(message["bytes"])
        elif kind == "websocket.accept":
            chosen = message["subprotocol"]
            # Twice that: the engine names what is too large, and aiohttp only cuts it off.
            websocket = web.WebSocketResponse(
                protocols=[chosen] if chosen else (), compress=False, max_msg_size=2 * self._max_message_bytes
            )  # fmt: skip
            for name, value in message["headers"]:
                websocket.headers[name.decode("latin-1")] = value.decode("latin-1")
            self.websocket = websocket
            await websocket.prepare(self._request)
        elif kind == "websocket.close":
            await self.websocket.close(code=message["code"])
        else:
            await self.answer.send(message)


# --- sanic ---------------------------------------------------------------------------------------


def _attach_sanic(server: Application, app: Any, path: str) -> None:
    async def handle(request: Any) -> Any:
        return await _serve_sanic(engine_of(server.hub), request)

    async def before_server_stop(app: Any) -> None:
        await _stop(server)

    # As sanic marks its own WebSocket handlers: it may have no answer. Without it one that ends while sanic stops is an
    # error there.
    handle.is_websocket = True  # type: ignore[attr-defined]
    # Its requests are streamed, so that a body over the limit is not collected first.
    app.add_route(handle, path, methods=METHODS, name="fastsio", stream=True)
    if server.hub.options.serve_client:

        async def serve_client(request: Any, name: str) -> Any:
            return await _serve_sanic(engine_of(server.hub), request)

        app.add_route(
            serve_client,
            f"{path}<name:str>",
            methods=("GET", "HEAD"),
            name="fastsio_client",
            stream=True,
        )
    app.register_listener(before_server_stop, "before_server_stop")
    app.enable_websocket()


async def _serve_sanic(engine: Engine, request: Any) -> Any:
    from sanic.response import HTTPResponse

    is_websocket = request.headers.get("upgrade", "").lower() == "websocket"
    transport = request.transport
    scope = _scope(
        "websocket" if is_websocket else "http",
        request.method,
        request.raw_url.decode("latin-1"),
        [(name.lower().encode(), value.encode(errors="surrogateescape")) for name, value in request.headers.items()],
        transport,
        request.scheme in ("https", "wss"),
        {"SERVER_SOFTWARE": "sanic", "sanic.request": request},
    )  # fmt: skip
    if is_websocket:
        carrier = _SanicWebSocket(request)
        scope["subprotocols"] = _subprotocols(request.headers)
        await serve(engine, scope, carrier.receive, carrier.send)
        if carrier.websocket is not None:
            return None
        answer = carrier.answer
    else:
        answer = _Answer()

        async def next_piece() -> bytes:
            return await request.stream.read() or b""

        requests = _Requests(next_piece, transport.is_closing)
        await serve(engine, scope, requests.receive, answer.send)
    headers = {name: value for name, value in answer.headers if name != "content-type"}
    content_type = dict(answer.headers).get("content-type")
    return HTTPResponse(answer.body, answer.status or 400, headers, content_type)


class _SanicWebSocket:
    """ASGI's receive() and send() over sanic's WebSocket."""

    def __init__(self, request: Any) -> None:
        self.websocket: Any = None
        self.answer = _Answer()
        self._request = request
        self._is_connected = False

    async def receive(self) -> Message:
        from sanic.exceptions import SanicException

        task = asyncio.current_task()
        if not self._is_connected:
            self._is_connected = True
            return {"type": "websocket.connect"}
        try:
            message = await self.websocket.recv()
        except SanicException:
            message = None
        except asyncio.CancelledError:
            # Raised for a connection that ends while we wait, and then nobody has cancelled this task.
            if task is None or task.cancelling():
                raise
            message = None
        if isinstance(message, str):
            return {"type": "websocket.receive", "text": message}
        if message is not None:
            return {"type": "websocket.receive", "bytes": message}
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            text = message.get("text")
            await self.websocket.send(message["bytes"] if text is None else text)
        elif kind == "websocket.accept":
            chosen = message["subprotocol"]
            protocol = self._request.transport.get_protocol()
            self.websocket = await protocol.websocket_handshake(
                self._request, [chosen] if chosen else None
            )
        elif kind == "websocket.close":
            await self.websocket.close(code=message["code"])
        else:
            await self.answer.send(message)

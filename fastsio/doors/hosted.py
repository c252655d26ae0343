"""The engine behind another server: its Exchange port over ASGI, one request or one WebSocket at a time.

serve() is all that a front door calls. It knows nothing of Socket.IO and of paths. HTTP is here, a WebSocket's
hot path in _hosted.pyx. Pings and pongs of the WebSocket protocol, its handshake and keep-alive are the
other server's.
Source: ASGI specification 3.0, "HTTP & WebSocket".
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from fastsio._hosted import HostedSocket
from fastsio._http import Request
from fastsio.engine.engine import Engine

logger = logging.getLogger("fastsio.hosted")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[str, str]]

# What of a body that was refused is still read, so that the client gets to see the answer.
DISCARD_BYTES = 16 * 1024 * 1024
NO_STATUS = 1005
PLAIN_TEXT: Headers = [("content-type", "text/plain; charset=utf-8")]


async def serve(
    engine: Engine, scope: Message, receive: Receive, send: Send, cancel_reason: str | None = None
) -> None:
    """Serve one HTTP request or one WebSocket of the engine's, to its end.

    `cancel_reason`: what the session ends with if the server cancels this; None: as if its client had gone.
    """
    if scope["type"] == "websocket":
        await _serve_websocket(engine, scope, receive, send, cancel_reason)
    else:
        await _serve_http(engine, scope, receive, send, cancel_reason)


# --- requests ------------------------------------------------------------------------------------


class HostedRequest(Request):
    """A request as the engine sees it. `body` and `is_too_large` are set once the body is here (`is_read`)."""

    __slots__ = ("_receive", "_scope", "_send", "body", "is_read", "is_too_large")

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        is_websocket = scope["type"] == "websocket"
        path = scope.get("raw_path") or quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
        query = scope.get("query_string") or b""
        super().__init__(
            scope.get("method", "GET"),
            path.partition(b"?")[0] + (b"?" + query if query else b""),
            [(bytes(name), bytes(value)) for name, value in scope["headers"]],
            is_upgrade=is_websocket,
        )
        self.body = b""
        self.is_read = False
        self.is_too_large = False
        self._scope = scope
        # Those of a request that has been answered would keep the server's state of it alive.
        self._receive = receive if is_websocket else _receive_nothing
        self._send = send if is_websocket else _send_nothing

    @property
    def environ(self) -> dict[str, Any]:
        """What python-socketio's environ has of an ASGI server, as a new dict."""
        client = self._scope.get("client") or ("", 0)
        return {
            "wsgi.input": _NoInput(),
            "SERVER_SOFTWARE": "asgi",
            "REMOTE_PORT": str(client[1]),
            "asgi.scope": self._scope,
            "asgi.receive": self._receive,
            "asgi.send": self._send,
            **self._scope.get("fastsio.environ", {}),
        }


class _NoInput:
    """The handshake's body: a GET has none."""

    async def read(self, length: int | None = None) -> bytes:
        return b""


async def _receive_nothing() -> Message:
    """receive() of a request that has been answered."""
    return {"type": "http.disconnect"}


async def _send_nothing(message: Message) -> None:
    """send() of a request that has been answered."""
    raise OSError(f"{message.get('type')!r} can't be sent: the request has been answered")


def _remote(scope: Message) -> str:
    client = scope.get("client")
    return str(client[0]) if client and client[0] else ""


def _is_secure(scope: Message) -> bool:
    return scope.get("scheme") in ("https", "wss")


# --- HTTP ----------------------------------------------------------------------------------------


class HostedExchange:
    """One HTTP request that waits for its answer; see engine.ports.Exchange."""

    __slots__ = (
        "_driver", "_news", "answer", "is_aborted", "is_secure", "on_abort", "receiver", "remote", "session",
    )  # fmt: skip

    def __init__(self, scope: Message) -> None:
        self.remote = _remote(scope)
        self.is_secure = _is_secure(scope)
        self.on_abort: Callable[[], None] | None = None
        self.session: Any = None
        self.receiver: Any = None
        # (status, headers, body) once there is one.
        self.answer: tuple[int, Headers, bytes] | None = None
        self.is_aborted = False
        self._driver = asyncio.current_task()
        self._news: asyncio.Future[None] | None = None

    def respond(
        self, status: int, headers: Headers, body: bytes, *, keep_alive: bool = True, is_head: bool = False
    ) -> None:  # fmt: skip
        """Answer. Whether the connection stays is the server's to decide; so are the bodies of HEAD."""
        if self.answer is not None or self.is_aborted:
            return
        self.on_abort = None
        self.answer = (status, headers, body)
        self._wake()

    def accept_websocket(self, request: Request, headers: Headers, receiver: Any) -> bool:
        """Never: a server that speaks WebSocket does not give its handshakes out as requests."""
        self.respond(400, PLAIN_TEXT, b"not a WebSocket")
        return False

    def abort(self) -> None:
        """Read no more of this request's body (another one has come in its way)."""
        self.respond(400, [], b"")
        self.is_aborted = True
        if self._driver is not None:
            self._driver.cancel()

    async def wait(self, receive: Receive) -> None:
        """Until there is an answer, or the client goes: then on_abort() is called."""
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        watcher = loop.create_task(self._watch(receive))
        try:
            await self._news
        finally:
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except Exception as error:  # servers differ in what they raise for a client that has gone
            logger.info("%s: can't receive", self.remote, exc_info=error)
        self.client_has_gone()

    def client_has_gone(self) -> None:
        """Nobody waits for the answer any more; nothing happens if there is one."""
        on_abort, self.on_abort = self.on_abort, None
        if self.answer is None:
            self.is_aborted = True
            if on_abort is not None:
                on_abort()
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


async def _serve_http(
    engine: Engine, scope: Message, receive: Receive, send: Send, cancel_reason: str | None
) -> None:
    exchange = HostedExchange(scope)
    request = HostedRequest(scope, receive, send)
    is_post = request.method == "POST"
    if is_post and not await _read_body(engine, request, exchange, receive):
        return
    if exchange.answer is None:
        engine.handle(request, exchange)
    if exchange.answer is None:
        try:
            await exchange.wait(receive)
        except asyncio.CancelledError:
            session = engine.sessions.get(request.argument("sid") or "")
            if session is not None and cancel_reason is not None:
                session.shut_down(cancel_reason)
            exchange.client_has_gone()
            raise
    if exchange.answer is None:
        return
    status, headers, body = exchange.answer
    try:
        await plain_answer(send, status, body, headers, request.method)
    except OSError as error:
        logger.info("%s: can't answer: %r", exchange.remote, error)
        return
    if is_post and not request.is_read:
        await _discard(receive)


async def plain_answer(
    send: Send, status: int, body: bytes, headers: Headers = PLAIN_TEXT, method: str = "GET"
) -> None:
    """Send a whole answer."""
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if status != 204:
        fields.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


async def _read_body(
    engine: Engine, request: HostedRequest, exchange: HostedExchange, receive: Receive
) -> bool:
    """Read a POST's body, as far as it may be long; False if the client went meanwhile."""
    engine.announce(request, exchange)
    limit = engine.options.max_http_buffer_size
    length = request.header("content-length") or ""
    if exchange.answer is not None:  # there is a POST of this session already
        return True
    if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > limit:
        request.is_too_large = True
        return True
    try:
        if await _read_pieces(request, exchange, receive, limit):
            return True
        engine.cut_off(request)
        return False
    except asyncio.CancelledError:
        if not exchange.is_aborted:
            engine.cut_off(request)
            raise
        _forget_cancellation()
        return True
    except BaseException:
        engine.cut_off(request)
        raise


async def _read_pieces(
    request: HostedRequest, exchange: HostedExchange, receive: Receive, limit: int
) -> bool:
    """Read until the body is whole, too large, or not wanted any more; False if the client went."""
    chunks: list[bytes] = []
    size = 0
    while not exchange.is_aborted:
        message = await receive()
        if message["type"] != "http.request":
            return False
        chunk = message.get("body") or b""
        size += len(chunk)
        if size > limit:
            request.is_too_large = True
            return True
        chunks.append(chunk)
        if not message.get("more_body"):
            request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            request.is_read = True
            return True
    return True


async def _discard(receive: Receive) -> None:
    """Read what is left of a body that was refused, within reason: some servers wait for that."""
    left = DISCARD_BYTES
    while left > 0:
        try:
            message = await receive()
        except OSError:  # the client has gone
            return
        if message["type"] != "http.request" or not message.get("more_body"):
            return
        left -= len(message.get("body") or b"")


def _forget_cancellation() -> None:
    """It was ours, to get out of receive()."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


# --- WebSocket -----------------------------------------------------------------------------------


async def _serve_websocket(
    engine: Engine, scope: Message, receive: Receive, send: Send, cancel_reason: str | None
) -> None:
    if (await receive())["type"] != "websocket.connect":
        return
    request = HostedRequest(scope, receive, send)
    socket = HostedSocket(engine, _remote(scope), _is_secure(scope), send, asyncio.current_task())
    engine.handle(request, socket)
    if socket.is_undecided:
        # The application's connect handler is at work. receive() tells of no client that goes before the answer.
        try:
            await socket.wait()
        except asyncio.CancelledError as cancellation:
            socket.gone(cancellation)
            socket.release()
            raise
    if socket.refusal is not None:
        status, headers, body = socket.refusal
        await _send_refusal(scope, send, status, headers, body)
        return
    error: BaseException | None = None
    try:
        await send(_acceptance(scope, socket))
        socket.opened()
        await _receive_all(socket, receive)
    except asyncio.CancelledError as cancellation:
        if not socket.is_interrupted:
            if socket.session is not None and cancel_reason is not None:
                socket.session.shut_down(cancel_reason)
            error = cancellation
            raise
        _forget_cancellation()
    except OSError as lost:  # the client went before it was accepted
        error = lost
        logger.info("%s: %r", socket.remote, lost)
    except BaseException as failure:
        error = failure
        raise
    finally:
        socket.gone(error)
        socket.release()


async def _receive_all(socket: HostedSocket, receive: Receive) -> None:
    """Hand over what the client sends until it goes. Nothing else is awaited: answers are sent by the socket."""
    while True:
        if socket.session is not None and socket.session.flow is not None:
            await socket.session.flow.readable()
        message = await receive()
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if text is not None:
                socket.take_text(text)
            else:
                socket.take_binary(bytes(message["bytes"]))
        elif message["type"] == "websocket.disconnect":
            code = message.get("code")
            socket.disconnected(NO_STATUS if code is None else int(code))
            return


def _acceptance(scope: Message, socket: HostedSocket) -> Message:
    """The message that answers the handshake; of the subprotocols offered it takes the first, as Node does."""
    offered = list(scope.get("subprotocols") or ())
    return {
        "type": "websocket.accept",
        "subprotocol": offered[0] if offered else None,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in socket.headers
        ],
    }


async def refuse_websocket(
    scope: Message, receive: Receive, send: Send, status: int, headers: Headers, body: bytes
) -> None:
    """Refuse a handshake that is nobody's."""
    if (await receive())["type"] == "websocket.connect":
        await _send_refusal(scope, send, status, headers or PLAIN_TEXT, body)


async def _send_refusal(
    scope: Message, send: Send, status: int, headers: Headers, body: bytes
) -> None:
    """With the status and body where the server can do that, else with its 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": body.decode()})
        return
    fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    fields.append((b"content-length", b"%d" % len(body)))
    await send({"type": "websocket.http.response.start", "status": status, "headers": fields})
    await send({"type": "websocket.http.response.body", "body": body})

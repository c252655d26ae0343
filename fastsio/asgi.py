"""ASGIApp: a Socket.IO server, static files and another ASGI application behind any ASGI server.

Signature and attributes: python-socketio 5. Requests of the engine's path go to doors/hosted.py. Unlike
python-socketio it ends every session when the server stops, at the latest with lifespan.shutdown.
"""

import asyncio
import logging
from typing import Any

from fastsio.doors.files import answer_file, find_file
from fastsio.doors.hosted import Message, Receive, Send, plain_answer, refuse_websocket, serve
from fastsio.doors.signals import ExitWatch
from fastsio.server import SHUTDOWN_REASON, Application, engine_of, release_engine, wind_up

logger = logging.getLogger("fastsio.asgi")

# How long handlers may run when the server stops.
SHUTDOWN_S = 5.0


class ASGIApp:
    """An ASGI application that serves Socket.IO, and hands on what is not Socket.IO's.

    Requests below `engineio_path` ("/socket.io/", after the prefix of a mount) are the server's; with
    socketio_path=None all are. Then come `static_files` ({"/": "index.html", "/static": "./public",
    "/x": {"filename": …, "content_type": …}}), then `other_asgi_app`, else the answer is a 404.
    on_startup, on_shutdown: functions or coroutine functions; the lifespan events reach `other_asgi_app` only
    if neither is given. `engineio_server` is the AsyncServer or IO. Raises TypeError for one that is neither.
    """

    def __init__(
        self, socketio_server: Application, other_asgi_app: Any = None, static_files: dict[str, Any] | None = None,
        socketio_path: str | None = "socket.io", on_startup: Any = None, on_shutdown: Any = None,
    ) -> None:  # fmt: skip
        if not hasattr(socketio_server, "hub"):
            raise TypeError(f"{socketio_server!r} can't be served: give an AsyncServer or IO")
        self.engineio_server = socketio_server
        self.other_asgi_app = other_asgi_app
        self.engineio_path = (
            None if socketio_path is None else f"/{socketio_path.strip('/')}/".replace("//", "/")
        )
        self.static_files = static_files or {}
        self.on_startup = on_startup
        self.on_shutdown = on_shutdown
        self.shutdown_timeout = SHUTDOWN_S
        self._is_stopping = False
        self._exit = ExitWatch(self._stop)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self.lifespan(scope, receive, send)
        elif kind in ("http", "websocket") and self._is_engines(scope):
            await self._serve(scope, receive, send)
        elif (found := self._find_file(scope)) is not None:
            await self.serve_static_file(found, receive, send)
        elif self.other_asgi_app is not None:
            await self.other_asgi_app(scope, receive, send)
        elif kind == "websocket":
            await refuse_websocket(scope, receive, send, 404, [], b"Not Found")
        else:
            await self.not_found(receive, send)

    # --- the engine --------------------------------------------------------------------------

    def _is_engines(self, scope: Message) -> bool:
        if self.engineio_path is None:
            return True
        path = scope["path"] if scope["path"].endswith("/") else scope["path"] + "/"
        return bool(
            path.startswith(self.engineio_path)
            or _below_mount(scope, path).startswith(self.engineio_path)
        )

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        if not self._is_stopping:
            hub = self.engineio_server.hub
            if hub.engine is None or not hub.engine.is_open:
                # A mounted application hears of no lifespan, so this is where it starts.
                self._exit.arm(asyncio.get_running_loop(), send)
            # ASGI servers cancel an application only when they stop.
            await serve(engine_of(hub), scope, receive, send, SHUTDOWN_REASON)
        elif scope["type"] == "websocket":
            await refuse_websocket(scope, receive, send, 503, [], b"Server shutting down")
        else:
            await plain_answer(send, 503, b"Server shutting down")

    def _stop(self) -> None:
        """The server will exit: end the sessions now, and take no new ones."""
        self._is_stopping = True
        release_engine(self.engineio_server.hub)

    async def _end_sessions(self) -> None:
        """Tell every client, and let every `disconnect` handler run."""
        self._stop()
        self._exit.disarm()
        await wind_up(self.engineio_server.hub, self.shutdown_timeout)

    # --- files, and what nobody wants --------------------------------------------------------

    def _find_file(self, scope: Message) -> dict[str, Any] | None:
        if not self.static_files or scope["type"] != "http":
            return None
        if scope["method"] not in ("GET", "HEAD"):
            return None
        found = find_file(scope["path"], self.static_files)
        if found is None:
            found = find_file(_below_mount(scope, scope["path"]), self.static_files)
        if found is not None:
            found["scope"] = scope
        return found

    async def serve_static_file(
        self, static_file: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer with the file static_file["filename"], of the type static_file["content_type"]."""
        await answer_file(static_file, send)

    async def not_found(self, receive: Receive, send: Send) -> None:
        """Answer with 404."""
        await plain_answer(send, 404, b"Not Found")

    # --- lifespan ----------------------------------------------------------------------------

    async def lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve the lifespan protocol: sessions end with its shutdown, before on_shutdown is called."""
        self._is_stopping = False
        receive = self._watch_lifespan(receive)
        has_hooks = self.on_startup is not None or self.on_shutdown is not None
        is_others = self.other_asgi_app is not None and not has_hooks
        if is_others and await self._is_answered_by_other(scope, receive, send):
            return
        while await self._answer_lifespan((await receive())["type"], send):
            pass

    async def _answer_lifespan(self, kind: str, send: Send) -> bool:
        """Call the hook of an event and say how that went; False if it was the last event."""
        event = kind.removeprefix("lifespan.")
        if event not in ("startup", "shutdown"):
            raise RuntimeError(f"unknown lifespan event {kind!r}")
        hook = self.on_startup if event == "startup" else self.on_shutdown
        try:
            result: Any = hook() if hook is not None else None
            if hasattr(result, "__await__"):
                await result
        except Exception as error:  # the server says so, and decides what follows
            logger.exception("on_%s failed", event)
            await send({"type": f"lifespan.{event}.failed", "message": repr(error)})
            return False
        await send({"type": f"lifespan.{event}.complete"})
        return event == "startup"

    async def _is_answered_by_other(self, scope: Message, receive: Receive, send: Send) -> bool:
        """Let the other application serve lifespan; False if it does not know it, as Django: then we do.

        Without that the server would not tell us of its shutdown.
        """
        heard: list[Message] = []
        answers: list[Message] = []

        async def listen() -> Message:
            heard.append(await receive())
            return heard[-1]

        async def answer(message: Message) -> None:
            answers.append(message)
            await send(message)

        try:
            await self.other_asgi_app(scope, listen, answer)
        except Exception as error:
            if answers:
                raise
            logger.info("%r does not serve lifespan: %r", self.other_asgi_app, error)
        if heard and not answers:
            await send({"type": "lifespan.startup.complete"})
        return bool(answers)

    def _watch_lifespan(self, receive: Receive) -> Receive:
        """`receive`, and what we have to do before its events are heard."""

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._exit.arm(asyncio.get_running_loop())
            elif message["type"] == "lifespan.shutdown":
                await self._end_sessions()
            return message

        return watched


def _below_mount(scope: Message, path: str) -> str:
    """The path behind the prefix at which a framework has mounted the application."""
    root = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path

"""An ASGI server played by hand: a test says what receive() returns and sees, or holds up, what send() gets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from harness import DEADLINE_S, until

Message = dict[str, Any]


def scope_of(kind: str, query: str = "", **fields: Any) -> Message:
    """The scope of a request, as uvicorn makes it."""
    scope: Message = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": "/socket.io/",
        "raw_path": b"/socket.io/",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"test")],
        "client": ("192.0.2.7", 4711),
        "server": ("192.0.2.1", 80),
        "extensions": {"websocket.http.response": {}} if kind == "websocket" else {},
        **fields,
    }
    if kind == "http":
        scope.setdefault("method", "GET")
    else:
        scope.setdefault("subprotocols", [])
    return scope


class Call:
    """One call of an ASGI application, running as a task. `sent` has what it sent, `task` ends with it."""

    def __init__(self, app: Any, scope: Message, *messages: Message) -> None:
        self.scope = scope
        self.sent: list[Message] = []
        self.sending_tasks: list[Any] = []
        self.failure: BaseException | None = None
        self.receive_failure: Exception | None = None
        # send() raises once so many messages were sent.
        self.fails_after = -1
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._flow = asyncio.Event()
        self._flow.set()
        self._seen = 0
        for message in messages:
            self._inbox.put_nowait(message)
        self.task = asyncio.ensure_future(app(scope, self.receive, self.send))

    # --- the server's side ---

    async def receive(self) -> Message:
        message = await self._inbox.get()
        if self.receive_failure is not None:
            raise self.receive_failure
        return message

    async def send(self, message: Message) -> None:
        await self._flow.wait()
        if len(self.sent) == self.fails_after:
            self.failure = OSError("gone")
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)
        self.sending_tasks.append(asyncio.current_task())

    # --- the test's side ---

    def give(self, *messages: Message) -> None:
        """What receive() returns next."""
        for message in messages:
            self._inbox.put_nowait(message)

    def stall(self) -> None:
        """send() waits from now on, as for a client that does not read."""
        self._flow.clear()

    def flow(self) -> None:
        self._flow.set()

    async def next(self, kind: str) -> Message:
        """The next message sent, which must be of that type."""
        await until(lambda: len(self.sent) > self._seen, f"{kind} from the application")
        message = self.sent[self._seen]
        self._seen += 1
        assert message["type"] == kind, message
        return message

    async def done(self) -> None:
        await asyncio.wait_for(asyncio.shield(self.task), DEADLINE_S)

    # --- HTTP ---

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The whole answer: status, headers, body."""
        start = await self.next("http.response.start")
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        body: bytes = (await self.next("http.response.body"))["body"]
        return start["status"], headers, body

    # --- WebSocket ---

    def say(self, *packets: str | bytes) -> None:
        """WebSocket messages of the client."""
        for packet in packets:
            key = "text" if isinstance(packet, str) else "bytes"
            self.give({"type": "websocket.receive", key: packet})

    def hang_up(self, code: int = 1005) -> None:
        self.give({"type": "websocket.disconnect", "code": code})

    async def hear(self) -> str | bytes:
        """The next WebSocket message to the client; pings of Engine.IO are answered and left out."""
        while True:
            message = await self.next("websocket.send")
            packet: str | bytes = message["text"] if "text" in message else message["bytes"]
            if packet != "2":
                return packet
            self.say("3")


CONNECT: Message = {"type": "websocket.connect"}
DISCONNECT: Message = {"type": "http.disconnect"}
NO_BODY: Message = {"type": "http.request", "body": b"", "more_body": False}


class Client:
    """A Socket.IO client over scripted calls of an ASGI application."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.sid = ""
        self.call: Call | None = None

    def query(self, transport: str) -> str:
        return f"EIO=4&transport={transport}" + (f"&sid={self.sid}" if self.sid else "")

    # --- polling ---

    def get(self, *messages: Message, **fields: Any) -> Call:
        return Call(
            self.app, scope_of("http", self.query("polling"), **fields), *(messages or (NO_BODY,))
        )

    def post(self, *chunks: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Call:
        """A POST with this body, of which the last chunk is the end; without one it is still to come."""
        scope = scope_of("http", self.query("polling"), method="POST")
        scope["headers"] = [*scope["headers"], *headers]
        return Call(
            self.app,
            scope,
            *(
                {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1}
                for i, chunk in enumerate(chunks)
            ),
        )

    async def open_polling(self) -> Client:
        """Handshake and join "/"."""
        status, _, body = await self.get().answer()
        assert status == 200, (status, body)
        self.sid = json.loads(body[1:])["sid"]
        assert (await self.post(b"40").answer())[0] == 200
        assert (await self.get().answer())[2].startswith(b"40")
        return self

    # --- WebSocket ---

    def websocket(self, **fields: Any) -> Call:
        return Call(self.app, scope_of("websocket", self.query("websocket"), **fields), CONNECT)

    async def open_websocket(self, **fields: Any) -> Client:
        """Handshake and join "/"; `call` is the WebSocket."""
        self.call = call = self.websocket(**fields)
        await call.next("websocket.accept")
        self.sid = json.loads(str(await call.hear())[1:])["sid"]
        call.say("40")
        assert str(await call.hear()).startswith("40")
        return self

    async def leave(self) -> None:
        """End as a closed browser tab does."""
        if self.call is not None:
            self.call.hang_up()
            await self.call.done()
        else:
            await self.post(b"1").answer()

"""The clients that play scenarios: the official one in Node, python-socketio's own, and raw packets.

Each writes what it sees into a list of its own, in its order; nothing here waits by the clock.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from harness import MS
from swap_values import describe, from_wire, to_wire

DEADLINE_S = 5_000 * MS
CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class Log(list[Any]):
    """Entries in order, and a way to wait for one."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._news: set[asyncio.Future[None]] = set()

    def add(self, entry: Any) -> None:
        self.append(entry)
        for future in self._news:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """The first truthy value of condition(), asked anew after each entry."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (value := condition()):
                    future = asyncio.get_running_loop().create_future()
                    self._news.add(future)
                    await future
                    self._news.discard(future)
                return value
        except TimeoutError:
            raise AssertionError(f"{self._what}: no {what}; its log: {list(self)}") from None


class Client:
    """What a scenario does with a client; `log` is what the client saw."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = Log(f"client {name}")

    async def got(self, event: str, count: int = 1) -> Any:
        """Wait until `event` has come `count` times; the arguments it came with then."""
        return (await self._entry("event", event, count))[2]

    async def ask(self, event: str, *args: Any) -> Any:
        """Send an event and wait for its ack, whose arguments are returned."""
        before = self._count("ack", event)
        await self.ask_later(event, *args)
        return (await self._entry("ack", event, before + 1))[2]

    async def gone(self) -> Any:
        """Wait until it is disconnected; the reason that the client was given."""
        return (await self._entry("disconnect", None, 1))[1]

    async def settled(self) -> str:
        """Wait until it is connected or refused; which of the two."""
        entry = await self.log.until(
            lambda: next((e for e in self.log if e[0] in ("connect", "connect_error")), None),
            "answer to its connect",
        )
        return entry[0]

    @property
    def is_connected(self) -> bool:
        kinds = [entry[0] for entry in self.log]
        return "connect" in kinds and "disconnect" not in kinds

    def _count(self, kind: str, event: str) -> int:
        return sum(entry[:2] == [kind, event] for entry in self.log)

    async def _entry(self, kind: str, event: str | None, count: int) -> Any:
        def find() -> Any:
            found = [e for e in self.log if e[0] == kind and event in (None, e[1])]
            return found[count - 1] if len(found) >= count else None

        return await self.log.until(find, f"{kind} {event or ''} ({count})")

    async def ask_later(self, event: str, *args: Any) -> None:
        raise NotImplementedError


class Node:
    """The process with the official client; one for all scenarios."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._logs: dict[str, Log] = {}
        self._last_id = 0
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        node = shutil.which("node")
        assert node, "Node.js is needed for the swap tests and `node` is not on the PATH"
        self._process = await asyncio.create_subprocess_exec(
            node, str(Path(__file__).with_name("swap_client.js")),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 26,
        )  # fmt: skip
        self._reader = asyncio.create_task(self._read())

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            assert self._reader is not None
            await self._reader

    async def do(self, op: str, key: str, **more: Any) -> Any:
        assert self._process is not None and self._process.stdin is not None
        self._last_id += 1
        future = self._answers[self._last_id] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": self._last_id, "op": op, "client": key, **more})
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(future, DEADLINE_S)

    def watch(self, key: str, log: Log) -> None:
        self._logs[key] = log

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            if "entry" in line:
                if line["client"] in self._logs:
                    self._logs[line["client"]].add(describe(from_wire(line["entry"])))
                continue
            future = self._answers.pop(line["id"])
            if not future.done():
                if line["ok"]:
                    future.set_result(line["result"])
                else:
                    future.set_exception(AssertionError(line["error"]))
        for future in self._answers.values():
            future.cancel()


class JsClient(Client):
    """A socket of the official client."""

    def __init__(self, name: str, node: Node, side: str) -> None:
        super().__init__(name)
        self._node = node
        self._key = f"{side}.{name}"
        node.watch(self._key, self.log)

    async def open(
        self, url: str, path: str, namespace: str, *, auth: Any = None, transports: Any = None,
        headers: Any = None, query: Any = None, beside: JsClient | None = None, **more: Any,
    ) -> None:  # fmt: skip
        options: dict[str, Any] = {"path": path, "transports": transports, **more}
        options |= {"extraHeaders": headers} if headers else {}
        options |= {"query": query} if query else {}
        await self._node.do(
            "open", self._key, url=url, namespace=namespace, options=options,
            beside=beside._key if beside else None, **({"auth": auth} if auth is not None else {}),
        )  # fmt: skip

    async def emit(self, event: str, *args: Any) -> None:
        await self._node.do("emit", self._key, event=event, args=to_wire(args))

    async def burst(self, event: str, count: int) -> None:
        await self._node.do("burst", self._key, event=event, count=count)

    async def ask_later(self, event: str, *args: Any) -> None:
        await self._node.do("ask", self._key, event=event, args=to_wire(args))

    async def answers(self, event: str, *args: Any) -> None:
        """Answer every `event` with these arguments from now on."""
        await self._node.do("answer", self._key, event=event, args=to_wire(args))

    async def disconnect(self) -> None:
        await self._node.do("disconnect", self._key)

    async def drop(self) -> None:
        await self._node.do("drop", self._key)

    async def close_engine(self) -> None:
        await self._node.do("closeEngine", self._key)

    async def transport(self) -> str:
        return await self._node.do("transport", self._key)

    async def upgraded(self) -> None:
        await self._node.do("upgraded", self._key)

    async def engine_id(self) -> str:
        return await self._node.do("engineId", self._key)

    async def end(self) -> None:
        await self._node.do("forget", self._key)


class PyClient(Client):
    """A client of the python-socketio that is installed, with one namespace."""

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name)
        self.client = socketio.AsyncClient(reconnection=False, handle_sigint=False, **options)
        self._answers: dict[str, tuple[Any, ...]] = {}
        self._namespace = "/"
        self._leaving: asyncio.Task[None] | None = None

    async def open(
        self, url: str, path: str, namespace: str, *, auth: Any = None, transports: Any = None,
        headers: Any = None, query: Any = None, wait_timeout: float = DEADLINE_S,
    ) -> None:  # fmt: skip
        self._namespace = namespace
        self._listen()
        if query:
            url += "/?" + "&".join(f"{key}={value}" for key, value in query.items())
        try:
            await self.client.connect(
                url, headers or {}, auth, transports, [namespace], path, wait_timeout=wait_timeout
            )
        except socketio.exceptions.ConnectionError as error:
            self.log.add(["connect failed", str(error)])

    def _listen(self) -> None:
        see, on = self.log.add, self.client.on
        on(
            "connect",
            lambda: see(["connect", self.client.get_sid(self._namespace)]),
            self._namespace,
        )
        on(
            "connect_error",
            lambda *data: see(["connect_error", describe(list(data))]),
            self._namespace,
        )
        on("disconnect", lambda reason: see(["disconnect", reason]), self._namespace)

        def any_event(event: str, *args: Any) -> Any:
            see(["event", event, describe(list(args))])
            return self._answers.get(event)

        on("*", any_event, self._namespace)

    async def emit(self, event: str, *args: Any) -> None:
        await self.client.emit(event, args, namespace=self._namespace)

    async def burst(self, event: str, count: int) -> None:
        for i in range(count):
            await self.emit(event, i)

    async def ask_later(self, event: str, *args: Any) -> None:
        def ack(*answer: Any) -> None:
            self.log.add(["ack", event, describe(list(answer))])

        await self.client.emit(event, args, namespace=self._namespace, callback=ack)

    async def answers(self, event: str, *args: Any) -> None:
        """Answer every `event` with these arguments from now on."""
        self._answers[event] = args

    async def disconnect(self) -> None:
        # Over polling it would wait until its last GET is answered, which may take half a minute.
        self._leaving = asyncio.create_task(self.client.disconnect())
        if self.client.transport() == "websocket":
            await self._leaving

    async def drop(self) -> None:
        self.client.eio.ws._writer.transport.abort()

    async def transport(self) -> str:
        return self.client.transport()

    async def upgraded(self) -> None:
        """It has upgraded before connect() returns."""
        assert self.client.transport() == "websocket"

    async def engine_id(self) -> str:
        return self.client.eio.sid

    async def end(self) -> None:
        eio = self.client.eio
        if eio.state == "connected" and self.client.transport() == "websocket":
            await self.client.disconnect()
        tasks = [self._leaving, eio.read_loop_task, eio.write_loop_task]
        tasks = [task for task in tasks if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if eio.http is not None:
            await eio.http.close()


class RawClient(Client):
    """Packets as text and bytes over a WebSocket; pings are not answered."""

    def __init__(self, name: str, http: aiohttp.ClientSession) -> None:
        super().__init__(name)
        self._http = http
        self._ws: Any = None
        self._reader: asyncio.Task[None] | None = None
        self._end = Log(f"client {name}")

    async def open(self, url: str, path: str, **options: Any) -> None:
        address = f"{url}{path.rstrip('/')}/?EIO=4&transport=websocket"
        self._ws = await self._http.ws_connect(address, max_msg_size=0, **options)
        await self._ws.receive()  # the handshake, whose ids and times differ
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while (message := await self._ws.receive()).type not in CLOSED:
            self.log.add(["packet", describe(message.data)])
        self._end.add(["closed"])

    async def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            await (self._ws.send_str if isinstance(packet, str) else self._ws.send_bytes)(packet)

    async def packets(self, count: int) -> list[Any]:
        """Wait for so many packets."""
        found = lambda: [e[1] for e in self.log if e[0] == "packet"]  # noqa: E731
        await self.log.until(lambda: len(found()) >= count, f"{count} packets")
        return found()

    async def closed(self) -> None:
        """Wait until the server has ended the connection; only then does the log say so."""
        await self._end.until(lambda: self._end, "end of the connection")
        self.log.add(["closed"])

    async def packets_or_end(self, count: int) -> bool:
        """Wait for so many packets, or for the end of the connection, which the log says then: False."""
        waiting = [asyncio.create_task(self.packets(count)), asyncio.create_task(self.closed())]
        done, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        for task in done:
            task.result()
        return ["closed"] not in self.log

    async def end(self) -> None:
        await self._ws.close()
        if self._reader is not None:
            await self._reader

"""The interop application in AsyncServer's style (python-socketio's). See apps.py."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

import fastsio
from apps import NAMED, NAMESPACES, Counter, Flow, Log, as_list, describe, picture


def build(log: Log, **options: Any) -> fastsio.AsyncServer:
    """A server with every event in every namespace; it writes what it sees into `log`."""
    sio = fastsio.AsyncServer(**options)
    for namespace in NAMESPACES:
        _Handlers(sio, log, namespace)
    _greeting(sio)
    return sio


def _greeting(sio: fastsio.AsyncServer) -> None:
    @sio.on("connect", namespace="/greeting")
    async def connect(sid: str, environ: dict[str, Any]) -> None:
        await sio.emit("greeting", "first", to=sid, namespace="/greeting")
        await sio.emit("greeting", ("second", b"bytes"), to=sid, namespace="/greeting")

    sio.on("echo", lambda sid, *args: args, namespace="/greeting")


class _Handlers:
    """All handlers of one namespace. `on_<name>` handles "<name>", with blanks for underscores."""

    def __init__(self, sio: fastsio.AsyncServer, log: Log, namespace: str) -> None:
        self.sio = sio
        self.log = log
        self.namespace = namespace
        self.auth: dict[str, Any] = {}
        self.counters: dict[tuple[str, str], Counter] = {}
        self.released = asyncio.Event()
        self.flows: dict[str, Flow] = {}
        for name in dir(self):
            if name.startswith("on_"):
                event = name[3:].replace("_", " ")
                sio.on(event, getattr(self, name), namespace=namespace)
        sio.on(NAMED, lambda sid, *args: "named", namespace=namespace)

    async def emit(self, event: str, data: Any, **to: Any) -> None:
        await self.sio.emit(event, data, namespace=self.namespace, **to)

    # -- connecting

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> bool | None:
        refuse = (auth or {}).get("refuse")
        if refuse == "message":
            raise fastsio.exceptions.ConnectionRefusedError("go away")
        if refuse == "data":
            raise fastsio.exceptions.ConnectionRefusedError("go away", {"code": 7, "é": ["😀"]})
        if refuse == "false":
            return False
        if self.namespace == "/admin" and (auth or {}).get("token") != "root":
            raise fastsio.exceptions.ConnectionRefusedError("not an admin", {"code": 7})
        self.auth[sid] = auth
        self.log.add("connect", self.namespace, sid)
        return None

    async def on_disconnect(self, sid: str, reason: str) -> None:
        self.log.add("disconnect", self.namespace, sid, reason)
        await self.emit("left", sid)

    # -- messages

    def on_echo(self, sid: str, *args: Any) -> Any:
        return args

    async def on_bounce(self, sid: str, *args: Any) -> None:
        await self.emit("bounce", args, to=sid)

    def on_describe(self, sid: str, *args: Any) -> Any:
        return [describe(arg) for arg in args]

    async def on_picture(self, sid: str) -> Any:
        await self.emit("picture", (picture(), 2), to=sid)
        return picture()

    async def on_message(self, sid: str, *args: Any) -> str:
        await self.sio.send(args, to=sid, namespace=self.namespace)
        return "heard"

    def on_fails(self, sid: str) -> None:
        raise LookupError("this handler fails")

    def on_where(self, sid: str) -> str:
        return self.namespace

    def on_whoami(self, sid: str) -> Any:
        return self.auth[sid]

    # -- order

    def on_count(self, sid: str, i: int) -> None:
        self.counters.setdefault((sid, ""), Counter()).add(i)

    async def on_count_coroutine(self, sid: str, i: int) -> None:
        self.counters.setdefault((sid, "coroutine"), Counter()).add(i)

    def on_counted(self, sid: str, key: str) -> Any:
        return self.counters[sid, key].report()

    async def on_flood(self, sid: str, n: int) -> int:
        for i in range(n):
            await self.emit("tick", i, to=sid)
        return n

    async def on_flood_slowly(self, sid: str, n: int, batch: int) -> None:
        for i in range(n):
            await self.emit("tick", i, to=sid)
            if i % batch == 0:
                await asyncio.sleep(0)

    async def on_flood_until_stop(self, sid: str, least: int, batch: int) -> int:
        flow = self.flows[sid] = Flow()
        while flow.sent < least or not flow.is_stopped:
            for i in range(flow.sent, flow.sent + batch):
                await self.emit("tick", i, to=sid)
            await flow.has_sent(batch)
        return flow.sent

    def on_got(self, sid: str, count: int) -> None:
        self.flows[sid].got(count)

    def on_stop(self, sid: str) -> None:
        self.flows[sid].stop()

    # -- acks

    def on_returns_nothing(self, sid: str) -> None:
        return None

    async def on_echo_coroutine(self, sid: str, *args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    async def on_held(self, sid: str, value: Any) -> Any:
        await self.released.wait()
        return value

    def on_release(self, sid: str) -> None:
        self.released.set()

    async def on_ask(self, sid: str, event: str, args: list[Any], timeout_s: float) -> Any:
        try:
            answer = await self.sio.call(
                event, tuple(args), to=sid, namespace=self.namespace, timeout=timeout_s
            )
        except (fastsio.exceptions.TimeoutError, fastsio.exceptions.DisconnectedError) as error:
            self.log.add("ask failed", self.namespace, sid, type(error).__name__)
            return {"error": type(error).__name__}
        return {"got": as_list(answer)}

    async def on_ask_with_callback(self, sid: str, event: str, args: list[Any]) -> None:
        def answered(*got: Any) -> None:
            self.sio.start_background_task(self.emit, "callback got", (list(got),), to=sid)

        await self.emit(event, tuple(args), to=sid, callback=answered)

    # -- rooms

    async def on_join(self, sid: str, room: str) -> None:
        await self.sio.enter_room(sid, room, namespace=self.namespace)

    async def on_leave(self, sid: str, room: str) -> None:
        await self.sio.leave_room(sid, room, namespace=self.namespace)

    async def on_close_room(self, sid: str, room: str) -> None:
        await self.sio.close_room(room, namespace=self.namespace)

    def on_rooms(self, sid: str) -> list[str]:
        return list(self.sio.rooms(sid, namespace=self.namespace))

    async def on_to_room(self, sid: str, room: str, what: Any) -> None:
        await self.emit("said", what, room=room, skip_sid=sid)

    async def on_to_room_and_me(self, sid: str, room: str, what: Any) -> None:
        await self.emit("said", what, to=room)

    async def on_to_rooms(self, sid: str, rooms: list[str], what: Any) -> None:
        await self.emit("said", what, room=rooms, skip_sid=[sid])

    async def on_to_all(self, sid: str, what: Any) -> None:
        await self.emit("said", what)

    async def on_broadcast(self, sid: str, what: Any) -> None:
        await self.emit("said", what, skip_sid=sid)

    # -- lifecycle

    async def on_kick(self, sid: str) -> None:
        await self.emit("last words", ("bye", b"bye"), to=sid)
        await self.sio.disconnect(sid, namespace=self.namespace)

    async def on_save(self, sid: str, key: str, value: Any) -> None:
        async with self.sio.session(sid, namespace=self.namespace) as session:
            session[key] = value

    async def on_load(self, sid: str, key: str) -> Any:
        async with self.sio.session(sid, namespace=self.namespace) as session:
            return session.get(key)

    async def on_save_session(self, sid: str, session: dict[str, Any]) -> None:
        await self.sio.save_session(sid, session, namespace=self.namespace)

    async def on_get_session(self, sid: str) -> Any:
        return await self.sio.get_session(sid, namespace=self.namespace)

    def on_request(self, sid: str) -> Any:
        environ = self.sio.get_environ(sid, namespace=self.namespace)
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        return {
            "query": {key: values[-1] for key, values in query.items()},
            "custom": environ["HTTP_X_CUSTOM"],
            "cookie": environ["HTTP_COOKIE"],
            "address": environ["REMOTE_ADDR"],
        }

    def on_transport(self, sid: str) -> str:
        return self.sio.transport(sid, namespace=self.namespace)

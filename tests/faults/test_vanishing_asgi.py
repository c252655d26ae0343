"""Clients that vanish behind an ASGI server: at each receive() and each send() in turn, as servers tell it.

The server is played by hand (tests/asgi_tools.py). See test_vanishing_clients.py for our own connections.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

import fastsio
from asgi_tools import CONNECT, NO_BODY, Call, Client, Message, scope_of
from clock_loop import pass_time
from fault_tools import Ledger, ledger_app, leftovers

pytestmark = pytest.mark.asyncio(loop_factories=["clock"])

# What a server does with the application when its client has gone: it says so, its receive() raises, its send() does,
# it cancels the call, or it says nothing at all.
WAYS = ("disconnect", "receive raises", "send raises", "cancel", "silence")
REST_S = 200.0


@dataclass
class Plan:
    """Lose the client at step `at`, a receive() or send() of the application, in the way `how`."""

    at: int
    how: str
    steps: int = 0
    has_struck: bool = False
    calls: list[Call] = field(default_factory=list)
    script: Any = None

    def is_due(self) -> bool:
        self.steps += 1
        return self.steps - 1 == self.at

    def strike(self) -> None:
        self.has_struck = True
        for call in self.calls:
            if self.how == "cancel":
                call.task.cancel()
            elif self.how == "receive raises":
                call.receive_failure = OSError("the client has gone")
                call.give({})
            elif self.how in ("disconnect", "send raises"):
                kind = call.scope["type"]
                call.give({"type": f"{kind}.disconnect", "code": 1006})
            if self.how != "silence":
                call.failure = OSError("the client has gone")
        if self.script is not None:
            self.script.cancel()


class FaultyCall(Call):
    """A call whose steps count."""

    def __init__(self, plan: Plan, app: Any, scope: Message, *messages: Message) -> None:
        self.plan = plan
        plan.calls.append(self)
        super().__init__(app, scope, *messages)

    async def receive(self) -> Message:
        message = await super().receive()
        if not self.plan.has_struck and self.plan.is_due():
            self.plan.strike()
            return await super().receive()  # in the place of what would have come
        return message

    async def send(self, message: Message) -> None:
        if not self.plan.has_struck and self.plan.is_due():
            self.plan.strike()
        if self.plan.has_struck and self.plan.how == "silence":
            await asyncio.sleep(10_000)  # as a server does whose client does not read
        await super().send(message)


class FaultyClient(Client):
    """A client all of whose calls are FaultyCalls."""

    def __init__(self, app: Any, plan: Plan) -> None:
        super().__init__(app)
        self.plan = plan

    def get(self, *messages: Message, **fields: Any) -> Call:
        scope = scope_of("http", self.query("polling"), **fields)
        return FaultyCall(self.plan, self.app, scope, *(messages or (NO_BODY,)))

    def post(self, *chunks: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Call:
        scope = scope_of("http", self.query("polling"), method="POST")
        pieces = [
            {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1}
            for i, chunk in enumerate(chunks)
        ]
        return FaultyCall(self.plan, self.app, scope, *pieces)

    def websocket(self, **fields: Any) -> Call:
        scope = scope_of("websocket", self.query("websocket"), **fields)
        return FaultyCall(self.plan, self.app, scope, CONNECT)


async def by_websocket(client: Client) -> None:
    await client.open_websocket()
    call = client.call
    call.say("40/n,", '421["echo","a"]', '42["enter","room"]')
    await call.hear()
    await call.hear()
    call.say('452-3["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    call.say(b"first", b"second")
    for _ in range(3):
        await call.hear()
    call.say('422["ask"]', "41/n,")
    await call.hear()
    call.say('42["say","room","x"]', '451-["echo",{"_placeholder":true,"num":0}]')
    await call.hear()


async def by_polling(client: Client) -> None:
    await client.open_polling()
    await client.post(b'421["echo","a"]\x1e42["enter","room"]').answer()
    await client.get().answer()
    held = client.get()
    await client.post(b'42["say",', b'"room","x"]').answer()
    await held.answer()
    held = client.get()
    await client.post(b'422["ask"]').answer()
    await held.answer()
    client.get()


async def by_upgrade(client: Client) -> None:
    await client.open_polling()
    held = client.get()
    call = client.websocket()
    await call.next("websocket.accept")
    call.say("2probe")
    assert await call.hear() == "3probe"
    await held.answer()
    call.say("5", '421["echo"]', '422["ask"]')
    await call.hear()
    await call.hear()


SCRIPTS = {"websocket": by_websocket, "polling": by_polling, "upgrade": by_upgrade}


async def run(script: Any, app: Any, plan: Plan) -> None:
    plan.script = task = asyncio.ensure_future(script(FaultyClient(app, plan)))
    await asyncio.wait([task], timeout=20.0)
    task.cancel()
    await asyncio.wait([task])
    if not plan.has_struck:
        if not task.cancelled():
            task.result()
        plan.strike()


async def end_of(calls: list[Call]) -> None:
    """A server that has said nothing gives up, too, after a while."""
    for call in calls:
        call.task.cancel()
    results = await asyncio.gather(*(call.task for call in calls), return_exceptions=True)
    assert all(isinstance(one, (type(None), OSError, asyncio.CancelledError)) for one in results)


@pytest.mark.fault(
    "behind an ASGI server: a client vanishes at any receive() or send(); that is told, raised, cancelled, or not told",
    "its `disconnect` handler runs once, with a reason; nothing is left",
)
@pytest.mark.parametrize("style", ["aio", "io"])
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", SCRIPTS)
async def test_client_of_an_asgi_server_lost_at_any_step_has_gone_once(name, how, style, watch):
    ledger = Ledger()
    sio = ledger_app(style, ledger)
    app = fastsio.ASGIApp(sio)
    at = 0
    while True:
        plan = Plan(at, how)
        await run(SCRIPTS[name], app, plan)
        await pass_time(REST_S)
        server = SimpleNamespace(engine=sio.hub.engine, hub=sio.hub, connections=())
        assert server.engine is None or not leftovers(server), f"step {at}: {leftovers(server)}"
        try:
            ledger.check()
        except AssertionError as error:
            raise AssertionError(f"{how} at step {at}: {error}") from None
        await end_of(plan.calls)
        if plan.steps <= at:
            break
        at += 1
    assert at >= 8
    sio.hub.engine.close("test over")

"""TestSocket: a test client in one namespace, and the events that came to it.

What is expected and does not happen is an AssertionError that says what happened instead.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._codec import NO_DATA, check_event_name
from fastsio.exceptions import DisconnectedError

if TYPE_CHECKING:
    from fastsio.testing.client import TestClient

DISCONNECT, EVENT, ACK = 1, 2, 3


class Event:
    """One event of the server's: `name`, `args` (a tuple), `data` (None, the one argument, or the tuple of several).

    `wants_answer`: the server asked for one, by call() or a callback, and answer() has not been called.
    """

    __slots__ = ("_ack_id", "_socket", "args", "name")

    def __init__(
        self, socket: "TestSocket", name: str, args: tuple[Any, ...], ack_id: int | None
    ) -> None:
        self.name = name
        self.args = args
        self._socket = socket
        self._ack_id = ack_id

    @property
    def data(self) -> Any:
        return one_value(self.args)

    @property
    def wants_answer(self) -> bool:
        return self._ack_id is not None

    async def answer(self, *values: Any) -> None:
        """Answer the server's call, then settle. Raises RuntimeError if it asked for no answer, or has one."""
        self.reply(values)
        await self._socket.settle()

    def reply(self, values: tuple[Any, ...]) -> None:
        if self._ack_id is None:
            raise RuntimeError(f"{self!r}: the server waits for no answer")
        self._socket.put(ACK, list(values), self._ack_id)
        self._ack_id = None

    def __repr__(self) -> str:
        return f"Event({', '.join(map(repr, (self.name, *self.args)))})"


class TestSocket:
    """A client in one namespace; TestClient makes it, and is one.

    `sid` is the server's id for it, None before it is admitted; `is_connected`; `disconnect_reason`, None or, in
    the words of the official client, "io server disconnect", "io client disconnect", "transport close".
    `pid` and `offset`: what it may come back with, see `recovery`.
    """

    __test__ = False  # pytest takes a class of such a name for tests

    def __init__(self, client: "TestClient", namespace: str) -> None:
        self.namespace = namespace if namespace.startswith("/") else f"/{namespace}"
        self.sid: str | None = None
        self.is_connected = False
        self.disconnect_reason: str | None = None
        self.pid: str | None = None
        self.offset: str | None = None
        self._client = client
        self._events: list[Event] = []
        self._listeners: dict[str, Callable[..., Any]] = {}
        self._calls: dict[int, asyncio.Future[list[Any]]] = {}
        self._ack_count = 0

    @property
    def recovery(self) -> dict[str, str]:
        """What the official client sends along when it is back: `TestClient(app, auth=lost.recovery)`.

        With connection_state_recovery the server then gives it the id, rooms and data of this one, and what it has
        missed; each event has its offset as last argument.
        """
        known = {"pid": self.pid, "offset": self.offset}
        return {name: value for name, value in known.items() if value is not None}

    # --- to the server -----------------------------------------------------------------------

    async def emit(self, event: str, *args: Any) -> None:
        """Send an event, and settle: handlers that do not wait have ended then.

        Raises DisconnectedError when not connected, TypeError or ValueError for what can't be sent.
        """
        self._put_event(event, args, None)
        await self.settle()

    async def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        await self.emit("message", *args)

    async def call(self, event: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Send an event and return what its handler answers: None, one value, or a tuple of several.

        AssertionError if no answer comes within `timeout` seconds, DisconnectedError if the connection goes first.
        """
        limit = self._client.limit(timeout)
        errors = self._client.running.handler_errors
        self._ack_count += 1
        ack_id = self._ack_count
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._put_event(event, args, ack_id)
        self._calls[ack_id] = answer
        try:
            await self._client.wait_for(answer.done, limit)
            if answer.done():
                await self.settle()
                return one_value(tuple(answer.result()))
        finally:
            self._calls.pop(ack_id, None)
            answer.cancel()
        raised = self._client.running.handler_errors > errors
        why = "a handler raised, see the log; " if raised else ""
        raise AssertionError(f"no answer to {event!r} within {limit:g} s; {why}{self._came()}")

    def _put_event(self, event: str, args: tuple[Any, ...], ack_id: int | None) -> None:
        check_event_name(event)
        if not self.is_connected:
            why = f": {self.disconnect_reason}" if self.disconnect_reason else ""
            raise DisconnectedError(f"not connected to {self.namespace!r}{why}")
        self.put(EVENT, [event, *args], ack_id)

    def put(self, kind: int, data: Any = NO_DATA, ack_id: int | None = None) -> None:
        """Send a packet in this namespace."""
        self._client.put_packet(kind, self.namespace, data, ack_id)

    # --- from the server ---------------------------------------------------------------------

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call the plain function `fn(*args)` for each such event, which is not kept for expect() then.

        What it returns answers the server's call() (None: no value, a tuple: several). What it raises, the client's
        next wait raises. Works as a decorator.
        """
        if fn is None:
            return lambda fn: self.on(event, fn)
        if inspect.iscoroutinefunction(fn):
            raise TypeError(f"{fn!r} for {event!r}: a plain function is needed")
        self._listeners[event] = fn
        return fn

    async def expect(self, event: str, *args: Any, timeout: float | None = None) -> Event:  # noqa: ASYNC109
        """The first event of that name that was not taken yet; with `args` given, they must be its own.

        Others stay for later. AssertionError, with what came instead, if none comes within `timeout` seconds.
        """
        limit = self._client.limit(timeout)
        await self._client.wait_for(lambda: self._find(event) or not self.is_connected, limit)
        found = self._find(event)
        if found is None:
            raise AssertionError(f"no {event!r} {self._until(limit)}; {self._came()}")
        self._events.remove(found)
        if args and found.args != args:
            raise AssertionError(f"{event!r} came with {found.args!r}, expected {args!r}")
        return found

    async def receive(self, timeout: float | None = None) -> Event:  # noqa: ASYNC109
        """The next event, whatever its name. AssertionError if none comes within `timeout` seconds."""
        limit = self._client.limit(timeout)
        await self._client.wait_for(lambda: self._events or not self.is_connected, limit)
        if not self._events:
            raise AssertionError(f"no event {self._until(limit)}")
        return self._events.pop(0)

    async def received(self) -> list[Event]:
        """Settle, then take all events that have come and were not taken yet, in their order."""
        await self.settle()
        events, self._events = self._events, []
        return events

    async def nothing(self) -> bool:
        """Settle, then return True if no event is left that was not taken.

        AssertionError, which lists them, if there is one. No time passes: a handler that sleeps may still emit later.
        """
        await self.settle()
        if self._events:
            raise AssertionError(f"nothing was to come to {self.namespace!r}; {self._came()}")
        return True

    async def expect_disconnect(self, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Wait until the namespace or the connection has ended; the reason, see `disconnect_reason`."""
        limit = self._client.limit(timeout)
        await self._client.wait_for(lambda: not self.is_connected, limit)
        if self.is_connected or self.disconnect_reason is None:
            raise AssertionError(f"still connected after {limit:g} s; {self._came()}")
        return self.disconnect_reason

    async def settle(self) -> None:
        """Run the loop until nobody has anything to do: handlers that do not wait for time or I/O have ended.

        AssertionError if that is not so within the client's timeout.
        """
        await self._client.run_until_settled()

    def _find(self, name: str) -> Event | None:
        return next((event for event in self._events if event.name == name), None)

    def _until(self, limit: float) -> str:
        if self.is_connected:
            return f"within {limit:g} s"
        return f"before the client was disconnected ({self.disconnect_reason})"

    def _came(self) -> str:
        if not self._events:
            return "nothing else came"
        return "what came: " + ", ".join(map(repr, self._events))

    # --- the end -----------------------------------------------------------------------------

    async def disconnect(self) -> None:
        """Leave the namespace; the connection stays. Returns when the server's disconnect handlers have ended."""
        if self.is_connected:
            await self._client.leave([self], lambda: self.put(DISCONNECT), "io client disconnect")

    def end(self, reason: str) -> None:
        """It is disconnected: calls that wait for an answer fail."""
        if not self.is_connected:
            return
        self.is_connected = False
        self.disconnect_reason = reason
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(
                    DisconnectedError(f"disconnected before the answer came: {reason}")
                )

    # --- packets that come -------------------------------------------------------------------

    def take_event(self, args: list[Any], ack_id: int | None) -> None:
        event = Event(self, args[0], tuple(args[1:]), ack_id)
        if ack_id is None and isinstance(args[-1], str):  # so the official client does it
            self.offset = args[-1]
        listener = self._listeners.get(event.name)
        if listener is None:
            self._events.append(event)
            return
        value = listener(*event.args)
        if event.wants_answer:
            event.reply(() if value is None else value if isinstance(value, tuple) else (value,))

    def take_ack(self, values: list[Any], ack_id: int | None) -> None:
        """An answer; a late one, to a call that has given up, is ignored."""
        answer = None if ack_id is None else self._calls.get(ack_id)
        if answer is not None and not answer.done():
            answer.set_result(values)


def one_value(values: tuple[Any, ...]) -> Any:
    """None, the value, or the tuple of several."""
    return values if len(values) > 1 else values[0] if values else None

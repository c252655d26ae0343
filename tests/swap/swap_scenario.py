"""What a scenario is: handlers on a server, and what clients do to it.

    @scenario()
    class ReturnValuesAreAcks:
        def serve(app): ...           # runs in the server's process, once with each library
        async def play(stage): ...    # runs in the test, with each kind of client

Knows no library: the server's process gives `app` the module that it was told to use.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from swap_values import describe

BARRIER = "sync~"
SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True)
class Scenario:
    """`server` is a key of swap_servers.SERVERS; `clients` are the kinds of client that play it."""

    name: str
    server: str
    clients: tuple[str, ...]
    serve: Callable[[App], None]
    play: Callable[[Any], Awaitable[None]]
    is_synchronized: bool

    def namespace(self, kind: str) -> str:
        """Its own, so that nothing of another scenario or client can be seen in it."""
        return f"/{self.name}.{kind}"


def scenario(
    server: str = "plain", clients: tuple[str, ...] = ("js", "py"), *, is_synchronized: bool = True
) -> Callable[[type], type]:
    """Register a class as a scenario.

    is_synchronized=False: nothing is sent at its end to make sure that all has arrived.
    """

    def register(cls: type) -> type:
        assert cls.__name__ not in SCENARIOS, f"two scenarios are called {cls.__name__}"
        SCENARIOS[cls.__name__] = Scenario(
            cls.__name__, server, clients, cls.serve, cls.play, is_synchronized
        )
        return cls

    return register


class App:
    """What a scenario's `serve` gets: the library, a server, a namespace, and the log."""

    def __init__(
        self, socketio: Any, sio: Any, namespace: str, write: Callable[[str, Any], None]
    ) -> None:
        self.socketio = socketio
        self.sio = sio
        self.namespace = namespace
        self._write = write

    def log(self, *entry: Any) -> None:
        """Put a line into the server's part of the transcript."""
        self._write(self.namespace, describe(list(entry)))

    def on(self, event: str) -> Callable[[Any], Any]:
        """sio.on() in the scenario's namespace."""
        return lambda handler: self._on(event, handler)

    def _on(self, event: str, handler: Any) -> Any:
        self.sio.on(event, handler, namespace=self.namespace)
        return handler

    async def outcome(self, of: Any) -> Any:
        """The value of a coroutine or of a function of no arguments, or the error that it raised."""
        try:
            value = of() if callable(of) else of
            return await value if inspect.isawaitable(value) else value
        except Exception as error:  # noqa: BLE001 - whatever it is stands in the transcript
            return error

    def outcome_now(self, of: Callable[[], Any]) -> Any:
        """The value of a plain function of no arguments, or the error that it raised."""
        try:
            return of()
        except Exception as error:  # noqa: BLE001 - whatever it is stands in the transcript
            return error

    def barrier(self, below: str = "") -> None:
        """Register the event by which the test knows that all has arrived.

        `below` is the rest of the name of a namespace that belongs to the scenario too.
        """

        def sync(_sid: str, number: int) -> int:
            self._write(self.namespace, [BARRIER, number])
            return number

        self.sio.on(BARRIER, sync, namespace=self.namespace + below)

"""What a scenario is: an application, written once in JavaScript and once in Python, and what clients do to it.

    @scenario("1.6 ordering")                 apps/events.py: the application in IO's style
    def listeners_run_in_order(io, app): ...
    exports.listenersRunInOrder = (io, app) => {...}        apps/events.js: the same for Node's server
    exports.listenersRunInOrder = async (play) => {...}     clients/events.js: the clients, for both

Knows no library: the servers' processes give `io`.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BARRIER = "sync~"
MODES = ("polling", "websocket", "upgrade")
# Whatever the transport of the official client would be: the scenario has sockets and requests of its own.
RAW = ("raw",)
SCENARIOS: dict[str, Scenario] = {}


@dataclass(frozen=True)
class Scenario:
    """`features` are rows of docs/features.md, `modes` what the official client connects with.

    `options` are IO's (the JavaScript file has Node's). In the namespaces `barrier` every client asks the server a
    last time, so that all that was sent before is in the transcript.
    """

    name: str
    topic: str
    features: tuple[str, ...]
    serve: Callable[[Any, App], Any]
    modes: tuple[str, ...] = MODES
    options: dict[str, Any] = field(default_factory=dict)
    barrier: tuple[str, ...] = ("/",)

    @property
    def js_name(self) -> str:
        """How the JavaScript files call it."""
        first, *others = self.name.split("_")
        return first + "".join(word.capitalize() for word in others)


def scenario(*features: str, **more: Any) -> Callable[[Any], Any]:
    """Register a function (io, app) as a scenario; see Scenario for what else can be given."""

    def register(serve: Any) -> Any:
        name = serve.__name__
        assert name not in SCENARIOS, f"two scenarios are called {name}"
        topic = serve.__module__.rpartition(".")[2]
        SCENARIOS[name] = Scenario(name, topic, features, serve, **more)
        return serve

    return register


def load() -> dict[str, Scenario]:
    """Every scenario by its name."""
    for path in sorted((Path(__file__).parent / "apps").glob("*.py")):
        importlib.import_module(f"parity.apps.{path.stem}")
    return SCENARIOS


class App:
    """What an application gets besides `io`: the log, and words that the clients' script says to it."""

    def __init__(self, write: Callable[[Any], None], close: Callable[[], Awaitable[None]]) -> None:
        self._write = write
        self.close = close
        self.words: dict[str, Callable[..., Any]] = {}

    def log(self, *entry: Any) -> None:
        """Put a line into the server's part of the transcript."""
        if BARRIER not in entry:
            self._write(describe(list(entry)))

    def on_word(self, word: str, fn: Callable[..., Any]) -> None:
        """Call `fn` when the script says `await play.word(word, ...args)`; it may be a coroutine function."""
        self.words[word] = fn

    def error(self, call: Callable[[], Any]) -> Any:
        """What a call returns, or the error that it raises."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever it is stands in the transcript
            return error


def describe(value: Any) -> Any:
    """`value` as a transcript has it, the same for both languages."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": bytes(value).hex()}
    if isinstance(value, (set, frozenset)):
        return sorted((describe(item) for item in value), key=_by_name)
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, BaseException):
        return {"$error": str(value)}
    return {"$object": type(value).__name__}


def _by_name(value: Any) -> tuple[bool, str]:
    """Ids, which differ, after names."""
    return (len(str(value)) == 20, str(value))

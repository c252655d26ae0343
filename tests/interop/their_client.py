"""A program written for python-socketio's clients: `python their_client.py STYLE URL TRANSPORTS_JSON [MODULE]`.

STYLE async, sync, simple or asyncsimple. Prints what it saw as JSON. Its one import is MODULE: socketio, in whatever
release is on the path, or fastsio in its place.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import queue
import sys
from typing import Any

socketio = importlib.import_module(sys.argv[4] if len(sys.argv) > 4 else "socketio")
WAIT_S = 10


class Came:
    """Arguments of events, from threads or from tasks."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def add(self, *args: Any) -> None:
        self._queue.put(args)

    async def next(self) -> Any:
        for _ in range(WAIT_S * 100):
            try:
                return self._queue.get_nowait()
            except queue.Empty:
                await asyncio.sleep(0.01)
        raise AssertionError(f"not within {WAIT_S} s")


async def result_of(value: Any) -> Any:
    """Of a coroutine, or of a plain function's call."""
    return await value if inspect.isawaitable(value) else value


def shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return "bytes " + value.hex()
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value


def keep_order() -> None:
    """Their sync clients handle messages in the order in which they came.

    Each message gets a thread of its own (engineio.Client._receive_packet), and a binary event is lost when the thread
    with its bytes overtakes the one with its packet. Here each thread waits for the one before.
    """
    engineio = importlib.import_module("engineio")
    start = engineio.Client.start_background_task

    def start_in_order(self: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(target, "__name__", "") != "_handle_eio_message":
            return start(self, target, *args, **kwargs)
        before = vars(self).get("last_message")

        def run() -> None:
            if before is not None:
                before.join()
            target(*args, **kwargs)

        self.last_message = start(self, run)
        return self.last_message

    engineio.Client.start_background_task = start_in_order


async def play(make: Any, url: str, transports: Any) -> dict[str, Any]:
    """The scenario, for both styles."""
    seen: dict[str, Any] = {}
    client = make()
    came = {
        name: Came()
        for name in ("connect", "disconnect", "said", "answered", "shouted", "connect_error")
    }
    for name, box in came.items():
        client.on(name, box.add)
        client.on(name, box.add, namespace="/chat")
    client.on("connect_error", came["connect_error"].add, namespace="/refusing")
    client.on("question", lambda *args: (len(args), b"\x01"))
    try:
        await result_of(
            client.connect(url, transports=transports, namespaces="/refusing", auth={"a": 1})
        )
    except socketio.exceptions.ConnectionError as error:
        seen["refusal"] = [str(error), *await came["connect_error"].next()]
    client = make()
    for name, box in came.items():
        client.on(name, box.add)
        client.on(name, box.add, namespace="/chat")
    client.on("question", lambda *args: (len(args), b"\x01"))
    await result_of(
        client.connect(
            url, {"X-Test": "yes"}, {"user": "ä"}, transports, ["/", "/chat"], wait_timeout=WAIT_S
        )
    )
    await came["connect"].next()
    await came["connect"].next()
    seen["transport"] = client.transport()
    who = await result_of(client.call("who"))
    seen["who"] = [who["auth"], who["header"]]
    values = ("ünï 😀", b"\x00\xff", {"deep": [b"", 1.5, None]})
    seen["echo"] = await result_of(client.call("echo", values))
    await result_of(client.emit("say", values, namespace="/chat"))
    seen["said"] = await came["said"].next()
    await result_of(client.emit("ask", ("a", "b")))
    seen["answered"] = await came["answered"].next()
    seen["joined"] = await result_of(client.call("join", "room", namespace="/chat"))
    await result_of(client.emit("shout", ("room", [b"all"]), namespace="/chat"))
    seen["shouted"] = await came["shouted"].next()
    big = bytes(700_000)
    seen["big"] = await result_of(client.call("echo", big)) == big
    answers = [await result_of(client.call("echo", i)) for i in range(50)]
    seen["fifty"] = answers == list(range(50))
    await result_of(client.emit("kick", namespace="/chat"))
    seen["kicked"] = await came["disconnect"].next()
    seen["stays"] = await result_of(client.call("echo", 1))
    await result_of(client.disconnect())
    seen["left"] = await came["disconnect"].next()
    return seen


async def play_simple(client: Any, url: str, transports: Any) -> dict[str, Any]:
    await result_of(client.connect(url, transports=transports, namespace="/chat"))
    transport = client.transport  # a method by mistake in 5.11
    seen = {"transport": transport() if callable(transport) else transport}
    await result_of(client.emit("say", ("a", b"b")))
    seen["received"] = await result_of(client.receive(timeout=WAIT_S))
    seen["echo"] = await result_of(client.call("echo", "c"))
    await result_of(client.disconnect())
    return seen


async def main(style: str, url: str, transports_json: str, *_: str) -> None:
    transports = json.loads(transports_json)
    if socketio.__name__ == "socketio":
        keep_order()
    if style == "async":
        seen = await play(socketio.AsyncClient, url, transports)
    elif style == "sync":
        seen = await play(socketio.Client, url, transports)
    else:
        simple = socketio.SimpleClient if style == "simple" else socketio.AsyncSimpleClient
        seen = await play_simple(simple(), url, transports)
    print(json.dumps(shown(seen)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

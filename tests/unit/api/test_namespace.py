"""Class-based namespaces: methods as handlers, trigger_event() of one's own, and the server's methods.

Source: python-socketio 5.18's AsyncNamespace.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest
import socketio

import fastsio
from fastsio.api.namespace import AsyncNamespace, BaseServerNamespace
from harness import until

METHODS = [
    name
    for name, value in inspect.getmembers(socketio.AsyncNamespace)
    if callable(value) and not name.startswith("_")
]


def shape(fn):
    return [(p.name, p.kind, p.default) for p in inspect.signature(fn).parameters.values()]


@pytest.mark.parametrize("name", ["__init__", *METHODS])
def test_signatures_are_python_socketios(name):
    theirs, ours = getattr(socketio.AsyncNamespace, name), getattr(AsyncNamespace, name)
    assert shape(ours) == shape(theirs)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


def test_namespace_knows_its_name_and_its_server(sio):
    one = AsyncNamespace()
    assert (one.namespace, one.server, one.is_asyncio_based()) == ("/", None, True)
    sio.register_namespace(one)
    assert one.server is sio
    assert AsyncNamespace("/n").namespace == "/n"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (object(), "Not a namespace instance"),
        (AsyncNamespace, "Not a namespace instance"),
        (BaseServerNamespace(), "Not a valid namespace class for this server"),
    ],
)
def test_what_is_no_namespace_is_refused(sio, what, message):
    with pytest.raises(ValueError, match=message):
        sio.register_namespace(what)


class Chat(AsyncNamespace):
    def __init__(self, namespace=None):
        super().__init__(namespace)
        self.log = []

    async def on_connect(self, sid, environ, auth):
        self.log.append(("connect", sid, environ["REQUEST_METHOD"], auth))
        if auth == {"refuse": True}:
            return False
        await asyncio.sleep(0)
        return None

    def on_disconnect(self, sid, reason):
        self.log.append(("disconnect", sid, reason))

    async def on_later(self, sid, *args):
        await asyncio.sleep(0)
        return ["later", *args]

    def on_plain(self, sid, value):
        return ["plain", value]

    def on_helper(self):
        """Called so by chance."""


@pytest.mark.feature("1.6 class namespaces")
@pytest.mark.parametrize("name", ["/", "/chat"])
async def test_methods_handle_the_events(sio, join, name):
    chat = Chat(name)
    sio.register_namespace(chat)
    peer, socket = await join(sio, namespace=name, auth={"user": "ann"})
    prefix = "" if name == "/" else f"{name},"
    await peer.send(f'42{prefix}1["later",1,2]')
    assert await peer.receive() == f'43{prefix}1[["later",1,2]]'
    await peer.send(f'42{prefix}2["plain",3,"cut off"]')
    assert await peer.receive() == f'43{prefix}2[["plain",3]]'
    await peer.send(f"41{prefix}"[: None if name == "/" else -1] + ("," if name != "/" else ""))
    await until(lambda: len(chat.log) == 2, "the disconnect handler")
    assert chat.log == [
        ("connect", socket.id, "GET", {"user": "ann"}), ("disconnect", socket.id, "client disconnect"),
    ]  # fmt: skip


async def test_on_connect_can_refuse(sio, join):
    sio.register_namespace(Chat())
    peer = await join.open(sio)
    await peer.send('40{"refuse":true}')
    assert await peer.receive() == '44{"message":"Connection rejected by server"}'


async def test_event_without_a_method_is_answered_with_nothing(sio, join):
    """python-socketio's: trigger_event() has handled it, and returned None."""
    sio.register_namespace(AsyncNamespace())
    peer, _ = await join(sio)
    await peer.send('421["unknown",1]')
    assert await peer.receive() == "431[]"


async def test_method_that_is_added_after_the_registration_is_found(sio, join):
    chat = Chat()
    sio.register_namespace(chat)
    chat.on_new = lambda sid, value: ["new", value]
    peer, _ = await join(sio)
    await peer.send('421["new",1,"cut off"]')
    assert await peer.receive() == '431[["new",1]]'
    chat.on_new = lambda sid: "newer"
    await peer.send('422["new",1]')
    assert await peer.receive() == '432["newer"]'


@pytest.mark.parametrize("takes", [2, 3])
async def test_connect_and_disconnect_may_take_less(sio, join, takes):
    class Short(AsyncNamespace):
        log: list = []  # noqa: RUF012

        if takes == 2:

            def on_connect(self, sid, environ):
                self.log.append("connect")

            def on_disconnect(self, sid):
                self.log.append("disconnect")

        else:

            def on_connect(self, sid, environ, auth=None):
                self.log.append(("connect", auth))

            def on_disconnect(self, *args):
                self.log.append(("disconnect", *args[1:]))

    Short.log = []
    sio.register_namespace(Short())
    peer, _ = await join(sio, auth={"a": 1})
    await peer.send("41")
    await until(lambda: len(Short.log) == 2, "the disconnect handler")
    assert Short.log == (
        ["connect", "disconnect"] if takes == 2 else [("connect", {"a": 1}), ("disconnect", "client disconnect")]
    )  # fmt: skip


async def test_trigger_event_of_ones_own_gets_every_event(sio, join):
    class Own(AsyncNamespace):
        async def trigger_event(self, event, *args):
            log.append((event, *args))
            return [event, len(args)]

        def on_x(self, sid):
            raise AssertionError("called past trigger_event")

    log = []
    sio.register_namespace(Own())
    peer, socket = await join(sio, auth={"a": 1})
    await peer.send('421["x",1,2]', '422["y"]')
    assert await peer.receive() == '431[["x",3]]'
    assert await peer.receive() == '432[["y",1]]'
    await peer.send("41")
    await until(lambda: len(log) == 4, "the disconnect")
    sid = socket.id
    assert log[0][:2] == ("connect", sid)
    assert log[0][2]["REQUEST_METHOD"] == "GET"
    assert log[0][3] == {"a": 1}
    assert log[1:] == [("x", sid, 1, 2), ("y", sid), ("disconnect", sid, "client disconnect")]


async def test_trigger_event_of_ones_own_may_go_on_to_the_methods(sio, join):
    class Logged(Chat):
        async def trigger_event(self, event, *args):
            self.log.append(event)
            return await super().trigger_event(event, *args)

        async def on_connect(self, sid, environ):
            return None

        def on_disconnect(self, sid):
            self.log.append("gone")

    chat = Logged()
    sio.register_namespace(chat)
    peer, _ = await join(sio)
    await peer.send('421["plain",1]', '422["unknown"]')
    assert [await peer.receive(), await peer.receive()] == ['431[["plain",1]]', "432[]"]
    await peer.send("41")
    await until(lambda: "gone" in chat.log, "the disconnect")
    assert chat.log == ["connect", "plain", "unknown", "disconnect", "gone"]


async def test_methods_of_the_class_for_any_namespace_get_its_name(join):
    class Any(AsyncNamespace):
        def on_connect(self, namespace, sid, environ):
            log.append(("connect", namespace))

        async def on_x(self, namespace, sid, value):
            return [namespace, value]

        def on_disconnect(self, namespace, sid, reason):
            log.append(("disconnect", namespace, reason))

    log = []
    sio = fastsio.AsyncServer(namespaces="*")
    sio.register_namespace(Any("*"))
    peer, _ = await join(sio, namespace="/some")
    await peer.send('42/some,1["x",5]', '42/some,2["y"]')
    assert await peer.receive() == '43/some,1[["/some",5]]'
    assert await peer.receive() == "43/some,2[]"
    await peer.send("41/some,")
    await until(lambda: len(log) == 2, "the disconnect")
    assert log == [("connect", "/some"), ("disconnect", "/some", "client disconnect")]


async def test_function_is_asked_before_a_method(sio, join):
    sio.register_namespace(Chat())
    sio.on("plain", lambda sid, value: "function")
    peer, _ = await join(sio)
    await peer.send('421["plain",1]', '422["later"]')
    assert await peer.receive() == '431["function"]'
    assert await peer.receive() == '432[["later"]]'


async def test_method_that_raises_is_logged_like_any_handler(sio, join, watch):
    class Wrong(AsyncNamespace):
        async def on_x(self, sid):
            raise RuntimeError("on purpose")

    sio.register_namespace(Wrong())
    peer, _ = await join(sio)
    await peer.send('421["x"]')
    await until(lambda: watch.errors, "the log line")
    watch.expect_error("handler of 'x' in '/' failed", "on purpose")


async def test_servers_methods_are_in_the_namespace(sio, join):
    chat = Chat("/chat")
    sio.register_namespace(chat)
    peer, socket = await join(sio, namespace="/chat")
    other, _ = await join(sio, namespace="/chat")
    sid = socket.id
    await chat.enter_room(sid, "r")
    assert sorted(chat.rooms(sid)) == sorted([sid, "r"])
    await chat.emit("to room", 1, to="r")
    await chat.emit("to all", (1, 2), skip_sid=sid)
    await chat.send("text", room=sid)
    assert [await peer.receive(), await peer.receive()] == [
        '42/chat,["to room",1]', '42/chat,["message","text"]',
    ]  # fmt: skip
    assert await other.receive() == '42/chat,["to all",1,2]'
    call = asyncio.ensure_future(chat.call("ask", "?", to=sid))
    assert await peer.receive() == '42/chat,0["ask","?"]'
    await peer.send('43/chat,0["answer"]')
    assert await call == "answer"
    await chat.save_session(sid, {"user": "ann"})
    assert await chat.get_session(sid) == {"user": "ann"}
    async with chat.session(sid) as session:
        session["more"] = 1
    assert await sio.get_session(sid, namespace="/chat") == {"user": "ann", "more": 1}
    await chat.leave_room(sid, "r")
    await chat.enter_room(sid, "s")
    await chat.close_room("s")
    assert chat.rooms(sid) == [sid]
    await chat.disconnect(sid)
    assert await peer.receive() == "41/chat,"

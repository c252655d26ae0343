"""Server: python-socketio's plain functions, called from any thread; handlers in a pool of threads.

Source: python-socketio 5's signatures and texts; Node's wire.
"""

from __future__ import annotations

import functools
import json
import queue
import sys
import threading
import time
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from fastsio.api.namespace import AsyncNamespace
from fastsio.api.sync import Manager, Namespace, Server
from fastsio.exceptions import ConnectionRefusedError, DisconnectedError, TimeoutError
from harness import DEADLINE_S
from thread_stage import Stage, SyncPeer, eventually


@pytest.fixture
def sio() -> Server:
    return Server()


@pytest.fixture
def stage() -> Iterator[Stage]:
    one = Stage()
    yield one
    one.close()


@pytest.fixture
def join(stage: Stage) -> Any:
    """`peer, sid = join(sio)`: a client of a server that is served once."""
    urls: dict[Server, str] = {}

    def one(sio: Server, *args: Any, **kwargs: Any) -> tuple[SyncPeer, str]:
        if sio not in urls:
            urls[sio] = stage.serve(sio)
        return stage.peers.join(urls[sio], *args, **kwargs)

    return one


def thread_name(*_: Any) -> str:
    return threading.current_thread().name


# --- handlers -------------------------------------------------------------------------------------


def test_handlers_run_in_threads_of_the_pool_and_answer(sio, join):
    @sio.event
    def where(sid):
        return thread_name()

    @sio.on("sum")
    def add(sid, a, b):
        return a + b, sid

    peer, sid = join(sio)
    peer.send('420["where"]')
    assert peer.receive().startswith('430["fastsio-handler-')
    peer.send('421["sum",1,2]')
    assert peer.receive() == f'431[3,"{sid}"]'


def test_typed_handlers_validate_in_their_thread_and_answer_what_is_wrong(sio, join):
    @sio.on("double", typed=True)
    def double(sid, n: int) -> int:
        return 2 * n

    with pytest.raises(TypeError, match="coroutine function"):

        @sio.on("wrong", typed=True)
        async def wrong(sid, n: int) -> int: ...

    peer, _ = join(sio)
    peer.send('420["double",2]')
    assert peer.receive() == "430[4]"
    peer.send('421["double","2"]')
    assert json.loads(peer.receive()[3:])[0]["error"]["name"] == "n"


def test_declared_events_are_sent_from_a_thread(sio, join):
    pair = sio.emits("pair", int, str)

    @sio.event
    def tell(sid):
        pair.to(sid).emit(1, "a")

    peer, _ = join(sio)
    peer.send('42["tell"]')
    assert peer.receive() == '42["pair",1,"a"]'
    with pytest.raises(TypeError, match="'arg0'"):
        pair.emit("1", "a")


def test_handler_that_blocks_holds_up_neither_the_loop_nor_other_events(sio, join):
    release = threading.Event()

    @sio.event
    def block(sid):
        assert release.wait(DEADLINE_S)
        return "late"

    sio.on("quick", lambda sid: "now")
    peer, _ = join(sio)
    other, _ = join(sio)
    peer.send('420["block"]', '421["quick"]')
    assert peer.receive() == '431["now"]'
    other.send('420["quick"]')
    assert other.receive() == '430["now"]'
    release.set()
    assert peer.receive() == '430["late"]'


def test_handlers_beyond_the_limit_wait_for_a_free_thread(join):
    sio = Server(handler_threads=1)
    release = threading.Event()
    begun = []

    @sio.event
    def work(sid, number):
        begun.append(number)
        assert release.wait(DEADLINE_S)
        return number

    peer, _ = join(sio)
    peer.send('420["work",0]', '421["work",1]', '422["work",2]')
    eventually(lambda: begun, "the first has begun")
    time.sleep(0.05)
    assert begun == [0]
    release.set()
    assert [peer.receive() for _ in range(3)] == ["430[0]", "431[1]", "432[2]"]


def test_connect_gets_environ_and_auth_and_disconnect_the_reason(sio, join):
    seen = []

    @sio.event
    def connect(sid, environ, auth):
        seen.append((sid, environ["REQUEST_METHOD"], auth, thread_name()[:15]))

    @sio.event
    def disconnect(sid, reason):
        seen.append((sid, reason))

    peer, sid = join(sio, auth={"a": 1})
    assert seen == [(sid, "GET", {"a": 1}, "fastsio-handler")]
    peer.send("41")
    eventually(lambda: len(seen) == 2, "the disconnect handler")
    assert seen[1][0] == sid


def test_older_handlers_without_auth_and_reason_work(sio, join):
    seen = []
    sio.on("connect", lambda sid, environ: seen.append(environ["QUERY_STRING"]))
    sio.on("disconnect", lambda sid: seen.append(sid))
    peer, sid = join(sio)
    peer.send("41")
    eventually(lambda: len(seen) == 2, "the disconnect handler")
    assert seen[0].startswith("EIO=4")
    assert seen[1] == sid


def test_decorators_that_put_in_or_keep_back_arguments_work(sio, join):
    def with_user(handler):
        @functools.wraps(handler)
        def wrapper(sid, *args):
            return handler(f"user of {sid}", *args)

        return wrapper

    def noted(handler):
        @functools.wraps(handler)
        def wrapper(*args):
            seen.append((handler.__name__, len(args)))
            return handler(*args)

        return wrapper

    seen = []

    @sio.event
    @noted
    def connect(sid, environ): ...

    @sio.event
    @with_user
    def hello(user):
        return user

    @sio.event
    @noted
    def disconnect(sid): ...

    peer, sid = join(sio)
    peer.send('420["hello"]')
    assert peer.receive() == f'430["user of {sid}"]'
    peer.send("41")
    eventually(lambda: len(seen) == 4, "disconnect")
    # As python-socketio does: with the newer argument first, then without.
    assert seen == [("connect", 3), ("connect", 2), ("disconnect", 2), ("disconnect", 1)]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (None, {"message": "Connection rejected by server"}),
        (ConnectionRefusedError("no", 7), {"message": "no", "data": 7}),
    ],
)
def test_connect_refuses_by_false_or_by_raising(sio, stage, error, answer):
    @sio.event
    def connect(sid, environ):
        if error is not None:
            raise error
        return False

    peer = stage.peers.open(stage.serve(sio))
    peer.send("40")
    packet = peer.receive()
    assert packet[:2] == "44"
    assert json.loads(packet[2:]) == answer


def test_handler_that_raises_is_logged_with_event_and_sid(sio, join, stage):
    @sio.event
    def fails(sid):
        raise LookupError("in a thread")

    sio.on("echo", lambda sid, x: x)
    peer, sid = join(sio)
    peer.send('42["fails"]', '420["echo",1]')
    assert peer.receive() == "430[1]"
    (error,) = eventually(lambda: stage.log.errors, "the error")
    assert "'fails'" in error
    assert sid[:6] in error
    assert "in a thread" in error
    stage.log.errors.clear()


def test_on_and_event_return_the_function(sio):
    def handler(sid): ...

    assert sio.on("a", handler) is handler
    assert sio.on("b")(handler) is handler
    assert sio.event(handler) is handler
    assert sio.event(namespace="/n")(handler) is handler


def test_coroutine_functions_are_refused(sio):
    async def handler(sid): ...

    with pytest.raises(TypeError, match="is a coroutine function"):
        sio.on("x", handler)


def test_handlers_that_can_not_be_called_are_refused_at_registration(sio):
    with pytest.raises(TypeError):
        sio.on("x", lambda: None)
    with pytest.raises(TypeError, match="connect handler"):
        sio.on("connect", lambda sid: None)


# --- sending --------------------------------------------------------------------------------------


def test_emit_reaches_everyone_a_room_or_one(sio, join):
    (one, one_sid), (two, two_sid), (three, _) = join(sio), join(sio), join(sio)
    sio.enter_room(one_sid, "red")
    sio.enter_room(two_sid, "red")
    sio.emit("all")
    sio.emit("red", 1, to="red", skip_sid=two_sid)
    sio.emit("one", (1, b"two"), room=two_sid)
    sio.emit("nobody", to=[])
    sio.emit("end", {"a": None}, to=[one_sid, "red"])
    sio.send("bye")
    assert [one.receive() for _ in range(4)] == [
        '42["all"]', '42["red",1]', '42["end",{"a":null}]', '42["message","bye"]',
    ]  # fmt: skip
    assert [two.receive() for _ in range(5)] == [
        '42["all"]', '451-["one",1,{"_placeholder":true,"num":0}]', b"two", '42["end",{"a":null}]',
        '42["message","bye"]',
    ]  # fmt: skip
    assert [three.receive() for _ in range(2)] == ['42["all"]', '42["message","bye"]']


def test_emit_in_a_namespace_reaches_that_alone(sio, join):
    sio.on("x", lambda sid: None, namespace="/n")
    peer, _ = join(sio)
    other, _ = join(sio, namespace="/n")
    sio.emit("x", 1, namespace="/n")
    sio.emit("x", 2)
    assert other.receive() == '42/n,["x",1]'
    assert peer.receive() == '42["x",2]'


def test_what_emit_was_given_may_be_changed_when_it_has_returned(sio, join, stage):
    peer, sid = join(sio)
    gate = threading.Event()
    stage._bridge.post(gate.wait)
    data, to, skip = [1], [sid], ["nobody"]
    sio.emit("x", data, to=to, skip_sid=skip)
    data.append(2)
    to.clear()
    skip.append(sid)
    gate.set()
    assert peer.receive() == '42["x",[1]]'


def test_tuple_of_rooms_is_several_rooms(sio, join):
    peers = [join(sio) for _ in range(3)]
    sio.enter_room(peers[0][1], "a")
    sio.enter_room(peers[1][1], "b")
    sio.emit("x", 1, to=("a", "b"))
    sio.emit("x", 2, skip_sid=(peers[0][1], peers[1][1]))
    assert [peer.receive() for peer, _ in peers] == ['42["x",1]', '42["x",1]', '42["x",2]']


def test_client_that_is_being_admitted_gets_what_is_emitted_meanwhile_with_its_admission(
    sio, stage
):
    @sio.event
    def connect(sid, environ):
        sio.emit("to all", 1)
        sio.emit("to it", 2, to=sid)

    peer = stage.peers.open(stage.serve(sio))
    peer.send("40")
    packets = [peer.receive() for _ in range(3)]
    assert packets[:2] == ['42["to all",1]', '42["to it",2]']
    assert packets[2].startswith('40{"sid":')


def test_what_can_not_be_emitted_raises_in_the_callers_thread(sio, join):
    with pytest.raises(ValueError, match="reserved"):
        sio.emit("connect")
    join(sio)
    with pytest.raises(ValueError, match="reserved"):
        sio.emit("disconnect")
    with pytest.raises(TypeError):
        sio.emit("x", object())
    with pytest.raises(TypeError):
        sio.emit("x", {1, 2}, to="nobody")


def test_emits_of_a_handler_come_before_its_answer_and_in_order(sio, join):
    @sio.event
    def count(sid, n):
        for i in range(n):
            sio.emit("n", i, to=sid)
        return "done"

    peer, _ = join(sio)
    peer.send('420["count",50]')
    assert [peer.receive() for _ in range(51)] == [f'42["n",{i}]' for i in range(50)] + [
        '430["done"]'
    ]


def test_emits_from_many_threads_all_arrive_in_each_threads_order(sio, join):
    peers = [join(sio)[0] for _ in range(3)]
    start = threading.Barrier(10)

    def emitter(number):
        start.wait()
        for i in range(100):
            sio.emit("n", (number, i, b"x") if i % 10 == 0 else (number, i))

    threads = [sio.start_background_task(emitter, number) for number in range(10)]
    for thread in threads:
        thread.join(DEADLINE_S)
    for peer in peers:
        texts = []
        while len(texts) < 1000:
            packet = peer.receive()
            if isinstance(packet, str):
                texts.append(packet)
        seen = [json.loads(text[text.index("[") :]) for text in texts]
        for number in range(10):
            assert [i for _, n, i, *_ in seen if n == number] == list(range(100))


def test_callback_gets_the_answer_in_a_thread_of_the_pool(sio, join):
    answers = []
    peer, sid = join(sio)
    sio.emit("q", 1, to=sid, callback=lambda *args: answers.append((args, thread_name()[:15])))
    assert peer.receive() == '420["q",1]'
    peer.send('430["a",2]')
    eventually(lambda: answers, "the callback")
    assert answers == [(("a", 2), "fastsio-handler")]


def test_callback_that_raises_is_logged(sio, join, stage):
    peer, sid = join(sio)

    def fail():
        raise LookupError("in a callback")

    sio.emit("q", to=sid, callback=fail)
    assert peer.receive() == '420["q"]'
    peer.send("430[]")
    (error,) = eventually(lambda: stage.log.errors, "the error")
    assert "in a callback" in error
    stage.log.errors.clear()


# --- call -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "value"), [("", None), ("1", 1), ("1,[2]", (1, [2]))])
def test_call_waits_for_the_answer(sio, join, answer, value):
    values = []
    peer, sid = join(sio)
    caller = threading.Thread(target=lambda: values.append(sio.call("q", (1, 2), to=sid)))
    caller.start()
    assert peer.receive() == '420["q",1,2]'
    peer.send(f"430[{answer}]")
    caller.join(DEADLINE_S)
    assert values == [value]


def test_call_from_a_handler_to_its_own_client(sio, join):
    @sio.event
    def ask(sid):
        return sio.call("q", to=sid), sio.call("q", sid=sid)

    peer, _ = join(sio)
    peer.send('420["ask"]')
    for number in range(2):
        assert peer.receive() == f'42{number}["q"]'
        peer.send(f"43{number}[{number}]")
    assert peer.receive() == "430[0,1]"


def test_call_that_nobody_answers_times_out(sio, join):
    _, sid = join(sio)
    with pytest.raises(TimeoutError):
        sio.call("q", to=sid, timeout=0.05)


def test_call_fails_at_once_when_the_client_goes(sio, join):
    errors = []
    peer, sid = join(sio)

    def ask():
        try:
            sio.call("q", to=sid)
        except DisconnectedError as error:
            errors.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    peer.receive()
    peer.send("41")
    caller.join(DEADLINE_S)
    assert len(errors) == 1


def test_call_is_for_one_client_and_needs_async_handlers(sio):
    with pytest.raises(ValueError, match=r"Cannot use call\(\) to broadcast\."):
        sio.call("q")
    with pytest.raises(RuntimeError, match=r"Cannot use call\(\) when async_handlers is False\."):
        Server(async_handlers=False).call("q", to="x")


# --- rooms, sessions, one client ------------------------------------------------------------------


def test_rooms_are_entered_left_closed_and_told(sio, join):
    _, sid = join(sio)
    sio.enter_room(sid, "a")
    sio.enter_room(sid, "b")
    assert sorted(sio.rooms(sid)) == sorted([sid, "a", "b"])
    sio.leave_room(sid, "a")
    sio.close_room("b")
    assert sio.rooms(sid) == [sid]
    with pytest.raises(ValueError, match="sid is not connected to requested namespace"):
        sio.enter_room("nobody", "a")


def test_session_is_kept_and_saved_with_with(sio, join):
    _, sid = join(sio)
    assert sio.get_session(sid) == {}
    with sio.session(sid) as session:
        session["name"] = "Ann"
    assert sio.get_session(sid) == {"name": "Ann"}
    sio.save_session(sid, {"name": "Bob"})
    assert sio.get_session(sid) == {"name": "Bob"}
    with pytest.raises(KeyError):
        sio.get_session("nobody")


def test_session_is_saved_also_when_the_block_raises(sio, join):
    _, sid = join(sio)
    with pytest.raises(ZeroDivisionError), sio.session(sid) as session:
        session["a"] = 1
        1 / 0  # noqa: B018
    assert sio.get_session(sid) == {"a": 1}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_transport_and_environ_of_a_client(sio, join, transport):
    _, sid = join(sio, transport)
    assert sio.transport(sid) == transport
    assert sio.get_environ(sid)["REMOTE_ADDR"] == "127.0.0.1"
    assert sio.get_environ("nobody") is None
    with pytest.raises(KeyError):
        sio.transport("nobody")


def test_disconnect_puts_a_client_out_and_runs_its_handler(sio, join):
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append(sid))
    peer, sid = join(sio)
    sio.emit("last words", to=sid)
    sio.disconnect(sid)
    sio.emit("unheard", to=sid)
    assert [peer.receive(), peer.receive()] == ['42["last words"]', "41"]
    eventually(lambda: gone == [sid], "the disconnect handler")
    sio.disconnect(sid)


def test_everything_may_be_called_from_handlers(sio, join):
    @sio.event
    def connect(sid, environ):
        sio.enter_room(sid, "room")
        sio.save_session(sid, {"path": sio.get_environ(sid)["PATH_INFO"]})
        sio.emit("hello", to=sid)

    @sio.event
    def status(sid):
        return len(sio.rooms(sid)), sio.get_session(sid), sio.transport(sid)

    peer, _ = join(sio)
    peer.send('420["status"]')
    assert peer.receive() == '430[2,{"path":"/socket.io/"},"websocket"]'


def test_on_the_loops_own_thread_all_works_but_to_wait_for_an_answer(sio, join, stage):
    peer, sid = join(sio)

    def on_loop():
        sio.enter_room(sid, "room")
        sio.emit("x", 1, to="room")
        return sio.rooms(sid), sio.transport(sid)

    rooms, transport = stage.on_loop(on_loop)
    assert sorted(rooms) == sorted([sid, "room"])
    assert transport == "websocket"
    assert peer.receive() == '42["x",1]'
    with pytest.raises(RuntimeError, match="on the event loop's thread"):
        stage.on_loop(sio.call, "q", None, sid)


# --- namespaces, order, exceptions ----------------------------------------------------------------


class Chat(Namespace):
    """Says where it was called."""

    def on_connect(self, sid, environ):
        self.enter_room(sid, "all")
        self.save_session(sid, {"n": 0})

    def on_disconnect(self, sid, reason):
        self.gone = (sid, reason)

    def on_say(self, sid, text):
        with self.session(sid) as session:
            session["n"] += 1
        self.emit("said", (text, self.get_session(sid)["n"]), room="all")
        return thread_name()[:15], self.rooms(sid)

    def on_ask(self, sid):
        return self.call("q", to=sid, timeout=DEADLINE_S)

    def on_leave(self, sid):
        self.leave_room(sid, "all")
        self.close_room("all")
        self.send("bye", to=sid)
        self.disconnect(sid)


def test_class_based_namespace_has_the_servers_methods_in_its_namespace(sio, join):
    chat = Chat("/chat")
    sio.register_namespace(chat)
    assert chat.server is sio
    assert chat.is_asyncio_based() is False
    peer, sid = join(sio, namespace="/chat")
    peer.send('42/chat,0["say","hi"]')
    assert peer.receive() == '42/chat,["said","hi",1]'
    answer = json.loads(peer.receive().removeprefix("43/chat,0"))
    assert answer[0] == "fastsio-handler"
    assert sorted(answer[1]) == sorted([sid, "all"])
    peer.send('42/chat,1["ask"]')
    assert peer.receive() == '42/chat,0["q"]'
    peer.send("43/chat,0[7]")
    assert peer.receive() == "43/chat,1[7]"
    peer.send('42/chat,["leave"]')
    assert [peer.receive(), peer.receive()] == ['42/chat,["message","bye"]', "41/chat,"]
    eventually(lambda: getattr(chat, "gone", None), "on_disconnect")
    assert chat.gone == (sid, "server disconnect")


def test_own_trigger_event_gets_every_event(join):
    sio = Server(namespaces="*")

    class All(Namespace):
        def trigger_event(self, event, *args):
            return event, len(args), thread_name()[:15]

    sio.register_namespace(All("*"))
    peer, _ = join(sio, namespace="/any")
    peer.send('42/any,0["x",1,2]')
    assert peer.receive() == '43/any,0["x",4,"fastsio-handler"]'


def test_only_sync_namespaces_can_be_registered(sio):
    with pytest.raises(ValueError, match="Not a namespace instance"):
        sio.register_namespace(object())
    with pytest.raises(ValueError, match="Not a valid namespace class for this server"):
        sio.register_namespace(AsyncNamespace("/x"))


def test_namespaces_are_found_again(sio):
    chat = Chat("/chat")
    sio.register_namespace(chat)

    @sio.event
    def x(sid): ...

    assert sio.namespace_handlers["/chat"] is chat
    assert sio.handlers["/"]["x"] is x


def test_fallbacks_get_event_and_namespace(join):
    sio = Server(namespaces="*")
    sio.on("*", lambda event, namespace, sid, *args: (event, namespace, args), namespace="*")
    peer, _ = join(sio, namespace="/n")
    peer.send('42/n,0["x",1]')
    assert peer.receive() == '43/n,0["x","/n",[1]]'


def test_without_async_handlers_a_clients_events_come_one_after_the_other(join):
    sio = Server(async_handlers=False)
    gate = threading.Event()
    seen = []

    @sio.event
    def work(sid, number):
        seen.append(("begin", number))
        if number == 0:
            assert gate.wait(DEADLINE_S)
        seen.append(("end", number))
        return number

    peer, _ = join(sio)
    other, _ = join(sio)
    peer.send(*(f'42{n}["work",{n}]' for n in range(5)))
    eventually(lambda: seen, "the first has begun")
    other.send('420["work",9]')
    assert other.receive() == "430[9]"  # another client's do not wait
    assert [entry for entry in seen if entry[1] != 9] == [("begin", 0)]
    gate.set()
    assert [peer.receive() for _ in range(5)] == [f"43{n}[{n}]" for n in range(5)]
    assert [entry for entry in seen if entry[1] != 9] == [
        (what, n) for n in range(5) for what in ("begin", "end")
    ]


def test_exception_handler_runs_in_the_pool_and_answers(sio, join):
    @sio.exception_handler(LookupError)
    def failed(exc, event, sid):
        return str(exc), event, thread_name()[:15]

    @sio.event
    def fails(sid, *args):
        raise LookupError("no")

    peer, _ = join(sio)
    peer.send('420["fails",1,2]')
    assert peer.receive() == '430["no","fails","fastsio-handler"]'


# --- what applications look into ------------------------------------------------------------------


def test_manager_tells_who_is_where_and_does_what_the_server_does(sio, join):
    peer, sid = join(sio)
    sio.manager.enter_room(sid, "/", "red")
    (eio_sid,) = sio.eio.sockets
    assert sio.manager.rooms["/"]["red"] == {sid: eio_sid}
    assert list(sio.manager.get_participants("/", "red")) == [(sid, eio_sid)]
    assert sio.manager.get_namespaces() == ["/"]
    assert sio.manager.is_connected(sid, "/")
    assert sio.manager.can_disconnect(sid, "/") is True
    assert sio.manager.eio_sid_from_sid(sid, "/") == eio_sid
    assert sio.manager.sid_from_eio_sid(eio_sid, "/") == sid
    assert sorted(sio.manager.get_rooms(sid, "/")) == sorted([sid, "red"])
    sio.manager.emit("x", 1, "/", room="red")
    assert peer.receive() == '42["x",1]'
    sio.manager.leave_room(sid, "/", "red")
    sio.manager.close_room("red", "/")
    assert sio.rooms(sid) == [sid]
    sio.manager.disconnect(sid, "/")
    assert peer.receive() == "41"


def test_manager_tells_whose_connect_handler_is_at_work(sio, stage):
    seen = []

    @sio.event
    def connect(sid, environ):
        seen.append((sio.manager.pending_connect, sio.manager.is_pre_connected(sid, "/")))

    @sio.event
    def disconnect(sid, reason):
        seen.append(sio.manager.pending_disconnect)

    peer, sid = stage.peers.join(stage.serve(sio))
    assert seen == [({"/": [sid]}, True)]
    assert sio.manager.pending_connect == {}
    peer.send("41")
    eventually(lambda: len(seen) == 2, "the disconnect handler")
    assert seen[1] == {"/": [sid]}


def test_engine_is_told_in_plain_functions(sio, join):
    peer, _ = join(sio)
    (eio_sid,) = sio.eio.sockets
    assert sio.environ[eio_sid]["REMOTE_ADDR"] == "127.0.0.1"
    assert sio.eio.transport(eio_sid) == "websocket"
    assert sio.eio.is_asyncio_based() is False
    assert sio.eio.async_mode == "threading"
    assert sio.eio.create_queue().empty()
    assert not sio.eio.create_event().is_set()
    assert sio.eio.get_queue_empty_exception() is queue.Empty
    sio.eio.send(eio_sid, "2[1]")
    assert peer.receive() == "42[1]"
    sio.eio.disconnect(eio_sid)
    eventually(lambda: not sio.eio.sockets, "the end of the session")


def test_manager_is_initialized_once_when_the_server_is_served(join):
    class Own(Manager):
        count = 0

        def initialize(self):
            self.count += 1

    manager = Own()
    sio = Server(manager)
    assert manager.count == 0
    join(sio)
    join(sio)
    assert manager.count == 1
    assert sio.manager is manager


def test_managers_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match=r"a fastsio\.Manager, or one of"):
        Server(client_manager=object())


def test_unknown_arguments_give_one_warning_that_names_the_nearest():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Server(ping_intervall=3, nonsense=1)
    (warning,) = caught
    assert "'ping_intervall'; did you mean 'ping_interval'?, 'nonsense'" in str(warning.message)
    assert warning.filename == __file__


def test_options_are_the_engines():
    sio = Server(ping_interval=(3, 1), cors_allowed_origins="*", always_connect=True)
    assert sio.eio.ping_interval == 3
    assert sio.always_connect is True
    assert sio.async_handlers is True
    assert sio.namespaces == ["/"]


def test_shutdown_of_a_server_that_is_served_in_another_way_ends_its_clients(sio, join):
    gone = []
    sio.on("disconnect", lambda sid, reason: gone.append((sid, reason)))
    assert sio.as_asgi().engineio_server is sio
    _, sid = join(sio)
    sio.shutdown()
    assert gone == [(sid, "server disconnect")]
    assert sio.eio.sockets == {}
    _, again = join(sio)
    assert sio.rooms(again) == [again]


def test_it_is_served_under_any_path(sio, stage):
    url = stage.serve(sio, socketio_path="chat")
    peer = stage.peers.open(url, path="/chat/")
    assert peer.connect()["sid"]


# --- threads, and no server -----------------------------------------------------------------------


def test_background_task_is_a_daemon_thread_with_join(sio):
    done = []
    task = sio.start_background_task(lambda a, b: done.append((a, b)), 1, b=2)
    assert task.daemon
    task.join(DEADLINE_S)
    assert done == [(1, 2)]


def test_sleep_sleeps(sio):
    begun = time.monotonic()
    sio.sleep(0.02)
    sio.sleep()
    assert time.monotonic() - begun >= 0.02


def test_server_that_nobody_serves_has_no_clients_and_no_threads(sio):
    before = threading.active_count()
    sio.emit("x", 1)
    sio.emit("x", 1, to="nobody", callback=pytest.fail)
    sio.leave_room("nobody", "room")
    sio.disconnect("nobody")
    assert sio.rooms("nobody") == []
    assert sio.get_environ("nobody") is None
    with pytest.raises(KeyError):
        sio.get_session("nobody")
    with pytest.raises(ValueError, match="not connected"):
        sio.enter_room("nobody", "room")
    assert threading.active_count() == before


def test_it_is_not_asyncio_based_and_its_mode_is_threading(sio):
    assert sio.is_asyncio_based() is False
    assert sio.async_mode == "threading"
    assert Server(async_mode="threading").async_mode == "threading"


@pytest.mark.parametrize("mode", ["asgi", "aiohttp", "sanic", "tornado", "nonsense"])
def test_modes_of_coroutines_are_invalid(mode):
    with pytest.raises(ValueError, match="Invalid async_mode specified"):
        Server(async_mode=mode)


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "gevent_uwsgi"])
def test_green_modes_give_one_warning_and_threads(mode):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sio = Server(async_mode=mode)
    assert [str(one.message) for one in caught] == [
        f"async_mode={mode!r}: fastsio's Server uses threads, as with 'threading'"
    ]
    assert caught[0].filename == __file__
    assert sio.async_mode == "threading"


@pytest.mark.parametrize(
    ("module", "question", "name"),
    [
        ("gevent.monkey", "is_module_patched", "gevent"),
        ("eventlet.patcher", "is_monkey_patched", "eventlet"),
    ],
)
def test_monkey_patched_threads_are_refused_and_it_says_why(monkeypatch, module, question, name):
    fake = types.ModuleType(module)
    patched: set[str] = set()
    setattr(fake, question, patched.__contains__)
    monkeypatch.setitem(sys.modules, module, fake)
    Server()
    patched.add("socket")
    with pytest.raises(RuntimeError, match=f"{name} has replaced"):
        Server()

"""What events go through before their handlers: socket.use(), and one handler after the other.

Source: Node's Socket.use(), Socket.onevent(); async_handlers=False is python-socketio's.
"""

from __future__ import annotations

import asyncio

import pytest

import fastsio
from clock_loop import pass_time
from fastsio.testing import TestClient, TestServer
from harness import until

TOO_MANY = (
    '4330[{"error":{"code":"too_many_waiting","event":"x","message":"too many events wait"}}]'
)
CLOCK = pytest.mark.asyncio(loop_factories=["clock"])


@pytest.fixture
def errors(io):
    """What the sockets' "error" event said."""
    errors = []
    io.on("connection", lambda socket: socket.on("error", errors.append))
    return errors


def on_connection(io, fn):
    """Let `fn(socket)` add middleware and listeners."""
    io.on("connection", fn)


def plain(step):
    return step


def coroutine(step):
    async def middleware(event):
        await asyncio.sleep(0)
        step(event)

    return middleware


def with_next(step):
    def middleware(event, next):
        try:
            step(event)
        except Exception as error:  # noqa: BLE001 - it is the refusal
            next(error)
        else:
            next()

    return middleware


def coroutine_with_next(step):
    async def middleware(event, next):
        await asyncio.sleep(0)
        with_next(step)(event, next)

    return middleware


FORMS = pytest.mark.parametrize("form", [plain, coroutine, with_next, coroutine_with_next])


@FORMS
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.feature("1.6 per-packet middleware")
async def test_middleware_sees_each_event_and_may_change_it(io, form, transport):
    def step(event):
        event[1] = event[1] * 2
        event.append("more")

    def connected(socket):
        socket.use(form(step))
        socket.on("double", lambda *args: args)

    on_connection(io, connected)
    async with TestClient(io, transport=transport) as client:
        assert await client.call("double", 4) == (8, "more")
        assert await client.call("double", "ab") == ("abab", "more")


@FORMS
@pytest.mark.feature("1.6 per-packet middleware")
async def test_refused_event_is_dropped_and_error_says_why(io, errors, form):
    heard = []
    refusal = ValueError("not allowed")

    def step(event):
        if event[0] == "secret":
            raise refusal

    def connected(socket):
        socket.use(form(step))
        socket.on("secret", heard.append)
        socket.on("open", lambda value: value)

    on_connection(io, connected)
    async with TestClient(io) as client:
        await client.emit("secret", 1)
        assert await client.call("open", 2) == 2
        assert client.is_connected
    assert heard == []
    assert errors == [refusal]


async def test_refusal_that_nobody_listens_to_is_logged(io, caplog):
    def connected(socket):
        @socket.use
        def refuse(event):
            raise ValueError("on purpose")

    on_connection(io, connected)
    async with TestClient(io) as client:
        await client.emit("x")
    assert "'x'" in caplog.text and "on purpose" in caplog.text


@pytest.mark.parametrize("is_meant", [True, False], ids=["next", "raised"])
async def test_a_refusal_by_next_that_nobody_listens_to_has_no_traceback(io, caplog, is_meant):
    def by_next(event, next):
        next(ValueError("on purpose"))

    def by_mistake(event, next):
        raise ValueError("on purpose")

    on_connection(io, lambda socket: socket.use(by_next if is_meant else by_mistake))
    async with TestClient(io) as client:
        await client.emit("x")
    [record] = [one for one in caplog.records if "was refused" in one.getMessage()]
    assert "on purpose" in record.getMessage()
    assert (record.exc_info is None) is is_meant


async def test_several_run_in_their_order_until_one_refuses(io, errors):
    log = []

    def connected(socket):
        socket.use(lambda event: log.append("first"))
        socket.use(lambda event, next: (log.append("second"), next("enough")))
        socket.use(lambda event: log.append("third"))

    on_connection(io, connected)
    async with TestClient(io) as client:
        await client.emit("x")
    assert log == ["first", "second"]
    assert [str(error) for error in errors] == ["enough"]


async def test_on_any_hears_the_event_before_middleware_does(io):
    log = []

    def connected(socket):
        socket.use(lambda event: log.append("middleware"))
        socket.on_any(lambda event: log.append("any"))
        socket.on("x", lambda: log.append("listener"))

    on_connection(io, connected)
    async with TestClient(io) as client:
        await client.emit("x")
    assert log == ["any", "middleware", "listener"]


async def test_middleware_may_rename_an_event_but_has_to_leave_one(io, errors):
    heard = []

    def step(event):
        if event[0] == "old":
            event[0] = "new"
        if event[0] == "empty":
            event.clear()

    def connected(socket):
        socket.use(step)
        socket.on("new", heard.append)

    on_connection(io, connected)
    async with TestClient(io) as client:
        await client.emit("old", 1)
        await client.emit("empty")
        await client.emit("new", 2)
    assert heard == [1, 2]
    assert [str(error) for error in errors] == [
        "packet middleware left []: an event's name and its arguments"
    ]


@CLOCK
async def test_events_keep_their_order_while_middleware_waits(io):
    heard = []

    async def slow(event):
        await asyncio.sleep(event[1])

    def connected(socket):
        socket.use(slow)
        socket.on("x", heard.append)

    on_connection(io, connected)
    async with TestServer(io) as server:
        client = await server.connect()
        for seconds in (3, 2, 0):
            await client.emit("x", seconds)
        await pass_time(2.5)
        assert heard == []
        await pass_time(3)
        assert heard == [3, 2, 0]


@pytest.fixture
async def waiting(join):
    """A function: a client whose 31 events find middleware at work, what is heard of them, and what lets them go on."""

    async def start(transport):
        io = fastsio.IO(max_waiting_events=10)
        gate, heard = asyncio.Event(), []
        peer, socket = await join(io, transport=transport)
        socket.use(lambda event: gate.wait())
        socket.on("x", heard.append)
        # A POST is answered when the client is read again.
        packets = [*(f'42["x",{number}]' for number in range(30)), '4230["x",30]']
        sending.append(asyncio.ensure_future(peer.send(*packets)))
        return peer, heard, gate

    sending = []
    yield start
    await asyncio.gather(*sending)


async def test_events_that_come_at_once_and_find_too_many_waiting_are_refused(waiting):
    peer, heard, gate = await waiting("polling")
    assert await peer.receive() == TOO_MANY
    gate.set()
    await until(lambda: len(heard) == 11, "those that waited are handled")
    assert heard == list(range(11))  # one was at work


async def test_client_is_not_read_while_many_events_wait_for_middleware(waiting):
    peer, heard, gate = await waiting("websocket")
    gate.set()
    assert await peer.receive() == "4330[]"
    assert heard == list(range(31))


@CLOCK
async def test_middleware_of_one_client_holds_up_no_other(io):
    heard = []

    async def slow(event):
        await asyncio.sleep(event[1])

    def connected(socket):
        socket.use(slow)
        socket.on("x", heard.append)

    on_connection(io, connected)
    async with TestServer(io) as server:
        one, two = await server.connect(), await server.connect()
        await one.emit("x", 5)
        await two.emit("x", 0)
        assert heard == [0]
        await pass_time(6)
        assert heard == [0, 5]


@CLOCK
async def test_next_that_never_comes_refuses_the_event_in_time(caplog):
    io = fastsio.IO(middleware_timeout=2)
    errors, heard = [], []

    def connected(socket):
        socket.use(lambda event, next: None if event[1] == 1 else next())
        socket.on("x", heard.append)
        socket.on("error", errors.append)

    on_connection(io, connected)
    async with TestServer(io) as server:
        client = await server.connect()
        await client.emit("x", 1)
        await client.emit("x", 2)
        assert heard == []
        await pass_time(3)
    assert heard == [2]
    assert [str(error) for error in errors] == ["middleware timeout"]
    assert "returned without calling next()" in caplog.text


async def test_middleware_can_answer_in_the_listeners_place(io):
    def step(event, next, ack):
        if event[0] == "cached":
            ack("from the cache")
            assert not ack
        next()

    heard = []

    def connected(socket):
        socket.use(step)
        socket.on("cached", lambda: heard.append("cached"))
        socket.on("other", lambda: "from the listener")

    on_connection(io, connected)
    async with TestClient(io) as client:
        assert await client.call("cached") == "from the cache"
        assert await client.call("other") == "from the listener"
        await client.emit("cached")  # without an ack there is nothing to answer
    assert heard == ["cached", "cached"]


async def test_ack_of_middleware_ends_with_its_turn(io):
    acks = []

    def connected(socket):
        socket.use(lambda event, ack: acks.append(ack))
        socket.on("x", lambda: "listener")

    on_connection(io, connected)
    async with TestClient(io) as client:
        assert await client.call("x") == "listener"
        acks[0]("too late")
        assert await client.nothing()


async def test_refused_event_has_no_answer_but_middlewares_own(io, errors):
    def step(event, ack):
        ack("denied")
        raise ValueError("denied")

    on_connection(io, lambda socket: socket.use(step))
    async with TestClient(io) as client:
        assert await client.call("x") == "denied"
    assert len(errors) == 1


async def test_acks_and_the_end_pass_no_middleware(io):
    log, reasons = [], []

    async def connected(socket):
        socket.use(lambda event: log.append(event[0]))
        socket.on("disconnect", reasons.append)
        socket.on("ask", lambda: socket.emit_with_ack("question"))

    on_connection(io, connected)
    async with TestServer(io) as server:
        client = await server.connect()
        client.on("question", lambda: "answer")
        assert await client.call("ask") == "answer"
        await client.disconnect()
    assert log == ["ask"]
    assert reasons == ["client namespace disconnect"]


@CLOCK
async def test_event_of_a_client_that_goes_meanwhile_is_not_handled(io):
    heard = []

    async def slow(event):
        await asyncio.sleep(1)

    def connected(socket):
        socket.use(slow)
        socket.on("x", heard.append)

    on_connection(io, connected)
    async with TestServer(io) as server:
        client = await server.connect()
        await client.emit("x", 1)
        await client.drop()
        await pass_time(2)
    assert heard == []


async def test_middleware_is_one_sockets_own_and_events_of_others_take_the_short_way(io, join):
    peer, socket = await join(io)
    other, socket_of_other = await join(io)
    seen = []
    socket.use(lambda event: seen.append(event))
    for one in (socket, socket_of_other):
        one.on("x", lambda: None)
    assert socket.peer.is_diverted and not socket_of_other.peer.is_diverted
    await other.send('421["x"]')
    assert await other.receive() == "431[]"
    await peer.send('421["x"]')
    assert await peer.receive() == "431[]"
    assert seen == [["x"]]


async def test_middleware_stays_when_an_observer_leaves(io, join):
    class Nobody:
        watches_events = True

        def __getattr__(self, name):
            return lambda *args: None

    peer, socket = await join(io)
    seen = []
    socket.use(lambda event: seen.append(event[0]))
    socket.on("x", lambda: None)
    io.hub.observe(Nobody())
    io.hub.observe(None)
    await peer.send('421["x"]')
    assert await peer.receive() == "431[]"
    assert seen == ["x"]


async def test_middleware_that_a_namespaces_middleware_adds_sees_the_first_event(io):
    seen = []
    io.use(lambda socket: socket.use(lambda event: seen.append(event[0])))
    async with TestClient(io) as client:
        await client.emit("x")
    assert seen == ["x"]


async def test_handlers_in_the_other_style_pass_middleware_too():
    sio = fastsio.AsyncServer()

    @sio.on("x")
    async def handler(sid, value):
        return value

    sio.io.on(
        "connection", lambda socket: socket.use(lambda event: event.__setitem__(1, "changed"))
    )
    async with TestClient(sio) as client:
        assert await client.call("x", "given") == "changed"


async def test_middleware_that_takes_more_is_refused_where_it_is_given(io, join):
    _, socket = await join(io)
    for fn in (lambda a, b, c: None, lambda: None, lambda a, b, c, ack: None):
        with pytest.raises(TypeError, match=r"a middleware takes \(event\) or \(event, next\)"):
            socket.use(fn)


# --- async_handlers=False -------------------------------------------------------------------------


@pytest.fixture
def serial():
    return fastsio.IO(async_handlers=False)


@CLOCK
async def test_listeners_of_a_socket_run_one_after_the_other_without_async_handlers(serial):
    log = []

    def connected(socket):
        @socket.on("x")
        async def slow(seconds):
            log.append(("begins", seconds))
            await asyncio.sleep(seconds)
            log.append(("ends", seconds))

    on_connection(serial, connected)
    async with TestServer(serial) as server:
        client = await server.connect()
        await client.emit("x", 2)
        await client.emit("x", 1)
        await pass_time(5)
    assert log == [("begins", 2), ("ends", 2), ("begins", 1), ("ends", 1)]


@CLOCK
async def test_all_that_listens_to_an_event_ends_before_the_next_one_begins(serial):
    log = []

    def connected(socket):
        async def any_(event):
            await asyncio.sleep(1)
            log.append("any")

        async def middleware(event):
            await asyncio.sleep(1)
            log.append("middleware")

        async def first():
            await asyncio.sleep(1)
            log.append("first")

        async def second():
            await asyncio.sleep(1)
            log.append("second")

        socket.on_any(any_)
        socket.use(middleware)
        socket.on("x", first)
        socket.on("x", second)

    on_connection(serial, connected)
    async with TestServer(serial) as server:
        client = await server.connect()
        await client.emit("x")
        await client.emit("x")
        await pass_time(20)
    assert log == ["any", "middleware", "first", "second"] * 2


async def test_answers_are_the_same_without_async_handlers(serial):
    def connected(socket):
        socket.on("one", lambda: 1)
        socket.on("none", lambda: None)
        socket.on("first that is not None", lambda: None)
        socket.on("first that is not None", lambda: "second")
        socket.on("by ack", lambda: "ignored")
        socket.on("by ack", lambda ack: ack("a", "b"))
        socket.once("once", lambda: "once")

    on_connection(serial, connected)
    async with TestClient(serial) as client:
        assert await client.call("one") == 1
        assert await client.call("none") is None
        assert await client.call("first that is not None") == "second"
        assert await client.call("by ack") == ("a", "b")
        assert await client.call("once") == "once"
        with pytest.raises(AssertionError):
            await client.call("once", timeout=0.05)


async def test_both_styles_handle_an_event_without_async_handlers():
    sio = fastsio.AsyncServer(async_handlers=False)
    log = []

    @sio.on("x")
    async def handler(sid, value):
        await asyncio.sleep(0)
        log.append("function")
        return value

    sio.io.on("connection", lambda socket: socket.on("x", lambda value: log.append("listener")))
    async with TestClient(sio) as client:
        assert await client.call("x", 5) == 5
    assert log == ["function", "listener"]


async def test_failure_of_one_is_logged_and_the_next_event_has_its_turn(serial, watch):
    def connected(socket):
        @socket.on("bad")
        async def bad():
            await asyncio.sleep(0)
            raise ValueError("on purpose")

        socket.on("good", lambda: "fine")

    on_connection(serial, connected)
    async with TestClient(serial) as client:
        await client.emit("bad")
        assert await client.call("good") == "fine"
    watch.expect_error("handler of 'bad'", "on purpose")


async def test_event_that_waits_is_dropped_when_the_client_is_put_out(serial):
    heard = []
    gate = asyncio.Event()

    def connected(socket):
        @socket.on("hold")
        async def hold():
            await gate.wait()
            socket.disconnect()

        socket.on("x", lambda: heard.append("x"))

    on_connection(serial, connected)
    async with TestServer(serial) as server:
        client = await server.connect()
        await client.emit("hold")
        await client.emit("x")
        gate.set()
        await until(lambda: not client.is_connected, "put out")
    assert heard == []

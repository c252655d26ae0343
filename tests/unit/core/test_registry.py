"""The registry: the order of preference in each namespace's tables. Calls are in api/test_aio_handlers.py.

Source: python-socketio 5.18, the order of its look-ups; run beside it in test_order_is_python_socketios.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import socketio

from fastsio.core.hub import Hub
from fastsio.core.registry import Registry
from fastsio.options import Options


@pytest.fixture
def hub():
    return Hub(Options())


@pytest.fixture
def registry(hub):
    return hub.registry


def found(hub, event, name="/"):
    """The function that an event reaches."""
    handler = hub.namespaces[name].lookup(event)
    return None if handler is None else handler.fn


# Where a handler may be: a name, and how it is registered in ours and in theirs.
PLACES = ["event", "any event", "event in any", "any event in any", "class", "class for any"]


def noting(reached, place):
    return lambda *args: reached.append((place, args))


def register_theirs(place, sio, fn):
    if place.startswith("class"):
        owner = socketio.AsyncNamespace("*" if place == "class for any" else "/n")
        owner.on_x = fn
        sio.register_namespace(owner)
    else:
        namespace = "*" if place.endswith("in any") else "/n"
        sio.on("*" if place.startswith("any") else "x", fn, namespace=namespace)


def register_ours(place, registry, fn):
    if place.startswith("class"):
        registry.add_object(object(), "*" if place == "class for any" else "/n", {"x": fn}, print)
    else:
        namespace = "*" if place.endswith("in any") else "/n"
        registry.add("*" if place.startswith("any") else "x", fn, namespace)


@pytest.mark.parametrize(
    "places", [c for n in range(1, 7) for c in itertools.combinations(PLACES, n)], ids=", ".join
)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_order_is_python_socketios(hub, registry, places):
    """Every combination of places, asked of both."""
    theirs = socketio.AsyncServer(namespaces="*", async_mode="asgi")
    reached = []
    for place in places:
        fn = noting(reached, place)
        register_theirs(place, theirs, fn)
        register_ours(place, registry, fn)
    hub.namespace("/n")
    await theirs._trigger_event("x", "/n", "sid", 1)
    handler = hub.namespaces["/n"].lookup("x")
    before = {1: "x", 2: "/n", 4: "sid"}
    handler.fn(*(value for bit, value in before.items() if handler.prefix & bit), 1)
    assert reached[0] == reached[1]
    assert len(reached) == 2


def test_reserved_events_do_not_go_to_any_event(hub, registry):
    registry.add("*", print, "/")
    registry.add("*", print, "*")
    assert "disconnect" not in hub.root.handlers
    assert hub.root.guards == []


def test_disconnect_in_any_namespace_gets_the_namespace_first(hub, registry):
    registry.add("disconnect", lambda namespace, sid, reason: None, "*")
    handler = hub.namespace("/later").handlers["disconnect"]
    assert (handler.prefix, handler.max_args) == (2 | 4, 1)


def test_any_event_of_a_namespace_does_not_hide_reserved_ones_of_less_preferred_places(
    hub, registry
):
    def disconnect(namespace, sid):
        pass

    registry.add("disconnect", disconnect, "*")
    registry.add("x", print, "*")
    registry.add("*", print, "/")
    assert hub.root.handlers["disconnect"].fn is disconnect
    assert "x" not in hub.root.handlers


def test_namespace_that_is_made_later_has_what_was_registered_for_any(hub, registry):
    def x(namespace, sid):
        pass

    registry.add("x", x, "*")
    hub.namespace("/later")
    assert found(hub, "x", "/later") is x
    assert "/*" not in hub.namespaces


def test_removed_function_leaves_the_next_in_the_order(hub, registry):
    def exact(sid):
        pass

    def anything(event, sid):
        pass

    registry.add("x", exact, "/")
    registry.add("*", anything, "/")
    assert found(hub, "x") is exact
    registry.remove("x", "/")
    assert found(hub, "x") is anything
    registry.remove("*", "/")
    assert found(hub, "x") is None
    assert registry.functions == {}
    with pytest.raises(KeyError):
        registry.remove("x", "/")


def test_removed_connect_handler_asks_nobody_any_more(hub, registry):
    registry.add("connect", lambda sid, environ: False, "/")
    assert len(hub.root.guards) == 1
    registry.remove("connect", "/")
    assert hub.root.guards == []


@pytest.mark.parametrize(
    ("event", "name", "fn", "message"),
    [
        ("x", "*", lambda sid: None, "takes 1 arguments, it is called with 2"),
        ("*", "*", lambda event, namespace: None, "takes 2 arguments, it is called with 3"),
        ("disconnect", "*", lambda namespace: None, "takes 1 arguments, it is called with 2"),
        ("connect", "*", lambda sid, environ: None, "after the namespace"),
        ("connect", "*", lambda namespace, sid, environ, auth, more: None, "after the namespace"),
    ],
)
def test_function_that_cant_take_the_namespace_is_refused_where_it_is_given(
    registry, event, name, fn, message
):
    with pytest.raises(TypeError, match=message):
        registry.add(event, fn, name)
    assert registry.functions == {}


def test_name_of_a_namespace_may_lack_its_slash(hub, registry):
    registry.add("x", print, "n")
    assert list(registry.functions) == ["/n"]
    assert registry.has("/n")
    assert not registry.has("/")


def test_method_that_cant_take_a_sid_is_left_to_the_trigger(hub, registry):
    def trigger(event, *args):
        pass

    registry.add_object(object(), "/", {"x": lambda: None, "y": print}, trigger)
    assert found(hub, "x") is trigger
    assert found(hub, "y") is print


def test_adapt_gives_what_is_called_and_the_function_says_with_what(hub):
    """Threads call something else in the function's place."""
    hub.registry = registry = Registry(hub, adapt=lambda fn: ("adapted", fn))

    def x(sid, value):
        pass

    registry.add("x", x, "/")
    handler = hub.root.handlers["x"]
    assert handler.fn == ("adapted", x)
    assert handler.max_args == 1
    assert registry.functions["/"]["x"].fn is x


async def test_adapted_connect_handler_is_what_is_asked(hub):
    def adapt(fn):
        async def later(*args):
            return fn(*args)

        return later

    got = []
    hub.registry = Registry(hub, adapt)
    hub.registry.add("connect", lambda sid, environ: got.append((sid, environ)), "/")
    peer = SimpleNamespace(environ={"a": 1})
    socket = SimpleNamespace(
        id="sid", peer=peer, handshake=SimpleNamespace(auth={}), namespace=hub.root
    )
    (guard,) = hub.root.guards
    await guard(socket)
    assert got == [("sid", {"a": 1})]

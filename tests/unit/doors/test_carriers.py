"""Which ASGIApp an application carries, and which paths are its."""

from __future__ import annotations

import pytest

import fastsio
from fastsio.asgi import ASGIApp
from fastsio.doors.carriers import Carried, find_carried, is_asgi_app


class Route:
    def __init__(self, path, app):
        self.path, self.app = path, app


class Framework:
    """What Starlette's applications have."""

    def __init__(self, *routes, middleware=()):
        self.routes = list(routes)
        self.user_middleware = list(middleware)

    async def __call__(self, scope, receive, send):
        raise NotImplementedError


def asgi_app(**options):
    return ASGIApp(fastsio.AsyncServer(), **options)


def test_asgi_app_carries_itself():
    app = asgi_app()
    assert find_carried(app) == Carried(app)
    assert find_carried(app).socketio_server is app.engineio_server


def test_application_may_name_the_one_that_it_carries():
    app, framework = asgi_app(), Framework()
    framework.fastsio_app = app
    assert find_carried(framework) == Carried(app)


def test_application_that_names_something_else_is_refused():
    framework = Framework()
    framework.fastsio_app = 42
    with pytest.raises(TypeError, match="fastsio_app is no ASGIApp of fastsio, but 42"):
        find_carried(framework)


@pytest.mark.parametrize(("path", "mount"), [("/rt", "/rt"), ("/", ""), ("", ""), ("/a/b", "/a/b")])
def test_mounted_one_is_found(path, mount):
    app = asgi_app()
    assert find_carried(Framework(Route("/x", object()), Route(path, app))) == Carried(app, mount)


def test_mounted_one_behind_middleware_is_left_to_it():
    app = asgi_app()
    found = find_carried(Framework(Route("/rt", app), middleware=[object()]))
    assert found == Carried(app, "/rt", is_direct=False)
    assert not found.is_engine_path("/rt/socket.io/")


def test_one_behind_middleware_is_left_to_it():
    class Middleware:
        def __init__(self, app):
            self.app = app

    app = asgi_app()
    assert find_carried(Middleware(Middleware(app))) == Carried(app, is_direct=False)
    mounted = Framework(Route("/rt", app))
    assert find_carried(Middleware(mounted)) == Carried(app, "/rt", is_direct=False)
    middleware = Middleware(None)
    middleware.app = middleware
    assert find_carried(middleware) is None


def test_subclass_that_is_called_in_its_own_way_is_left_to_it():
    class Own(ASGIApp):
        async def __call__(self, scope, receive, send):
            await super().__call__(scope, receive, send)

    app = Own(fastsio.AsyncServer())
    assert find_carried(app) == Carried(app, is_direct=False)
    assert find_carried(Framework(Route("/rt", app))) == Carried(app, "/rt", is_direct=False)


def test_subclass_that_changes_something_else_is_as_good_as_its_base():
    class Own(ASGIApp):
        async def not_found(self, receive, send):
            raise NotImplementedError

    app = Own(fastsio.AsyncServer())
    assert find_carried(app) == Carried(app)


@pytest.mark.parametrize(
    "app", [None, 42, Framework(), Framework(Route("/", Framework())), object()]
)
def test_nothing_is_found_where_nothing_is(app):
    assert find_carried(app) is None


def test_asgi_app_of_another_library_is_none_of_ours():
    class Theirs:
        engineio_server, other_asgi_app, engineio_path = object(), None, "/socket.io/"

        async def __call__(self, scope, receive, send):
            raise NotImplementedError

    assert not is_asgi_app(Theirs())
    assert find_carried(Theirs()) is None


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/socket.io/", True),
        ("/socket.io", True),
        ("/socket.io/more", True),
        ("/socket%2Eio/", True),
        ("/socket.iox", False),
        ("/socket", False),
        ("/", False),
        ("/x/socket.io/", False),
    ],
)
def test_slash_is_added_before_paths_are_compared(path, is_ours):
    assert Carried(asgi_app()).is_engine_path(path) is is_ours


def test_without_a_path_all_is_ours():
    assert Carried(asgi_app(socketio_path=None)).is_engine_path("/whatever")


@pytest.mark.parametrize(
    ("socketio_path", "path", "is_ours"),
    [
        ("socket.io", "/rt/socket.io/", True),
        ("socket.io", "/rt/socket.io", True),
        ("socket.io", "/socket.io/", False),
        ("socket.io", "/rtx/socket.io/", False),
        ("socket.io", "/rt/", False),
        ("/rt/socket.io", "/rt/socket.io/", True),
        (None, "/rt/any", True),
        (None, "/rt", True),
        (None, "/any", False),
    ],
)
def test_below_a_mount_the_path_is_taken_with_its_prefix_and_without(socketio_path, path, is_ours):
    carried = Carried(asgi_app(socketio_path=socketio_path), "/rt")
    assert carried.is_engine_path(path) is is_ours

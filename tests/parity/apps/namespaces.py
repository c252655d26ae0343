"""Namespaces, also those that are made for a client. See namespaces.js."""

from __future__ import annotations

import re
from typing import Any

from parity.scenario import RAW, App, scenario


def says(nsp: Any, app: App) -> None:
    """Log who comes and goes."""

    @nsp.on("connection")
    def connection(socket: Any) -> None:
        app.log("in", socket.nsp.name)
        socket.on("where", lambda: socket.nsp.name)
        socket.on("all", lambda: socket.nsp.emit("all", socket.nsp.name))
        socket.on("disconnect", lambda reason: app.log("out", socket.nsp.name, reason))


@scenario("1.9 static", barrier=("/", "/chat", "/other"))
def name_without_a_slash(io: Any, app: App) -> None:
    says(io.of("chat"), app)
    io.of("/other", lambda socket: app.log("in other", socket.nsp.name))
    app.on_word("names", lambda: [io.of("chat").name, io.of("/chat") is io.of("chat")])


@scenario("1.9 static", barrier=("/", "/a", "/b"))
def namespaces_are_apart(io: Any, app: App) -> None:
    for name in ("/", "/a", "/b"):
        nsp = io.of(name)
        says(nsp, app)
        nsp.on("connection", lambda socket: socket.join("room"))

    def tell() -> None:
        io.emit("to /")
        io.of("/a").emit("to /a")
        io.of("/a").to("room").emit("to a room of /a")
        io.of("/b").except_("room").emit("to nobody")

    app.on_word("tell", tell)


@scenario("1.9 nsp props", barrier=("/", "/a"))
def sockets_of_a_namespace(io: Any, app: App) -> None:
    nsp = io.of("/a")

    @nsp.on("connection")
    def connection(socket: Any) -> None:
        app.log(nsp.name, len(nsp.sockets), nsp.sockets.get(socket.id) is socket)
        socket.on("disconnect", lambda reason: app.log(reason, len(nsp.sockets)))

    app.on_word("count", lambda: [len(io.of("/a").sockets), len(io.sockets.sockets)])


@scenario("1.1 new_namespace event", barrier=("/",))
def new_namespaces_are_told_of(io: Any, app: App) -> None:
    io.on("new_namespace", lambda nsp: app.log("new", nsp.name))
    app.on_word("make", lambda: [io.of(name).name for name in ("/a", "/a", "b", "/")])


@scenario(
    "1.9 dynamic regex / fn",
    "1.9 access child socket's ns",
    "1.6 catch-all namespace",
    barrier=("/",),
)
def namespaces_by_a_pattern(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/dynamic-\d+$"))
    says(parent, app)
    barrier(parent)
    io.on("new_namespace", lambda nsp: app.log("new", nsp.name))


@scenario("1.9 dynamic regex / fn", barrier=("/",))
def namespaces_by_a_function(io: Any, app: App) -> None:
    def check(name: str, auth: Any, next: Any) -> None:
        app.log("asked", name, auth)
        if name == "/broken":
            next(Exception("broken"), True)
        else:
            next(None, name.startswith("/ok"))

    parent = io.of(check)
    says(parent, app)
    barrier(parent)


@scenario("1.9 dynamic regex / fn", barrier=("/",))
def first_of_several_patterns(io: Any, app: App) -> None:
    for number, pattern in enumerate((r"^/a", r"^/ab", r"^/b")):
        parent = io.of(re.compile(pattern))
        barrier(parent)
        parent.on("connection", lambda socket, number=number: app.log(number, socket.nsp.name))


@scenario("1.9 parent ops", barrier=("/",))
def parent_reaches_its_children(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))
    barrier(parent)

    def check(socket: Any, next: Any) -> None:
        app.log("middleware", socket.nsp.name)
        next(Exception("no") if socket.handshake.auth.get("refuse") else None)

    parent.use(check)
    parent.on("connection", lambda socket: socket.join("room"))

    def tell() -> None:
        parent.emit("to all", 1, b"\x01")
        parent.to("room").emit("to a room")

    app.on_word("tell", tell)


@scenario("1.9 cleanupEmptyChildNamespaces", barrier=("/",),
          options={"cleanup_empty_child_namespaces": True})  # fmt: skip
def empty_children_are_forgotten(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))
    says(parent, app)
    barrier(parent)
    io.on("new_namespace", lambda nsp: app.log("new", nsp.name))


def barrier(parent: Any) -> None:
    """The barrier of scenario.py in the children of `parent`."""
    parent.on("connection", lambda socket: socket.on("sync~", lambda: None))


@scenario("1.9 query in nsp", modes=RAW, barrier=("/", "/a"))
def query_in_the_name(io: Any, app: App) -> None:
    says(io.of("/a"), app)


@scenario("1.9 dynamic regex / fn", barrier=("/",))
def namespace_that_is_made_by_code(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))
    says(parent, app)
    barrier(parent)

    def make() -> str:
        nsp = io.of("/room-a")
        nsp.on("connection", lambda socket: app.log("listener of its own"))
        return nsp.name

    app.on_word("make", make)
    app.on_word("tell", lambda: parent.emit("to all children"))


@scenario("1.9 parent ops", barrier=("/",))
def middleware_of_a_parent_that_comes_late(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))
    barrier(parent)

    def late(socket: Any, next: Any) -> None:
        app.log("late", socket.nsp.name)
        next()

    app.on_word("add", lambda: parent.use(late) and None)


@scenario("1.9 cleanupEmptyChildNamespaces", barrier=("/",),
          options={"cleanup_empty_child_namespaces": True})  # fmt: skip
def child_whose_only_client_is_refused(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))

    def refuse(_socket: Any, next: Any) -> None:
        next(Exception("no"))

    parent.use(refuse)
    io.on("new_namespace", lambda nsp: app.log("new", nsp.name))


@scenario("1.9 parent ops", barrier=("/",))
def parent_without_sockets_of_its_own(io: Any, app: App) -> None:
    parent = io.of(re.compile(r"^/room-\w$"))

    async def fetch() -> Any:
        try:
            return await parent.fetch_sockets()
        except Exception as error:  # noqa: BLE001 - it is shown
            return isinstance(error, Exception)

    app.on_word("fetch", fetch)

"""Parent namespaces: they make a namespace when a client asks for one that they know, by a pattern or a function.

Source: Node's ParentNamespace and Server._checkNamespace().
"""

import itertools
import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fastsio.core.broadcasting import Broadcasting
from fastsio.core.children import ChildrenOperator
from fastsio.core.declaring import Declaring
from fastsio.core.emitter import Emitter
from fastsio.core.errors import ConnectionRefusedError
from fastsio.core.handlers import positional_count
from fastsio.core.middleware import Refused, Step, Waiting, make_step
from fastsio.core.patterns import Pattern, compile_pattern

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.namespace import Namespace

logger = logging.getLogger("fastsio.core")

# Function(name, auth): whether there is such a namespace.
Judge = Callable[..., Any]


class ParentNamespace(Emitter, Broadcasting, Declaring):
    """What namespaces have in common that clients ask for. `children`: those that are there, by name.

    Middleware and listeners of "connection" are given to each child when it is made: what is added later is for later
    children; handlers of event() are for all. What is sent goes to the clients of all children. `name` is "/_" and a
    number, and not for clients.
    """

    def __init__(
        self, hub: "Hub", name: str, pattern: Pattern | None = None, judge: Judge | None = None
    ) -> None:
        """It knows the names that `pattern` fits, or that `judge` knows."""
        self.hub = hub
        self.name = name
        self.pattern = pattern
        self.children: dict[str, Namespace] = {}
        self.by_event = None
        self.declared: dict[str, Any] = {}
        self._judge = judge
        self._guards: list[Step] = []

    def __repr__(self) -> str:
        known = self.pattern.regex.pattern if self.pattern is not None else self._judge
        return f"<ParentNamespace of {known!r}, {len(self.children)} children>"

    @property
    def server(self) -> Any:
        """The application that it belongs to."""
        return self.hub.server

    def on(self, event: str, fn: Callable[..., Any] | None = None) -> Any:
        """Call `fn(socket)` on "connection" (or "connect"), for every client that joins a child made after that.

        `socket.nsp` is the child, `socket.params` says what its name's parts are. Works as a decorator. Raises
        ValueError for another event.
        """
        if event not in ("connection", "connect"):
            raise ValueError(f'event {event!r} of a parent namespace: "connection"')
        return self._listen(event, fn)

    def use(self, middleware: Callable[..., Any]) -> Callable[..., Any]:
        """Middleware of every child made after that: see Namespace.use()."""
        seconds = self.hub.options.middleware_timeout
        self._guards.append(make_step(middleware, seconds, self.hub.tasks, "socket"))
        return middleware

    def create_child(self, name: str) -> "Namespace":
        """The child of that name, made if it is new, whether or not the parent knows such a name.

        Raises ValueError if there is a namespace of that name which is no child of this one.
        """
        name = name if name.startswith("/") else f"/{name}"
        found = self.hub.namespaces.get(name)
        if found is None:
            return self.hub.make_namespace(name, self)
        if found.parent is not self:
            raise ValueError(f"namespace {name!r} is there already, and no child of this one")
        return found

    def bring_up(self, child: "Namespace") -> None:
        """Give a new child what it has of its parent."""
        self.children[child.name] = child
        child.parent = self
        child.is_passing = self.hub.options.cleanup_empty_child_namespaces
        child.params = (self.pattern and self.pattern.params_of(child.name)) or {}
        child.guards.extend(self._guards)
        for event in ("connect", "connection"):
            for fn in self.listeners(event):
                child.on(event, fn)

    async def knows(self, name: str, auth: dict[str, Any]) -> bool:
        """Whether a client may have that namespace. What the function raises, or next() is called with, means no; the
        former is logged, unless it is ConnectionRefusedError."""
        if self._judge is None:
            return self.pattern is not None and self.pattern.params_of(name) is not None
        try:
            return bool(await self._judge(name, auth))
        except (Refused, ConnectionRefusedError):
            return False
        except Exception:
            logger.warning("namespace %r: %r failed", name, self._judge, exc_info=True)
            return False

    # --- sending -----------------------------------------------------------------------------

    def chosen(self) -> ChildrenOperator:
        return ChildrenOperator(self)

    async def fetch_sockets(self) -> Any:
        """Raises RuntimeError, as in Node: another server may have other children. Ask each of `children`."""
        raise RuntimeError("fetch_sockets() is not supported on parent namespaces")


class Parents:
    """The parent namespaces of an application, in the order in which they were made; false if there are none."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._parents: list[ParentNamespace] = []
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        return bool(self._parents)

    def __iter__(self) -> Iterator[ParentNamespace]:
        return iter(self._parents)

    def add(self, names: "str | re.Pattern[str] | Judge") -> ParentNamespace:
        """A new parent namespace: see IO.of()."""
        if isinstance(names, str):
            return self._add(compile_pattern(names), None)
        if isinstance(names, re.Pattern):
            return self._add(Pattern(names, {}), None)
        return self._add(
            None, make_judge(names, self._hub.options.middleware_timeout, self._hub.tasks)
        )

    def of(self, pattern: Pattern) -> Pattern:
        """Let some parent know what fits the pattern, a new one if there is none; returns the pattern."""
        if not any(parent.pattern == pattern for parent in self._parents):
            self._add(pattern, None)
        return pattern

    def _add(self, pattern: Pattern | None, judge: Judge | None) -> ParentNamespace:
        parent = ParentNamespace(self._hub, f"/_{next(self._numbers)}", pattern, judge)
        self._parents.append(parent)
        return parent

    def knows(self, name: str) -> ParentNamespace | None:
        """The first parent whose pattern fits a name. Functions are asked for clients only."""
        for parent in self._parents:
            if parent.pattern is not None and parent.pattern.params_of(name) is not None:
                return parent
        return None

    async def find(self, name: str, auth: dict[str, Any]) -> "Namespace | None":
        """The namespace that a client asks for: each parent is asked until one knows it, which makes it."""
        if (
            name in self._hub.namespaces
        ):  # "/", where a python-socketio application does not have it
            return None
        for parent in list(self._parents):
            if await parent.knows(name, auth):
                # Another client may have been quicker while a function was asked.
                return self._hub.namespaces.get(name) or parent.create_child(name)
        return self._hub.find_namespace(name) or self._hub.accept(name)


def make_judge(fn: Callable[..., Any], seconds: float, tasks: set[Any]) -> Judge:
    """`fn(name, auth)` or Node's `fn(name, auth, next)` as a coroutine function (name, auth).

    The last calls next(error, is_allowed), and is waited for at most `seconds`. Raises TypeError for a function that
    needs other arguments.
    """
    needed, taken = positional_count(fn)
    if needed > 3 or taken == 0:
        raise TypeError(f"{fn!r}: it takes (name, auth) or (name, auth, next)")
    if needed == 3:
        return Waiting(fn, seconds, tasks)
    is_told_auth = taken != 1

    async def judge(name: str, auth: dict[str, Any]) -> Any:
        result = fn(name, auth) if is_told_auth else fn(name)
        return await result if hasattr(result, "__await__") else result

    return judge

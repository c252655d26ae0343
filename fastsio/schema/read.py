"""The events of an application, read from its hub: those with handlers, and those that it declares to send.

Handlers of `socket.on()` are made for a client, and so not known before there is one: `io.event()` registers handlers
that are. With clients there (`fastsio schema --connect`), what their sockets listen to is read too.
"""

import collections.abc
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from fastsio._dispatch import Handler
from fastsio._typed import TypedCall
from fastsio.core.annotations import EMPTY, Argument, Signature, is_checked, signature_of
from fastsio.core.typed import is_available
from fastsio.core.validators import validator_of

OWN_EVENTS = frozenset({"connect", "connection", "disconnect", "disconnecting", "error", "*"})
ANY = "*"


class SchemaError(Exception):
    """No schema can be made; the message says why."""


class Answer(NamedTuple):
    """What an ack carries. values: its types; rest: that of any further ones.

    required: how many of the values are always there. is_known: False if nothing says what it carries; is_declared:
    whether a handler always gives one. may_refuse: it may be an error about the arguments in their place.
    """

    values: tuple[Any, ...] = ()
    rest: Any = EMPTY
    required: int = 0
    is_known: bool = True
    is_declared: bool = False
    may_refuse: bool = False


class Event(NamedTuple):
    """One event of a namespace; `answer` is what its ack carries, None if the receiver never answers."""

    name: str
    arguments: tuple[Argument, ...]
    rest: Argument | None
    answer: Answer | None
    doc: str = ""

    @property
    def required(self) -> int:
        return sum(argument.default is EMPTY for argument in self.arguments)


class NamespaceEvents(NamedTuple):
    """received: events of clients, sent: the server's, both by name; auth: what clients must send along, or EMPTY.

    address: None if nothing says how the namespaces are called; it may have {fields}, which are the parameters.
    """

    name: str
    received: tuple[Event, ...]
    sent: tuple[Event, ...]
    auth: Any = EMPTY
    address: str | None = None
    parameters: tuple[str, ...] = ()


class Application(NamedTuple):
    """All namespaces that have events, by name. notes: what was left out, and why, for people."""

    namespaces: tuple[NamespaceEvents, ...]
    notes: tuple[str, ...]


class _Source(NamedTuple):
    """A namespace, or a parent namespace with all its children. keys: its names in the registry."""

    name: str
    keys: tuple[str, ...]
    namespace: Any
    members: list[Any]
    address: str | None
    parameters: tuple[str, ...] = ()


def read(hub: Any) -> Application:
    """The events of a hub. Raises SchemaError if it has none, or if what describes types is missing."""
    if not is_available():
        raise SchemaError("a schema needs msgspec: pip install 'fastsio[typed]'")
    notes: list[str] = []
    found = []
    for source in sorted(_sources(hub), key=lambda source: source.name):
        received = {event.name: event for event in _received(hub, source, notes)}
        sent = [_sent(event) for event in source.namespace.declared.values()]
        auth = _auth(hub, source, notes)
        if received or sent or auth is not EMPTY:
            found.append(
                NamespaceEvents(
                    source.name, _sorted(received.values()), _sorted(sent), auth, source.address,
                    source.parameters,
                )
            )  # fmt: skip
    if not found:
        raise SchemaError(
            "no events are known: register handlers with io.event() or sio.on(), declare what is sent with emits(), or "
            "give --connect to see what sockets listen to"
        )
    return Application(tuple(found), tuple(notes))


def _sources(hub: Any) -> Iterator[_Source]:
    for name, namespace in hub.namespaces.items():
        if namespace.parent is None:
            yield _Source(name, (name,), namespace, [namespace], name)
    for parent in hub.parents:
        pattern = parent.pattern
        children = list(parent.children.values())
        if pattern is None:  # a function knows the names
            yield _Source(parent.name, (parent.name,), parent, children, None)
        elif not pattern.text:
            yield _Source(pattern.regex.pattern, (parent.name,), parent, children, None)
        else:
            address = re.sub(r"\{(\w+):\w+\}", r"{\1}", pattern.text)
            keys = (pattern.text, parent.name)
            yield _Source(address, keys, parent, children, address, tuple(pattern.kinds))


def _sorted(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: event.name))


class _Found(NamedTuple):
    """A handler: the application's function, and what calls it."""

    event: str
    fn: Callable[..., Any]
    handler: Handler


def _received(hub: Any, source: _Source, notes: list[str]) -> Iterator[Event]:
    name = source.name
    for found in _handlers(hub, source):
        # The server's own events may have names of another type (own_events.py).
        if type(found.event) is not str or found.event in OWN_EVENTS or _is_ours(found.fn):
            continue
        typed = isinstance(found.handler.call, TypedCall)
        try:
            signature = signature_of(
                found.fn, found.handler.prefix.bit_count(), found.handler.takes_ack
            )
        except TypeError as error:
            notes.append(f"{name} {found.event!r}: {error}")
            signature = Signature((), Argument("args", EMPTY), None, EMPTY)
        if not typed:  # its annotations have never been looked at
            signature = _describable(signature, f"{name} {found.event!r}", notes)
        answer = _answer_of(signature, typed)
        doc = getattr(found.fn, "__doc__", None) or ""
        yield Event(found.event, signature.arguments, signature.rest, answer, doc)


def _describable(signature: Signature, place: str, notes: list[str]) -> Signature:
    """The signature without annotations that mean nothing to what describes types."""

    def checked(annotation: Any) -> Any:
        if not is_checked(annotation):
            return annotation
        try:
            validator_of(annotation)
        except TypeError as error:
            notes.append(f"{place}: {annotation!r} is left out: {error}")
            return EMPTY
        return annotation

    return signature._replace(
        arguments=tuple(one._replace(type=checked(one.type)) for one in signature.arguments),
        rest=signature.rest and signature.rest._replace(type=checked(signature.rest.type)),
        returns=checked(signature.returns),
    )


def _is_ours(fn: Any) -> bool:
    return str(getattr(fn, "__module__", "")).partition(".")[0] == "fastsio"


def _handlers(hub: Any, source: _Source) -> Iterator[_Found]:
    """All of a namespace, from the least preferred to the most."""
    registry = hub.registry
    keys = (ANY, *source.keys)
    objects = [registry.objects[key] for key in keys if key in registry.objects]
    for methods in objects[-1:]:
        for event, handler in methods.by_event.items():
            fn = getattr(methods.owner, f"on_{event}", None)
            if fn is not None and isinstance(handler, Handler):
                yield _Found(event, fn, handler)
    for key in keys:
        for event, entry in registry.functions.get(key, {}).items():
            if isinstance(entry.call, Handler):
                yield _Found(event, entry.fn, entry.call)
    for namespace in source.members:
        for socket in namespace.sockets.values():
            for event, handlers in (socket.by_event or {}).items():
                yield _Found(event, handlers[-1].fn, handlers[-1])


def _auth(hub: Any, source: _Source, notes: list[str]) -> Any:
    """The annotation of `auth` of a namespace's connect handler."""
    registry = hub.registry
    fn = None
    for wanted in (ANY, *source.keys):
        methods = registry.objects.get(wanted)
        fn = fn if methods is None else getattr(methods.owner, "on_connect", fn)
        entry = registry.functions.get(wanted, {}).get("connect")
        fn = fn if entry is None else entry.fn
    if fn is None or _is_ours(fn):
        return EMPTY
    try:
        arguments = signature_of(fn, 0, False).arguments
    except TypeError as error:
        notes.append(f"{source.name} 'connect': {error}")
        return EMPTY
    return next((one.type for one in arguments if one.name == "auth"), EMPTY)


def _sent(declared: Any) -> Event:
    signature: Signature = declared.signature
    answer = (
        None if signature.returns in (EMPTY, None, type(None)) else _values_of(signature.returns)
    )
    return Event(declared.name, signature.arguments, signature.rest, answer, declared.doc)


# --- answers -----------------------------------------------------------------------------------


def _answer_of(signature: Signature, is_typed: bool) -> Answer:
    checks = any(
        argument is not None and argument.type is not EMPTY
        for argument in (*signature.arguments, signature.rest)
    )
    may_refuse = is_typed and (checks or signature.required > 0)
    if signature.ack is not None:
        return _values_of_callback(signature.ack.type)._replace(may_refuse=may_refuse)
    if signature.returns is EMPTY:
        return Answer(is_known=False, may_refuse=may_refuse)
    if signature.returns in (None, type(None)):
        return Answer(may_refuse=may_refuse)
    return _values_of(signature.returns)._replace(may_refuse=may_refuse)


def _values_of(returned: Any) -> Answer:
    """What an ack carries where a function returns that: None is no value, a tuple several."""
    if returned in (Any, object):
        return Answer(is_known=False, is_declared=True)
    if typing.get_origin(returned) is tuple:
        arguments = typing.get_args(returned)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return Answer(rest=arguments[0], is_declared=True)
        values = () if arguments == ((),) else arguments
        return Answer(values, required=len(values), is_declared=True)
    arms = typing.get_args(returned) if _is_union(returned) else (returned,)
    some = tuple(arm for arm in arms if arm is not type(None))
    if len(some) < len(arms):  # without None: that is no value at all
        return Answer((typing.Union[some],), required=0, is_declared=True)  # noqa: UP007 - of a tuple
    return Answer((returned,), required=1, is_declared=True)


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, type(int | None)) or typing.get_origin(annotation) is typing.Union


def _values_of_callback(annotation: Any) -> Answer:
    """What an `ack` parameter is called with: Callable[[A, B], None]."""
    if typing.get_origin(annotation) is collections.abc.Callable:
        arguments = typing.get_args(annotation)
        if arguments and isinstance(arguments[0], list):
            values = tuple(arguments[0])
            return Answer(values, required=len(values), is_declared=True)
    return Answer(is_known=False, is_declared=True)

"""Events that the server sends, declared: what they carry is checked where they are sent, and in the schema.

Nothing has to be declared; what is not can be sent as ever.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec

from fastsio._typed import Check, Problem
from fastsio.core.annotations import EMPTY, Argument, Signature, is_checked, signature_of
from fastsio.core.handlers import check_event_name
from fastsio.core.operator import BroadcastOperator
from fastsio.core.typed import can_validate, check_of, locate, name_at
from fastsio.core.validators import (
    Validator,
    as_path,
    explain,
    may_raise,
    packet_value,
    validator_of,
)

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace


P = ParamSpec("P")
Q = ParamSpec("Q")


class Event(Generic[P]):
    """An event of the server's with its arguments, and whom it reaches: everybody in the namespace, or whom to() says.

    name: as clients hear it. signature: of its arguments; `returns` is what clients answer. doc: its description.
    """

    __slots__ = ("_answer", "_check", "_namespace", "_target", "doc", "name", "signature")

    def __init__(
        self, namespace: "Namespace", name: str, signature: Signature, doc: str = ""
    ) -> None:
        self._namespace = namespace
        self._target: Any = None
        self.name = name
        self.signature = signature
        self.doc = doc
        self._check: Check | None = None
        self._answer: Validator | None = None
        if signature.is_annotated and can_validate(namespace.hub.options.typed):
            self._check = check_of(signature._replace(returns=EMPTY), f"event {name}")
            if is_checked(signature.returns):
                self._answer = validator_of(signature.returns)

    def __repr__(self) -> str:
        return f"<Event {self.name!r} in {self._namespace.name!r}>"

    def __call__(self, fn: Callable[Q, Any]) -> "Event[Q]":
        """As a decorator: declare it once more, with the parameters of `fn`."""
        return _declare(self._namespace, self.name, fn)

    def to(self, target: Any) -> "Event[P]":
        """The same for a room, a list of rooms, or what has emit(): a socket, `socket.broadcast`, `io.volatile`…"""
        aimed: Event[P] = object.__new__(Event)
        for name in Event.__slots__:
            setattr(aimed, name, getattr(self, name))
        is_operator = callable(getattr(target, "emit", None))
        aimed._target = target if is_operator else self._namespace.chosen().to(target)
        return aimed

    def emit(self, *args: P.args, **named: P.kwargs) -> None:
        """Send it. Raises TypeError for arguments that are not as declared; nothing is sent then."""
        self._receivers().emit(self.name, *self._checked(args, named))

    async def emit_with_ack(self, *args: P.args, **named: P.kwargs) -> Any:
        """Send it and return the answer of a socket, or the list of all answers, as the declared type has them.

        Raises TypeError as emit(), ValueError for an answer of another type, and what the target's does.
        """
        receivers = self._receivers()
        answers = await receivers.emit_with_ack(self.name, *self._checked(args, named))
        if self._answer is None:
            return answers
        if isinstance(receivers, BroadcastOperator):
            return [self._answered(one) for one in answers]
        return self._answered(answers)

    def _receivers(self) -> Any:
        return self._namespace.chosen() if self._target is None else self._target

    def _checked(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments in their order, as the declared types have them."""
        values = self._in_order(args, named) if named else args
        allowed = len(self.signature.arguments)
        if len(values) < self.signature.required:
            missing = self.signature.arguments[len(values)].name
            raise TypeError(f"event {self.name!r}: {missing!r} is missing")
        if len(values) > allowed and self.signature.rest is None:
            raise TypeError(f"event {self.name!r} has {allowed} arguments, not {len(values)}")
        if self._check is None:
            return values
        problem = Problem()
        try:
            converted = self._check.convert(values, problem)
        except may_raise() as error:
            index, path, message = locate(self._check, error, problem.index)
            name = name_at(self._check, index)
            raise TypeError(
                f"event {self.name!r}: {name!r}{f', at {path}' if path else ''}: {message}"
            ) from error
        plain: tuple[Any, ...] = packet_value(converted)
        return plain

    def _in_order(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        values = list(args)
        for argument in self.signature.arguments[len(args) :]:
            if argument.name in named:
                values.append(named.pop(argument.name))
            elif named and argument.default is not EMPTY:
                values.append(argument.default)
        if named:
            raise TypeError(
                f"event {self.name!r} has no argument {min(named)!r}, or it was given twice"
            )
        return tuple(values)

    def _answered(self, answer: Any) -> Any:
        assert self._answer is not None
        try:
            return self._answer.convert(answer)
        except may_raise() as error:
            place, message = explain(error)
            path = as_path(place)
            raise ValueError(
                f"answer to {self.name!r}{f', {path}' if path else ''}: {message}"
            ) from error


def emits(
    namespace: "Namespace", event: str | Callable[..., Any], types: tuple[Any, ...], answer: Any
) -> Event[...]:
    """Namespace.emits()."""
    if callable(event) and not types:
        return _declare(namespace, event.__name__, event)
    if not isinstance(event, str):
        raise TypeError(f"emits({event!r}): a function, or a name and types")
    arguments = tuple(Argument(f"arg{i}", one) for i, one in enumerate(types))
    return _add(namespace, event, Signature(arguments, None, None, answer), "")


def _declare(namespace: "Namespace", event: str, fn: Callable[P, Any]) -> Event[P]:
    declared: Event[P] = _add(namespace, event, signature_of(fn, 0, False), fn.__doc__ or "")
    return declared


def _add(namespace: "Namespace", event: str, signature: Signature, doc: str) -> Event[Any]:
    check_event_name(event)
    declared: Event[Any] = Event(namespace, event, signature, doc)
    namespace.declared[event] = declared
    return declared

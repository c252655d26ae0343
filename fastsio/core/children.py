"""Whom an emit of a parent namespace reaches: clients of all its children.

Source: Node's ParentBroadcastAdapter, which only sends; here rooms and answers work too.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.core import errors
from fastsio.core.gather import calling
from fastsio.core.handlers import check_event_name
from fastsio.core.operator import BroadcastOperator

if TYPE_CHECKING:
    from fastsio.core.parent import ParentNamespace
    from fastsio.core.remote import RemoteSocket


class ChildrenOperator(BroadcastOperator):
    """A BroadcastOperator for each child that there is when it is used."""

    __slots__ = ()

    _namespace: Any

    def __init__(self, parent: "ParentNamespace", *choice: Any) -> None:
        super().__init__(parent, *choice)  # type: ignore[arg-type]

    def _of_children(self) -> list[BroadcastOperator]:
        return [
            BroadcastOperator(
                child,
                self._rooms,
                self._excluded,
                self._is_volatile,
                self._timeout_s,
                self._is_plain,
                self._is_local,
            )
            for child in list(self._namespace.children.values())
        ]

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        """Send an event to all of them; `ack(error, answers)` is called once, with the answers from all children."""
        check_event_name(event)
        if ack is not None:
            self._gather([event, *args], ack)
            return
        for operator in self._of_children():
            operator.emit(event, *args)

    def emit_latest(self, key: Any, args: list[Any]) -> None:
        for operator in self._of_children():
            operator.emit_latest(key, args)

    def _gather(self, args: list[Any], ack: Callable[..., Any]) -> None:
        hub = self._namespace.hub
        if hub.is_elsewhere():
            hub.root.encode_event(args)  # what can't be is this caller's error
            hub.call_soon(self._gather, args, ack)
            return
        done = calling(hub.root, ack)

        async def wait() -> None:
            try:
                answers = await self.emit_with_ack(*args)
            except errors.PartialAnswersError as error:
                done(error, error.responses)
            else:
                done(None, answers)

        start_eager(wait(), hub.tasks, "broadcast to children with acks")

    async def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event to all of them and return their answers, child after child."""
        check_event_name(event)
        outcomes = await asyncio.gather(
            *(operator.emit_with_ack(event, *args) for operator in self._of_children()),
            return_exceptions=True,
        )
        answers: list[Any] = []
        is_partial = False
        for outcome in outcomes:
            if isinstance(outcome, errors.PartialAnswersError):
                is_partial = True
                answers += outcome.responses
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                answers += outcome
        if is_partial:
            raise errors.PartialAnswersError(answers)
        return answers

    async def fetch_sockets(self) -> "list[RemoteSocket]":
        await self._namespace.fetch_sockets()  # which raises
        return []

    def _for_each(self, act: str, *args: Any) -> None:
        for operator in self._of_children():
            operator._for_each(act, *args)

"""An application's events as TypeScript for the official client: Socket<ServerToClientEvents, ClientToServerEvents>.

Source: socket.io-client's own types, whose events are functions; an ack is the last parameter. emitWithAck() wants that
one to be there always, so it is not optional where a handler declares what it returns. The same application gives the
same text.
"""

import inspect
import re
from typing import Any

from fastsio.core.annotations import EMPTY, Argument
from fastsio.schema.asyncapi import INVALID_ARGUMENT, invalid_argument
from fastsio.schema.read import Answer, Application, Event, NamespaceEvents
from fastsio.schema.types import Types, annotations_of
from fastsio.schema.typescript_types import TypeWriter, comment, identifier, property_name

HEAD = """\
// Written by `fastsio schema --format typescript`: what is changed here is lost.

import type { Socket } from "socket.io-client";
"""


def typescript(application: Application) -> str:
    """The text of a module. Raises SchemaError for a type without a schema."""
    types = Types(annotations_of(application))
    refuses = any(
        event.answer is not None and event.answer.may_refuse
        for namespace in application.namespaces
        for event in namespace.received
    )
    components = dict(types.components)
    writer = TypeWriter(components, INVALID_ARGUMENT if refuses else None)
    parts = [_namespace(namespace, types, writer) for namespace in application.namespaces]
    declared = [writer.declaration(name, schema) for name, schema in components.items()]
    if refuses:
        declared.append(writer.refusal(invalid_argument()))
    binary = [
        "/** Binary values: what is sent, and what comes. */\nexport type Binary = ArrayBuffer | Uint8Array;\n"
    ]
    return "\n".join([HEAD, *(binary if writer.uses_binary else []), *declared, *parts])


def _namespace(namespace: NamespaceEvents, types: Types, writer: TypeWriter) -> str:
    prefix = "".join(
        word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", namespace.name)
    )
    if prefix[:1].isdigit():
        prefix = f"Namespace{prefix}"
    names = [
        writer.free(f"{prefix}{suffix}")
        for suffix in (
            "ServerToClientEvents",
            "ClientToServerEvents",
            "Socket" if prefix else "RootSocket",
        )
    ]
    events = _Events(types, writer)
    sent = events.interface(
        names[0], namespace.sent, f'What the server sends in "{namespace.name}".'
    )
    received = events.interface(
        names[1], namespace.received, f'What clients send in "{namespace.name}".'
    )
    parts = [sent, received, f"export type {names[2]} = Socket<{names[0]}, {names[1]}>;\n"]
    if namespace.auth is not EMPTY:
        auth = writer.free(f"{prefix}Auth" if prefix else "RootAuth")
        parts.append(
            f'/** `auth` of a connect to "{namespace.name}". */\n'
            f"export type {auth} = {writer.type_of(types.of(namespace.auth))};\n"
        )
    return "\n".join(parts)


class _Events:
    """The interfaces of a namespace."""

    def __init__(self, types: Types, writer: TypeWriter) -> None:
        self._types = types
        self._writer = writer

    def interface(self, name: str, events: tuple[Event, ...], doc: str) -> str:
        lines = []
        for event in events:
            lines.append(comment(inspect.cleandoc(event.doc), "  "))
            lines.append(f"  {property_name(event.name)}: {self._function(event)};\n")
        return f"{comment(doc, '')}export interface {name} {{\n{''.join(lines)}}}\n"

    def _function(self, event: Event) -> str:
        arguments = [self._parameter(one, i) for i, one in enumerate(event.arguments)]
        rest = [] if event.rest is None else [self._rest(event.rest)]
        if event.answer is None:
            return f"({', '.join([*self._with_marks(event, arguments), *rest])}) => void"
        ack = f"({self._answer(event.answer)}) => void"
        if not event.answer.is_declared:
            if rest:  # nothing that is optional may follow
                return f"({', '.join([*self._with_marks(event, arguments), *rest])}) => void"
            return f"({', '.join([*self._with_marks(event, arguments), f'ack?: {ack}'])}) => void"
        full = [f"{name}: {type_}" for name, type_ in arguments]
        if event.required == len(full) and not rest:
            return f"({', '.join([*full, f'ack: {ack}'])}) => void"
        forms = [
            f"[{', '.join([*full[:count], *(rest if count == len(full) else []), f'ack: {ack}'])}]"
            for count in range(event.required, len(full) + 1)
        ]
        return f"(...args: {' | '.join(forms)}) => void"

    def _parameter(self, argument: Argument, index: int) -> tuple[str, str]:
        return identifier(argument.name, f"arg{index}"), self._type(argument.type)

    def _with_marks(self, event: Event, arguments: list[tuple[str, str]]) -> list[str]:
        return [
            f"{name}{'' if i < event.required else '?'}: {type_}"
            for i, (name, type_) in enumerate(arguments)
        ]

    def _rest(self, argument: Argument) -> str:
        return f"...{identifier(argument.name, 'args')}: {self._writer.array_of(self._type(argument.type))}"

    def _type(self, annotation: Any) -> str:
        return self._writer.type_of(self._types.of(annotation))

    def _answer(self, answer: Answer) -> str:
        """The parameters of an ack."""
        refusal = f" | {self._writer.refusal_name}" if answer.may_refuse else ""
        if not answer.is_known:
            return "...answer: any[]"
        if answer.rest is not EMPTY:
            of_each = self._writer.array_of(self._type(answer.rest))
            return f"...answer: {of_each}{f' | [{refusal[3:]}]' if refusal else ''}"
        values = [self._type(one) for one in answer.values]
        if not values:
            return f"error?: {refusal[3:]}" if refusal else ""
        if len(values) == 1:
            return f"answer{'' if answer.required else '?'}: {values[0]}{refusal}"
        names = [f"answer{i}" for i in range(1, len(values) + 1)]
        if not refusal:
            return ", ".join(f"{name}: {one}" for name, one in zip(names, values, strict=True))
        first = f"{names[0]}: {values[0]}{refusal}"
        others = [f"{name}?: {one}" for name, one in zip(names[1:], values[1:], strict=True)]
        return ", ".join([first, *others])

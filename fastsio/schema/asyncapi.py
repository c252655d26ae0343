"""An application's events as an AsyncAPI 3.0 document: namespaces are channels, events messages, acks replies.

The payload of a message is the list of the event's arguments, that of a reply the list of the ack's values.
Source: asyncapi.com, specification 3.0.0. The same application gives the same text.
"""

import inspect
import re
from typing import Any

from fastsio.core.annotations import EMPTY, Argument
from fastsio.schema.read import Answer, Application, Event, NamespaceEvents
from fastsio.schema.types import REF, Schema, Types, annotations_of

INVALID_ARGUMENT = "InvalidArgument"


def invalid_argument() -> Schema:
    """What an ack carries in place of an answer: core.errors.InvalidArgumentError.answer."""
    text = {"type": "string"}
    properties = {
        "code": {"type": "string", "const": "invalid_argument"},
        "event": text,
        "argument": {"type": "integer", "description": "Its index, from 0."},
        "name": text,
        "path": {"type": "string", "description": "Where in the argument; empty for itself."},
        "message": text,
    }
    error = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "title": INVALID_ARGUMENT,
        "description": "An argument was not valid, and the event was not handled.",
        "type": "object",
        "properties": {"error": error},
        "required": ["error"],
    }


def asyncapi(application: Application, title: str, version: str = "1.0.0") -> dict[str, Any]:
    """The document, ready for JSON. Raises SchemaError for a type without a schema."""
    writer = _Writer(Types(annotations_of(application)))
    for namespace in application.namespaces:
        writer.add(namespace)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": "Socket.IO: a channel is a namespace, a message's payload the list of an event's arguments.",
        },
        "defaultContentType": "application/json",
        "channels": writer.channels,
        "operations": writer.operations,
        "components": writer.components(),
    }


class _Writer:
    def __init__(self, types: Types) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self._messages: dict[str, Any] = {}
        self._types = types
        self._refuses = False

    def components(self) -> dict[str, Any]:
        schemas = dict(self._types.components)
        if self._refuses:
            schemas[INVALID_ARGUMENT] = invalid_argument()
        found = {"messages": self._messages}
        return found | ({"schemas": dict(sorted(schemas.items()))} if schemas else {})

    def add(self, namespace: NamespaceEvents) -> None:
        key = _key(namespace.name.removeprefix("/") or "root", self.channels)
        messages: dict[str, Any] = {}
        channel: dict[str, Any] = {
            "address": namespace.address,
            "title": f"Namespace {namespace.name}",
            "messages": messages,
        }
        if namespace.parameters:
            channel["parameters"] = {name: {} for name in namespace.parameters}
        if namespace.auth is not EMPTY:
            channel["x-auth"] = self._types.of(namespace.auth)
        self.channels[key] = channel
        for action, side, events in (
            ("receive", "client", namespace.received), ("send", "server", namespace.sent),
        ):  # fmt: skip
            for event in events:
                self._add_event(key, messages, event, action, side)

    def _add_event(
        self, channel: str, messages: dict[str, Any], event: Event, action: str, side: str
    ) -> None:
        key = _key(f"{side}.{event.name}", messages)
        self._add_message(channel, messages, key, event.name, self._arguments(event), event.doc)
        operation: dict[str, Any] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": [{"$ref": f"#/channels/{channel}/messages/{key}"}],
        }
        if event.answer is not None:
            reply = _key(f"{key}.ack", messages)
            text = f"The ack of {event.name!r}."
            self._add_message(
                channel, messages, reply, event.name, self._answer(event.answer), text
            )
            operation["reply"] = {
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": [{"$ref": f"#/channels/{channel}/messages/{reply}"}],
            }
        self.operations[f"{channel}.{key}"] = operation

    def _add_message(
        self, channel: str, messages: dict[str, Any], key: str, name: str, payload: Schema, doc: str
    ) -> None:
        message: dict[str, Any] = {"name": name, "title": name, "payload": payload}
        text = inspect.cleandoc(doc)
        if text:
            message["summary"] = text.partition("\n")[0]
            if "\n" in text:
                message["description"] = text
        self._messages[f"{channel}.{key}"] = message
        messages[key] = {"$ref": f"#/components/messages/{channel}.{key}"}

    # --- payloads ----------------------------------------------------------------------------

    def _arguments(self, event: Event) -> Schema:
        rest = None if event.rest is None else self._types.of(event.rest.type)
        return _list([self._argument(one) for one in event.arguments], event.required, rest)

    def _argument(self, argument: Argument) -> Schema:
        """The schema of an argument with its name; beside a reference nothing counts in draft 7."""
        schema = self._types.of(argument.type)
        if "$ref" in schema or "title" in schema:
            return {"title": argument.name, "allOf": [schema]}
        return {"title": argument.name, **schema}

    def _answer(self, answer: Answer) -> Schema:
        payload: Schema = {"type": "array"}
        if answer.is_known:
            rest = None if answer.rest is EMPTY else self._types.of(answer.rest)
            payload = _list([self._types.of(one) for one in answer.values], answer.required, rest)
            if rest is None:
                payload["maxItems"] = len(answer.values)
        if not answer.may_refuse:
            return payload
        self._refuses = True
        refusal = {
            "type": "array",
            "items": [{"$ref": REF + INVALID_ARGUMENT}],
            "minItems": 1,
            "maxItems": 1,
        }
        return {"anyOf": [payload, refusal]}


def _list(items: list[Schema], required: int, rest: Schema | None) -> Schema:
    found: Schema = {"type": "array"}
    if items:
        found["items"] = items
    if required:
        found["minItems"] = required
    if rest is not None:
        found["additionalItems" if items else "items"] = rest
    return found


def _key(name: str, taken: dict[str, Any]) -> str:
    """A name in the letters that AsyncAPI allows for keys, another than those that are taken."""
    key = re.sub(r"[^\w.\-]", "_", name, flags=re.ASCII)
    free, number = key, 1
    while free in taken:
        number += 1
        free = f"{key}_{number}"
    return free

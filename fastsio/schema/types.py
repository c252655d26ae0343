"""Python types as JSON Schema, draft 7 as AsyncAPI has it; classes by their names, once for all events.

msgspec and pydantic describe their own. Binary values are {"type": "string", "format": "binary"}: they travel as
attachments beside the JSON.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from fastsio.core.annotations import EMPTY, walk
from fastsio.core.validators import is_pydantic, is_struct, split_off_bytes
from fastsio.schema.read import Application, SchemaError

REF = "#/components/schemas/"
BINARY = {"type": "string", "format": "binary"}
Schema = dict[str, Any]


class Place(NamedTuple):
    """A type, and where it stands; is_sent: whether the server sends it."""

    name: str
    type: Any
    is_sent: bool


class Types:
    """`of(annotation)` is the schema of a type that was among those given; `components`: the classes by name."""

    def __init__(self, annotations: Iterable[Place]) -> None:
        """Raises SchemaError, naming the place, for a type without a schema."""
        self.components: dict[str, Schema] = {}
        self._known: dict[str, Schema] = {}
        # Classes that leave out fields with their default.
        self._partial: set[str] = set()
        given = list(annotations)
        ours: dict[str, Any] = {}
        theirs: dict[str, Any] = {}
        places: dict[str, str] = {}
        for place in given:
            for one in self._parts(place.type):
                key = key_of(one)
                places.setdefault(key, place.name)
                self._partial.update(part.__name__ for part in walk(one) if _omits_defaults(part))
                (theirs if _is_theirs(one) else ours)[key] = one
        self._add_msgspec(ours, places)
        self._add_pydantic(theirs, places)
        self._complete_sent([place for place in given if not place.is_sent])
        self.components = dict(sorted(self.components.items()))

    def _complete_sent(self, received: list["Place"]) -> None:
        """What is only ever sent has all fields that have a default: in classes that are never received."""
        waiting = [name for place in received for name in references(self.of(place.type))]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(references(self.components[name]))
        for name in self.components.keys() - seen - self._partial:
            schema = self.components[name]
            there = [*schema.get("required", ())]
            for field, one in schema.get("properties", {}).items():
                if "default" in one and field not in there:
                    there.append(field)
            if there:
                schema["required"] = there

    def of(self, annotation: Any) -> Schema:
        if annotation in (EMPTY, Any, object):
            return {}
        rest = split_off_bytes(annotation)
        if rest is not None:
            return {"anyOf": [BINARY, self.of(rest)]}
        return self._known[key_of(annotation)]

    def _parts(self, annotation: Any) -> list[Any]:
        """The types that msgspec or pydantic describe as a whole."""
        if annotation in (EMPTY, Any, object):
            return []
        rest = split_off_bytes(annotation)
        return [annotation] if rest is None else self._parts(rest)

    def _add_msgspec(self, types: dict[str, Any], places: dict[str, str]) -> None:
        if not types:
            return
        import msgspec

        def describe(annotations: list[Any]) -> tuple[Any, dict[str, Any]]:
            found: tuple[Any, dict[str, Any]] = msgspec.json.schema_components(
                annotations, schema_hook=_model_schema, ref_template=REF + "{name}"
            )
            return found

        schemas, components = _describe(describe, types, places)
        self._take(dict(zip(types, schemas, strict=True)), components)

    def _add_pydantic(self, types: dict[str, Any], places: dict[str, str]) -> None:
        if not types:
            return
        from pydantic import TypeAdapter

        def describe(annotations: list[Any]) -> tuple[Any, dict[str, Any]]:
            adapters: list[Any] = [
                (i, "validation", TypeAdapter(one)) for i, one in enumerate(annotations)
            ]
            found, definitions = TypeAdapter.json_schemas(adapters, ref_template=REF + "{model}")
            ordered = [found[i, "validation"] for i in range(len(annotations))]
            return ordered, definitions.get("$defs", {})

        schemas, components = _describe(describe, types, places)
        self._take(dict(zip(types, schemas, strict=True)), components)

    def _take(self, schemas: dict[str, Schema], components: dict[str, Schema]) -> None:
        """Add what one package described; a name that another class has already gets a number."""
        hoisted = dict(components)
        for schema in components.values():
            hoisted.update(schema.pop("$defs", {}))
        names = {name: self._free_name(name, schema) for name, schema in hoisted.items()}
        for name, schema in hoisted.items():
            self.components[names[name]] = plain(schema, names)
        for key, schema in schemas.items():
            self._known[key] = plain(schema, names)

    def _free_name(self, name: str, schema: Schema) -> str:
        clean = re.sub(r"\W", "_", name)
        free, number = clean, 1
        while free in self.components and self.components[free] != plain(schema, {}):
            number += 1
            free = f"{clean}_{number}"
        return free


def key_of(annotation: Any) -> str:
    """What tells types apart: equal ones of typing are not always the same object, nor hashable."""
    return f"{annotation!r} {id(annotation) if isinstance(annotation, type) else ''}"


def _omits_defaults(part: Any) -> bool:
    return is_struct(part) and part.__struct_config__.omit_defaults


def _is_theirs(annotation: Any) -> bool:
    """Whether pydantic describes it, as it is pydantic that validates it."""
    parts = list(walk(annotation))
    return any(is_pydantic(part) for part in parts) and not any(is_struct(part) for part in parts)


def _model_schema(cls: Any) -> Schema:
    """A pydantic model within a msgspec.Struct."""
    if not hasattr(cls, "model_json_schema"):
        raise TypeError(f"{cls!r} has no schema")
    found: Schema = cls.model_json_schema(ref_template=REF + "{model}")
    return found


def _describe(
    describe: Callable[[list[Any]], Any], types: dict[str, Any], places: dict[str, str]
) -> Any:
    """All types at once, as they share classes; if that fails, the error names the one that it is about."""
    try:
        return describe(list(types.values()))
    except Exception as error:
        for key, annotation in types.items():
            try:
                describe([annotation])
            except Exception as one:
                said = str(one).partition("\n")[0]
                raise SchemaError(f"{places[key]}: no schema of {annotation!r}: {said}") from one
        raise SchemaError(f"no schema of these types together: {error}") from error


def plain(schema: Any, names: dict[str, str]) -> Any:
    """A schema of either package in draft 7, its references renamed."""
    if isinstance(schema, list):
        return [plain(one, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: plain(value, names) for key, value in schema.items() if key != "$defs"}
    reference = found.get("$ref")
    if isinstance(reference, str) and reference.startswith(REF):
        name = reference.removeprefix(REF)
        found["$ref"] = REF + names.get(name, name)
    if found.get("type") == "string" and found.get("contentEncoding") == "base64":
        return {**{k: v for k, v in found.items() if k != "contentEncoding"}, **BINARY}
    if isinstance(found.get("prefixItems"), list):
        rest = found.pop("items", None)
        found["items"] = found.pop("prefixItems")
        if rest is not None:
            found["additionalItems"] = rest
        elif found.get("maxItems") == len(found["items"]):
            found["additionalItems"] = False
    discriminator = found.get("discriminator")
    if isinstance(discriminator, dict) and "propertyName" in discriminator:
        found["discriminator"] = discriminator["propertyName"]  # AsyncAPI has the name alone
    if "default" in found and not _is_json(found["default"]):
        del found["default"]
    return found


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def references(schema: Any) -> list[str]:
    """The names of the components that a schema refers to."""
    if isinstance(schema, list):
        return [name for one in schema for name in references(one)]
    if not isinstance(schema, dict):
        return []
    own = schema.get("$ref")
    found = [own.removeprefix(REF)] if isinstance(own, str) else []
    return found + [name for one in schema.values() for name in references(one)]


def annotations_of(application: Application) -> list[Place]:
    """Every type in an application's events."""
    found: list[Place] = []
    for namespace in application.namespaces:
        found.append(Place(f"auth of {namespace.name!r}", namespace.auth, False))
        for events, is_sent in ((namespace.received, False), (namespace.sent, True)):
            for event in events:
                name = f"event {event.name!r} of {namespace.name!r}"
                arguments = [*event.arguments, *([] if event.rest is None else [event.rest])]
                found.extend(Place(f"{name}, {one.name!r}", one.type, is_sent) for one in arguments)
                if event.answer is not None:
                    answers = (*event.answer.values, event.answer.rest)
                    found.extend(Place(f"{name}, its answer", one, not is_sent) for one in answers)
    return found

"""JSON Schema as TypeScript types."""

import json
import re
from typing import Any

from fastsio.schema.types import BINARY, REF, Schema

# What a parameter can't be called.
RESERVED = frozenset({
    "any", "arguments", "as", "async", "await", "boolean", "break", "case", "catch", "class", "const",
    "continue", "debugger", "default", "delete", "do", "else", "enum", "eval", "export", "extends", "false",
    "finally", "for", "function", "if", "implements", "import", "in", "instanceof", "interface", "let", "new",
    "null", "package", "private", "protected", "public", "return", "static", "super", "switch", "this",
    "throw", "true", "try", "typeof", "undefined", "var", "void", "while", "with", "yield", "ack",
})  # fmt: skip
# Types that a class of the application must not stand in front of.
TAKEN = frozenset({
    "Array", "ArrayBuffer", "Binary", "Boolean", "Date", "Error", "Map", "Number", "Object", "Promise", "Record", "Set",
    "Socket", "String", "Symbol", "Uint8Array",
})  # fmt: skip
SIMPLE = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


class TypeWriter:
    """Types by name; `uses_binary`: whether Binary was written. refusal: the name of an error in place of an answer."""

    def __init__(self, components: dict[str, Schema], refusal: str | None) -> None:
        self.uses_binary = False
        self._names: dict[str, str] = {}
        self._taken: set[str] = set(TAKEN)
        self.refusal_name = "" if refusal is None else self.free(refusal)
        for name in components:
            self._names[name] = self.free(name)

    def free(self, name: str) -> str:
        """The name, or with a number if something else is called so already."""
        clean = identifier(re.sub(r"\W", "_", name, flags=re.ASCII), "Type")
        free, number = clean, 1
        while free in self._taken:
            number += 1
            free = f"{clean}{number}"
        self._taken.add(free)
        return free

    def declaration(self, name: str, schema: Schema) -> str:
        """The class of that name in `components`."""
        return self._declaration(self._names[name], schema)

    def refusal(self, schema: Schema) -> str:
        return self._declaration(self.refusal_name, schema)

    def _declaration(self, name: str, schema: Schema) -> str:
        said = comment(schema.get("description", ""), "")
        if schema.get("type") == "object" and "properties" in schema and not _rest_of(schema):
            return f"{said}export interface {name} {self._object(schema, '')}\n"
        return f"{said}export type {name} = {self.type_of(schema)};\n"

    def array_of(self, written: str) -> str:
        return f"({written})[]" if re.search(r" [|&] |=>", written) else f"{written}[]"

    def type_of(self, schema: Schema, indent: str = "") -> str:
        """A type as an expression."""
        if "$ref" in schema:
            return self._names[schema["$ref"].removeprefix(REF)]
        if "const" in schema:
            return json.dumps(schema["const"], ensure_ascii=False)
        if "enum" in schema:
            return _union([json.dumps(one, ensure_ascii=False) for one in schema["enum"]])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return _union([self.type_of(one, indent) for one in schema[word]])
        if "allOf" in schema:
            return " & ".join(_grouped(self.type_of(one, indent)) for one in schema["allOf"])
        return self._of_kind(schema, indent)

    def _of_kind(self, schema: Schema, indent: str) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return _union([self.type_of({**schema, "type": one}, indent) for one in kind])
        if kind == "string" and schema.get("format") == BINARY["format"]:
            self.uses_binary = True
            return "Binary"
        if kind == "array":
            return self._array(schema, indent)
        if kind == "object":
            return self._object(schema, indent)
        return SIMPLE.get(str(kind), "any")

    def _array(self, schema: Schema, indent: str) -> str:
        items = schema.get("items", {})
        if not isinstance(items, list):
            return self.array_of(self.type_of(items, indent))
        required = schema.get("minItems", 0)
        parts = [
            _grouped(self.type_of(one, indent)) + ("" if i < required else "?")
            for i, one in enumerate(items)
        ]
        rest = schema.get("additionalItems", True)
        if rest is not False:
            parts.append(
                f"...{self.array_of('any' if rest is True else self.type_of(rest, indent))}"
            )
        return f"[{', '.join(parts)}]"

    def _object(self, schema: Schema, indent: str) -> str:
        properties = schema.get("properties", {})
        rest = _rest_of(schema)
        if not properties:
            of_each = "any" if rest is None or rest is True else self.type_of(rest, indent)
            return "{}" if rest is False else f"Record<string, {of_each}>"
        inner = f"{indent}  "
        required = schema.get("required", ())
        lines = []
        for name, one in properties.items():
            mark = "" if name in required else "?"
            lines.append(comment(one.get("description", ""), inner))
            lines.append(f"{inner}{property_name(name)}{mark}: {self.type_of(one, inner)};\n")
        if rest:
            lines.append(f"{inner}[name: string]: any;\n")
        return f"{{\n{''.join(lines)}{indent}}}"


def _rest_of(schema: Schema) -> Any:
    """What properties besides the named ones are: None if nothing is said."""
    return schema.get("additionalProperties")


def _union(types: list[str]) -> str:
    return (
        " | ".join(dict.fromkeys(_grouped(one) if "=>" in one else one for one in types)) or "never"
    )


def _grouped(written: str) -> str:
    return (
        f"({written})" if re.search(r" [|&] ", written) and not written.startswith("{") else written
    )


def identifier(name: str, otherwise: str) -> str:
    """A name as TypeScript allows it."""
    if not re.fullmatch(r"[A-Za-z_$][\w$]*", name, flags=re.ASCII):
        return otherwise
    return f"{name}_" if name in RESERVED else name


def property_name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name, flags=re.ASCII) else json.dumps(name)


def comment(text: str, indent: str) -> str:
    """A text as a comment for editors; nothing for none."""
    lines = text.replace("*/", "* /").strip().splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    return (
        f"{indent}/**\n"
        + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
        + f"{indent} */\n"
    )

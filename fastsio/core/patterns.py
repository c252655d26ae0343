"""Names of namespaces as patterns: "/room/{id}", "/user/{number:int}", "/files/{path:path}", or regular expressions."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

# What may stand in a field's place, and what is made of it. No name has a ",": it ends one on the wire.
KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/,]+", str),
    "int": (r"[0-9]{1,18}", int),
    "path": (r"[^,]+", str),
}

FIELD = re.compile(r"\{([^{}]*)\}")


class Pattern(NamedTuple):
    """A regular expression for names, and what makes the values of its named groups; `text`: what it was made of."""

    regex: "re.Pattern[str]"
    kinds: dict[str, Callable[[str], Any]]
    text: str = ""

    def params_of(self, name: str) -> dict[str, Any] | None:
        """What the name's parts are, by the pattern's names for them; None if it does not fit.

        As in Node a regular expression may match anywhere in the name: say ^ and $ where it must not.
        """
        match = self.regex.search(name)
        if match is None:
            return None
        return {
            key: self.kinds[key](value) if value is not None and key in self.kinds else value
            for key, value in match.groupdict().items()
        }


def is_pattern(name: str) -> bool:
    """Whether a name has fields."""
    return FIELD.search(name) is not None


def compile_pattern(text: str) -> Pattern:
    """A Pattern for the whole name; the leading "/" may be left out. Raises ValueError for a field that can't be."""
    text = text if text.startswith("/") else f"/{text}"
    kinds = {}
    parts = []
    end = 0
    for field in FIELD.finditer(text):
        name, _, kind = field[1].partition(":")
        if not name.isidentifier() or name in kinds or (kind or "str") not in KINDS:
            raise ValueError(
                f"namespace {text!r}: {field[0]!r} is no field: names are identifiers, each once; kinds are "
                f"{', '.join(KINDS)}"
            )
        expression, kinds[name] = KINDS[kind or "str"]
        parts.append(f"{re.escape(text[end : field.start()])}(?P<{name}>{expression})")
        end = field.end()
    if set("{}") & set(FIELD.sub("", text)):
        raise ValueError(f"namespace {text!r}: a brace without its other one")
    parts.append(re.escape(text[end:]))
    return Pattern(re.compile(rf"\A{''.join(parts)}\Z"), kinds, text)

"""Response: the answer to a request before it is given, as middleware sees it; Node's `res` in snake_case.

It hangs on its request as `request.answer`, and its headers go with whatever the answer will be. Without hooks a
request has none.
Source: Node's http.ServerResponse; Express's status(), send(), json().
"""

import logging
from typing import Any

import orjson

from fastsio.engine.ports import Headers

logger = logging.getLogger("fastsio.engine")

# Those that say how an answer is framed are the server's; an engine's answer has its own content too.
FRAMING = frozenset({"connection", "content-length", "transfer-encoding", "upgrade"})
CONTENT = FRAMING | {"content-type", "content-encoding", "cache-control"}
# RFC 9110 5.6.2: what may be in a header's name.
NAME_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


class Response:
    """The answer of a request that is still on its way: headers may be set, or the request be answered with end().

    `status_code` is that of end(), 200 unless it is set; what the engine answers has a status of its own.
    """

    __slots__ = ("_body", "_headers", "allows_origin", "is_ended", "on_end", "status_code")

    def __init__(self) -> None:
        # By lower-case name: the name as it was given, and its values.
        self._headers: dict[str, tuple[str, list[str]]] = {}
        self._body: list[bytes] = []
        self.status_code = 200
        self.is_ended = False
        # Called by end().
        self.on_end: Any = None
        # What a function given as cors_allowed_origins has said; None: it was not asked.
        self.allows_origin: bool | None = None

    # --- headers -----------------------------------------------------------------------------

    def set_header(self, name: str, value: Any) -> "Response":
        """Send `name: value`, a text, a number or a list of them, with whatever the answer will be.

        Raises ValueError for what is no header, RuntimeError once end() was called.
        """
        if self.is_ended:
            raise RuntimeError(f"header {name!r} can't be set: the request has been answered")
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        self._headers[str(name).lower()] = (name, [checked_value(name, one) for one in values])
        return self

    def append_header(self, name: str, value: Any) -> "Response":
        """set_header(), beside the values that the header has."""
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        _, there = self._headers.get(str(name).lower(), (name, []))
        return self.set_header(name, [*there, *values])

    def get_header(self, name: str) -> Any:
        """The value set for a header, a list if there are several; None if there is none."""
        _, values = self._headers.get(name.lower(), (name, []))
        return values if len(values) > 1 else (values[0] if values else None)

    def get_headers(self) -> dict[str, Any]:
        """All that were set, by lower-case name."""
        return {name: self.get_header(name) for name in self._headers}

    def has_header(self, name: str) -> bool:
        return name.lower() in self._headers

    def remove_header(self, name: str) -> None:
        self._headers.pop(name.lower(), None)

    # --- an answer of one's own --------------------------------------------------------------

    @property
    def headers_sent(self) -> bool:
        return self.is_ended

    def status(self, code: int) -> "Response":
        """Set status_code; returns this, for `response.status(401).end("Who are you?")`."""
        if not isinstance(code, int) or not 200 <= code <= 599:
            raise ValueError(f"status {code!r}: a number from 200 to 599")
        self.status_code = code
        return self

    def write_head(self, status: int, headers: dict[str, Any] | None = None) -> "Response":
        """status(), and set_header() for each of `headers`."""
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        return self.status(status)

    def write(self, data: str | bytes) -> None:
        """Add to the body of end()."""
        if self.is_ended:
            raise RuntimeError("write() after end()")
        self._body.append(data.encode() if isinstance(data, str) else bytes(data))

    def end(self, data: str | bytes = b"") -> None:
        """Answer the request with this: the engine does not see it any more."""
        if self.is_ended:
            return
        self.write(data)
        self.is_ended = True
        if self.on_end is not None:
            self.on_end()

    def send(self, body: Any) -> None:
        """end() as Express has it: a text is HTML unless a type is set, a dict or list goes as JSON."""
        if isinstance(body, (str, bytes)):
            is_text = isinstance(body, str)
            self._set_type("text/html; charset=utf-8" if is_text else "application/octet-stream")
            self.end(body)
        else:
            self.json(body)

    def json(self, body: Any) -> None:
        """end() with JSON."""
        self._set_type("application/json; charset=utf-8")
        self.end(orjson.dumps(body))

    def _set_type(self, content_type: str) -> None:
        if not self.has_header("content-type"):
            self.set_header("Content-Type", content_type)

    # --- the engine's side -------------------------------------------------------------------

    @property
    def body(self) -> bytes:
        return b"".join(self._body)

    def own_headers(self) -> Headers:
        """Those of end()."""
        return self._listed(FRAMING)

    def added_headers(self) -> Headers:
        """What the engine puts beside its own headers."""
        return self._listed(CONTENT)

    def _listed(self, without: frozenset[str]) -> Headers:
        return [
            (name, value)
            for key, (name, values) in self._headers.items()
            if key not in without
            for value in values
        ]


def as_dict(headers: Headers) -> dict[str, Any]:
    """Headers by name, as Node's listeners know them: one that comes several times, and Set-Cookie, is a list."""
    found: dict[str, Any] = {}
    for name, value in headers:
        if name in found or name == "Set-Cookie":
            there = found.get(name, [])
            found[name] = [*(there if isinstance(there, list) else [there]), value]
        else:
            found[name] = value
    return found


def as_list(headers: dict[str, Any]) -> Headers:
    """The reverse of as_dict(). What can't be a header is logged and left out."""
    found = []
    for name, value in headers.items():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            try:
                found.append((name, checked_value(name, one)))
            except ValueError as error:
                logger.error("not sent: %s", error)
    return found


def checked_value(name: Any, value: Any) -> str:
    """A header's value as text. Raises ValueError if it is none, or if the name is none."""
    if not isinstance(name, str) or not name or not NAME_CHARACTERS.issuperset(name.lower()):
        raise ValueError(f"no header name: {name!r}")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"header {name!r}: {value!r} is no text")
    text = str(value)
    # RFC 9110 5.5: one line of visible characters, Latin-1 at most; a tab may be among them.
    if any(char != "\t" and not (" " <= char <= "~" or "\xa0" <= char <= "\xff") for char in text):
        raise ValueError(f"header {name!r}: {value!r} can't be sent")
    return text

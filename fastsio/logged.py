"""What of a client's words, and of session ids, may stand in a log line.

A line is one line whatever the client has sent: nothing in it ends it, or moves a terminal's cursor. Whoever knows a
session's id can speak as its client, so a log has its first characters, enough to follow a session and no more.
Knows nothing of Socket.IO, imports nothing of fastsio.
Source: CWE-117 (improper output neutralisation for logs), CWE-532 (sensitive information in a log file).
"""

import re
from collections.abc import Iterable

# Of a text that a client has chosen: a line of a megabyte helps nobody.
MAX_CHARACTERS = 500
SHOWN_OF_ID = 6
# As fastsio makes ids; see _ids.pyx.
_ID = re.compile(r"[A-Za-z0-9_-]{20}")
_SID_IN_QUERY = re.compile(rf"([?&]sid=[^&]{{{SHOWN_OF_ID}}})[^&]+")


def one_line(text: object) -> str:
    """`text` as a log line may have it: what can't be printed is escaped as in Python, what is too long is cut."""
    shown = str(text)
    if len(shown) > MAX_CHARACTERS:
        shown = shown[:MAX_CHARACTERS] + "…"
    if shown.isprintable():  # likely
        return shown
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in shown
    )


def short_id(sid: str) -> str:
    """The beginning of a session's or socket's id."""
    return one_line(sid[:SHOWN_OF_ID]) + ("…" if len(sid) > SHOWN_OF_ID else "")


def short_ids(rooms: object) -> str:
    """Rooms and clients' ids, one or several, as a log line may have them: ids cut, rooms as they are."""
    if isinstance(rooms, str):
        return short_id(rooms) if _ID.fullmatch(rooms) else one_line(rooms)
    if isinstance(rooms, Iterable):
        return "[" + ", ".join(map(short_ids, rooms)) + "]"
    return one_line(rooms)


def url_without_sid(url: str) -> str:
    """A request's URL as a log line may have it: the session's id in its query is cut."""
    return one_line(_SID_IN_QUERY.sub(r"\1…", url))

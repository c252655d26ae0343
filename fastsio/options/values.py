"""What single options may be: each function returns an option as it is kept, or raises for what it can't be.

Errors are ValueError with the option's name and what was given; TypeError for a word that is no option.
"""

import difflib
import ipaddress
import logging
import math
import re
from collections.abc import Iterable
from typing import Any

logger = logging.getLogger("fastsio.engine")

TRANSPORTS = ("polling", "websocket")
# What may be named besides: it needs a listener of its own, so nobody has it by default.
WEBTRANSPORT = "webtransport"
BUFFER_POLICIES = ("close", "drop_oldest", "drop_newest", "keep_latest")
# per_message_deflate where a dict leaves it out.
_DEFLATE: dict[str, Any] = {
    "threshold": 1024,
    "server_no_context_takeover": False,
    "client_no_context_takeover": False,
    "server_max_window_bits": 15,
    "client_max_window_bits": 15,
    # 67 KB of JSON: 143 us and 13.2 KB; with 6, zlib's own, 591 us and 11.9 KB. It is done on the event loop.
    "level": 1,
    "mem_level": 8,
}
# zlib's own compressor has no window of 8 bits.
_DEFLATE_RANGES = {
    "server_max_window_bits": (9, 15),
    "client_max_window_bits": (9, 15),
    "level": (1, 9),
    "mem_level": (1, 9),
}
# RFC 6265 4.1.1: a cookie's name is a token.
_COOKIE_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the option that was meant, for the end of a message; empty if none is like it."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def snake(name: str) -> str:
    """maxAge -> max_age; Node's names of keys are taken as well."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def origins(given: Any) -> Any:
    """None, "*", a text, a pattern, a function; a frozenset of texts, or a tuple with patterns among them."""
    if given is None or isinstance(given, (str, re.Pattern)) or callable(given):
        return given
    try:
        names = tuple(given)
    except TypeError:
        names = (given,)
    wrong = [name for name in names if not isinstance(name, (str, re.Pattern))]
    if wrong:
        raise ValueError(f"cors_allowed_origins={given!r}: {wrong[0]!r} is no text and no pattern")
    if "*" in names:
        return "*"
    return frozenset(names) if all(isinstance(name, str) for name in names) else names


def check_origin_option(given: Any) -> None:
    if given not in (None, True, False):
        raise ValueError(f"check_origin={given!r}: True, False or None")


def comma_list(name: str, given: Any) -> str:
    text = given if isinstance(given, str) else ",".join(given)
    if not text.isprintable() or not text.isascii():
        raise ValueError(f"{name}={given!r}: a list of names")
    return text


def whole_seconds(name: str, given: Any) -> str:
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{name}={given!r}: a whole number of seconds")
    return str(given)


def success_status(name: str, given: Any) -> int:
    if given not in (200, 204):
        raise ValueError(f"{name}={given!r}: 200 or 204")
    return int(given)


def interval_and_grace(given: Any) -> tuple[Any, Any]:
    """ping_interval=(interval, grace)."""
    if len(given) != 2 or isinstance(given[1], bool) or not isinstance(given[1], (int, float)):
        raise ValueError(f"ping_interval={given!r}: seconds, or (interval, grace) of two numbers")
    if given[1] < 0:
        raise ValueError(f"ping_interval={given!r}: the grace is a number of seconds from 0 on")
    return given[0], given[1]


def check_number(name: str, value: Any, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{name}={value!r}: a number of {unit} above 0")


def check_flow(options: Any) -> None:
    """The options of flow control; limits are checked where they are made (core/limits.py)."""
    if options.buffer_policy not in BUFFER_POLICIES:
        raise ValueError(
            f"buffer_policy={options.buffer_policy!r}: one of {', '.join(BUFFER_POLICIES)}"
        )
    check_marks(options.high_water, options.low_water)
    for limit in options.limits or ():
        if not isinstance(limit, dict):
            raise ValueError(f"limits: {limit!r} is no dict of the arguments of limit()")
    most = options.max_waiting_events
    if isinstance(most, bool) or not isinstance(most, int) or most < 2:
        raise ValueError(f"max_waiting_events={most!r}: a number of events, 2 or more")


def check_slowness(options: Any) -> None:
    """The options about slow clients, and about a slow server."""
    for name in ("send_timeout", "watchdog"):
        if getattr(options, name) is not None:
            check_number(name, getattr(options, name), "seconds")
    given = options.tcp_user_timeout
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    # What the kernel takes is a number of milliseconds in 32 bits.
    if given is not None and not (is_number and 0 <= given < 2**31 / 1000):
        raise ValueError(f"tcp_user_timeout={given!r}: a number of seconds from 0 on, or None")


# Options that are whole numbers: of what, from where on, and up to what where there is an end to it.
_COUNTS = {
    "max_running_events": ("events", 2, 2**30),
    "max_header_bytes": ("bytes", 256, None),
    "max_headers": ("headers", 1, None),
    "max_frames_per_message": ("frames", 1, 2**32 - 1),
    "max_attachments": ("binary values", 0, 2**31 - 1),
    "max_json_depth": ("levels", 1, 1024),
    "max_namespaces": ("namespaces", 0, None),
    "max_rooms": ("rooms", 0, None),
    "max_pending_acks": ("answers", 1, None),
    "max_connections_per_address": ("sessions", 1, None),
}


def check_counts(options: Any) -> None:
    """The options that bound what one client may have. Raises ValueError."""
    for name, (unit, least, most) in _COUNTS.items():
        value = getattr(options, name)
        if value is None and name == "max_connections_per_address":
            continue
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or value < least or (most is not None and value > most):
            ends = f"{least} or more" if most is None else f"{least} to {most}"
            raise ValueError(f"{name}={value!r}: a number of {unit}, {ends}")


def rate(name: str, given: Any) -> tuple[float, int] | None:
    """So many a second, and how many at once; of a number alone, as many at once as in a second."""
    if given is None:
        return None
    pair = tuple(given) if isinstance(given, (tuple, list)) else (given, None)
    if len(pair) != 2:
        raise ValueError(f"{name}={given!r}: a number a second, or (rate, burst)")
    a_second, burst = pair
    is_number = isinstance(a_second, (int, float)) and not isinstance(a_second, bool)
    if not is_number or not 0 < a_second < math.inf:
        raise ValueError(f"{name}={given!r}: a number of new sessions a second, above 0")
    if burst is None:
        burst = max(1, math.ceil(a_second))
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        raise ValueError(f"{name}={given!r}: the burst is a number of sessions, 1 or more")
    return a_second, burst


def check_marks(high: Any, low: Any) -> None:
    """Raise ValueError for high_water and low_water that can't be."""
    if high is not None:
        check_number("high_water", high, "bytes")
    if low is not None and (isinstance(low, bool) or not isinstance(low, int) or low < 0):
        raise ValueError(f"low_water={low!r}: a number of bytes from 0 on")
    if high is not None and low is not None and low >= high:
        raise ValueError(f"low_water={low!r}: below high_water, which is {high!r}")


def check_serializer(given: Any) -> None:
    """A misspelt name would else be taken for a class, and fail with the first packet."""
    if given in ("default", "msgpack"):
        return
    if not isinstance(given, type) or not all(
        hasattr(given, name) for name in ("encode", "decode")
    ):
        raise ValueError(
            f'serializer={given!r}: "default", "msgpack", or a class with encode() and decode()'
        )


# Options of connection_state_recovery with their units, None for what is a bool.
_RECOVERY_UNITS = {
    "max_disconnection_duration": "seconds", "skip_middlewares": None,
    "max_packets": "packets", "max_bytes": "bytes", "max_sessions": "sessions",
}  # fmt: skip
_RECOVERY_DEFAULTS = {
    "max_disconnection_duration": 120.0, "skip_middlewares": True,
    "max_packets": 100_000, "max_bytes": 64 * 1024 * 1024, "max_sessions": 100_000,
}  # fmt: skip


def recovery(given: Any) -> dict[str, Any] | None:
    """connection_state_recovery with all its options; True is an empty dict, False is None."""
    if given is None or given is False:
        return None
    options = {} if given is True else given
    if not isinstance(options, dict):
        raise ValueError(
            f"connection_state_recovery={given!r}: None, or a dict, which may be empty"
        )
    for name, value in options.items():
        if name not in _RECOVERY_UNITS:
            raise TypeError(
                f"unknown option {name!r} of connection_state_recovery{nearest(name, _RECOVERY_UNITS)}"
            )
        unit = _RECOVERY_UNITS[name]
        if unit is not None:
            check_number(name, value, unit)
        elif not isinstance(value, bool):
            raise ValueError(f"{name}={value!r}: True or False")
    return _RECOVERY_DEFAULTS | options


def transports(given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    known = (*TRANSPORTS, WEBTRANSPORT)
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise ValueError(f"No valid transports provided: {given!r}; known are {', '.join(known)}")
    return names


def parse_proxies(given: Any) -> tuple[Any, ...]:
    """ "*" and "unix" as they are, all else as networks."""
    names = (given,) if isinstance(given, str) else tuple(given)
    proxies = []
    for name in names:
        try:
            proxies.append(name if name in ("*", "unix") else ipaddress.ip_network(name))
        except ValueError as error:
            raise ValueError(
                f'trusted_proxies={given!r}: {error}; give addresses, networks, "unix" or "*"'
            ) from None
    return tuple(proxies)


# Node's words for a cookie's attributes (the npm package `cookie`), in the order in which it writes them.
_COOKIE_ATTRIBUTES = {
    "max_age": "Max-Age", "domain": "Domain", "path": "Path", "expires": "Expires", "http_only": "HttpOnly",
    "secure": "Secure", "partitioned": "Partitioned", "priority": "Priority", "same_site": "SameSite",
}  # fmt: skip
_NODE_COOKIE = {"name": "io", "path": "/", "http_only": True, "same_site": "lax"}
_SAME_SITE = {True: "Strict", False: False, "lax": "Lax", "strict": "Strict", "none": "None"}


def node_cookie(given: dict[str, Any]) -> dict[str, Any]:
    """A cookie as Node makes it: what is not given is Node's default, and attributes are in Node's order."""
    words = {sent: key for key, sent in _COOKIE_ATTRIBUTES.items()}
    cookie = _NODE_COOKIE | {words.get(key, snake(key)): value for key, value in given.items()}
    known = {key: cookie.pop(key, None) for key in _COOKIE_ATTRIBUTES}
    return cookie | {
        _COOKIE_ATTRIBUTES[key]: _sent(key, value)
        for key, value in known.items()
        if value is not None
    }


def _sent(key: str, value: Any) -> Any:
    """The value of an attribute, which Node takes in other words too."""
    if key != "same_site" or value is None or callable(value):
        return value
    try:
        return _SAME_SITE[value.lower() if isinstance(value, str) else value]
    except (KeyError, TypeError):
        raise ValueError(
            f'cookie: same_site={value!r}: "strict", "lax", "none" or a bool'
        ) from None


def cookie(given: Any) -> dict[str, Any] | None:
    """The name, and the attributes as they are sent, in order."""
    if given is None or given is False:
        return None
    if given is True:
        cookie = node_cookie({})
    elif isinstance(given, str):
        # HttpOnly, as Node has it: no script of the page needs the session's id.
        cookie = {"name": given, "path": "/", "HttpOnly": True, "SameSite": "Lax"}
    else:
        words = _COOKIE_ATTRIBUTES.keys() - {"path"}
        cookie = {
            _COOKIE_ATTRIBUTES[snake(key)] if snake(key) in words else key: _sent(snake(key), value)
            for key, value in dict(given).items()
        }
    if not isinstance(cookie.get("name"), str):
        raise ValueError(f"cookie={given!r}: a name, or a dict with one")
    for part in (str(part) for pair in cookie.items() for part in pair):
        # What would end the header's line, the attribute, or could not be sent.
        if ";" in part or not part.isascii() or not part.isprintable():
            raise ValueError(f"cookie={given!r}: {part!r} can't be part of a cookie")
    if not _COOKIE_NAME.fullmatch(cookie["name"]):
        raise ValueError(f"cookie={given!r}: {cookie['name']!r} can't be a cookie's name")
    _check_cookie_flags(cookie)
    return cookie


def _check_cookie_flags(cookie: dict[str, Any]) -> None:
    """Say it where browsers would drop the cookie without a word: RFC 6265bis 4.1.3 (prefixes), 5.7 (SameSite=None)."""
    name, is_secure = cookie["name"], cookie.get("Secure")
    if not is_secure and (
        cookie.get("SameSite") == "None"
        or name.startswith(("__Secure-", "__Host-"))
        or cookie.get("Partitioned") is True
    ):
        logger.warning(
            "cookie %r: browsers keep it only as a secure one, for its same_site is none, it is partitioned or its "
            "name begins so: it is one over TLS, or with secure=True behind a proxy that takes the TLS off", name,
        )  # fmt: skip
    if name.startswith("__Host-") and (
        "Domain" in cookie or cookie.get("path", cookie.get("Path")) != "/"
    ):
        logger.warning('cookie %r: browsers keep it only with path "/" and without domain', name)


def deflate(given: Any) -> bool | dict[str, Any]:
    """per_message_deflate with all that a dict leaves out; False if it is off."""
    if given is None or isinstance(given, bool):
        return dict(_DEFLATE) if given else False
    if not isinstance(given, dict):
        raise ValueError(f"per_message_deflate={given!r}: True, False, or a dict")
    for name, value in given.items():
        if name not in _DEFLATE:
            raise ValueError(f"per_message_deflate: unknown {name!r}{nearest(name, _DEFLATE)}")
        where = f"per_message_deflate: {name}={value!r}"
        if name.endswith("_no_context_takeover"):
            if not isinstance(value, bool):
                raise ValueError(f"{where}: True or False")
            continue
        low, high = _DEFLATE_RANGES.get(name, (0, 1 << 62))
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            ends = f"from {low} to {high}" if name in _DEFLATE_RANGES else "of bytes from 0 on"
            raise ValueError(f"{where}: a number {ends}")
    return _DEFLATE | given

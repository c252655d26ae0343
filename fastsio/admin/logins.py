"""Who may be an admin."""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from fastsio.core.errors import ConnectionRefusedError

# With exactly these words the page shows its login form again.
REFUSAL = "invalid credentials"
# Logins that are remembered, for pages that are loaded again, and for how long.
MAX_LOGINS = 1000
LOGIN_S = 86_400.0


class Logins:
    """Who may be an admin. `auth` is False, a dict, a list of dicts, or a function of what the page sent.

    Whoever has logged in gets a session id, with which the page comes back when it is loaded again.
    """

    def __init__(
        self, auth: Any, adapt: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        """`adapt`: see Registry. Raises ValueError for what is none of these."""
        if auth is None:
            raise ValueError("auth must be specified")
        self.is_open = auth is False
        self._ask: Callable[..., Any] | None = None
        self._accepted: list[dict[str, Any]] = []
        if callable(auth):
            self._ask = adapt(auth)
        elif not self.is_open:
            self._accepted = [auth] if isinstance(auth, dict) else _list_of(auth)
            if not self._accepted or not all(isinstance(o, dict) and o for o in self._accepted):
                raise ValueError(
                    f"auth={_kind_of(auth)}: a dict such as {{'username': …, 'password': …}}, a list of them, "
                    "a function, or False to let everybody in"
                )
        # Session id to when it ends.
        self._known: OrderedDict[str, float] = OrderedDict()

    async def admit(self, given: Any) -> str | None:
        """The id of a session that has just been made, None if there was one or none is needed.

        Raises ConnectionRefusedError for who may not be an admin.
        """
        if self.is_open or (isinstance(given, dict) and self._is_known(given.get("sessionId"))):
            return None
        if self._ask is not None:
            is_welcome = self._ask(given)
            if hasattr(is_welcome, "__await__"):
                is_welcome = await is_welcome
        else:
            is_welcome = True in [_is_same(given, wanted) for wanted in self._accepted]
        if not is_welcome:
            raise ConnectionRefusedError(REFUSAL)
        return self._new_session()

    def _is_known(self, session_id: Any) -> bool:
        return isinstance(session_id, str) and self._known.get(session_id, 0.0) > time.monotonic()

    def _new_session(self) -> str:
        session_id = secrets.token_hex(8)
        self._known[session_id] = time.monotonic() + LOGIN_S
        if len(self._known) > MAX_LOGINS:
            self._known.popitem(last=False)
        return session_id


def _list_of(auth: Any) -> list[Any]:
    return list(auth) if isinstance(auth, (list, tuple)) else []


def _kind_of(auth: Any) -> str:
    """What was given, without what may be secret in it."""
    return f"a {type(auth).__name__}" if auth else repr(auth)


def _is_same(given: Any, wanted: dict[str, Any]) -> bool:
    """Compare in a time that does not tell how much of a password was right."""
    if not isinstance(given, dict) or given.keys() != wanted.keys():
        return False
    pairs = [(repr(given[key]).encode(), repr(value).encode()) for key, value in wanted.items()]
    return False not in [hmac.compare_digest(ours, theirs) for ours, theirs in pairs]

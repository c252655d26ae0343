"""Ids of sessions and sockets: random, and as long as Node's.

os.urandom() is asked for many at once: a call for each costs more than all the rest that makes an id.
"""

import os
from base64 import urlsafe_b64encode

ID_BYTES = 15
ID_CHARACTERS = 20  # of base64; adapters tell private rooms by that length
IDS_AT_ONCE = 256

_prepared: list[str] = []


def new_id() -> str:
    """20 characters of base64url: 120 random bits. Nobody can guess the next from those before."""
    try:
        return _prepared.pop()
    except IndexError:
        _prepare()
        return new_id()


def _prepare() -> None:
    text = urlsafe_b64encode(os.urandom(ID_BYTES * IDS_AT_ONCE)).decode()
    _prepared.extend(
        text[start : start + ID_CHARACTERS] for start in range(0, len(text), ID_CHARACTERS)
    )


# Else parent and child would give out the same ids.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_prepared.clear)

"""An error inside clients; those that users see are in exceptions.py."""

from typing import Any


class OpenError(Exception):
    """An Engine.IO connection could not be opened: why, and what the server said of it if it did."""

    def __init__(self, why: str, answer: Any = None) -> None:
        super().__init__(why)
        self.why = why
        self.answer = answer

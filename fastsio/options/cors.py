"""The `cors` option."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastsio.options.values import comma_list, nearest, success_status, whole_seconds


@dataclass(frozen=True, slots=True)
class Cors:
    """What of the `cors` option goes into headers as it is; None is not sent. allowed_headers None: any."""

    methods: str = "GET,HEAD,PUT,PATCH,POST,DELETE"
    allowed_headers: str | None = None
    exposed_headers: str | None = None
    max_age: str | None = None
    options_success_status: int = 204

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Cors":
        """Raises ValueError for a key that there is not, and for a value that can't be sent."""
        checks: dict[str, Callable[[str, Any], Any]] = {
            "methods": comma_list, "allowed_headers": comma_list, "exposed_headers": comma_list,
            "max_age": whole_seconds, "options_success_status": success_status,
        }  # fmt: skip
        for key in given:
            if key not in checks:
                raise ValueError(f"cors: unknown key {key!r}{nearest(key, checks)}")
        return cls(
            **{
                key: checks[key](f"cors: {key}", value)
                for key, value in given.items()
                if value is not None
            }
        )

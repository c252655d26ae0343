"""HTTP requests as Python sees them; see _http.pyx."""

from typing import Any

class Request:
    method: str
    body: bytes
    is_upgrade: bool
    keep_alive: bool
    is_too_large: bool
    answer: Any
    def __init__(
        self,
        method: str,
        target: bytes,
        raw_headers: list[tuple[bytes, bytes]],
        body: bytes = b"",
        is_upgrade: bool = False,
        keep_alive: bool = True,
        is_too_large: bool = False,
    ) -> None: ...
    @property
    def target(self) -> bytes: ...
    @property
    def url(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def query(self) -> dict[str, str]: ...
    @property
    def _query(self) -> dict[str, str]: ...
    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def headers(self) -> dict[str, str]: ...
    def header(self, name: str) -> str | None: ...
    def argument(self, name: str) -> str | None: ...

def response_head(
    status: int, headers: list[tuple[str, str]], content_length: int, keep_alive: bool
) -> bytes: ...

"""HTTP requests as Python sees them; see _http.pyx."""

class Request:
    method: str
    target: bytes
    raw_headers: list[tuple[bytes, bytes]]
    body: bytes
    is_upgrade: bool
    keep_alive: bool
    is_too_large: bool
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
    def url(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def query(self) -> dict[str, str]: ...
    @property
    def headers(self) -> dict[str, str]: ...

def response_head(
    status: int, headers: list[tuple[str, str]], content_length: int, keep_alive: bool
) -> bytes: ...
def switch_head(headers: list[tuple[str, str]], accept: bytes) -> bytes: ...
def chosen_protocol(request: Request) -> list[tuple[str, str]]: ...
def accept_key(request: Request) -> bytes | tuple[int, str, list[tuple[str, str]]]: ...

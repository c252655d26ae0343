"""ASGIApp's static files: python-socketio's mapping, read anew for each request.

{"/": "index.html"} names one file. {"/static": "./public"} adds what follows in the path to the name of the
folder. A name that ends in "/" means the file that {"": …} names, else index.html. Values may be
{"filename": …, "content_type": …}. Nothing outside a mapped folder is served, links included.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from fastsio.static import INDEX, content_type_of


def find_file(url_path: str, mapping: dict[str, Any]) -> dict[str, Any] | None:
    """{"filename", "content_type"} of a decoded URL path; None if it is not mapped or there is no such file."""
    entry, rest = _entry_of(url_path, mapping)
    if entry is None:
        return None
    found = _as_dict(entry)
    root = found["filename"]
    name = root + (rest.removeprefix("/") if root.endswith("/") else rest)
    if name.endswith("/"):
        index = _as_dict(mapping.get("", INDEX))
        name += index.pop("filename")
        found.update(index)
    if "\0" in name or "\\" in rest:
        return None
    try:
        # resolve() follows links and "..": what it ends at must still be below the folder.
        path = Path(name).resolve()
        if not path.is_file() or (rest and not path.is_relative_to(Path(root).resolve())):
            return None
    except (OSError, RuntimeError):  # a name that is too long; a loop of links, before Python 3.13
        return None
    found["filename"] = str(path)
    found.setdefault("content_type", content_type_of(path))
    return found


def _entry_of(url_path: str, mapping: dict[str, Any]) -> tuple[Any, str]:
    """What the longest part of the path that is mapped stands for, and what follows it."""
    if url_path in mapping:
        return mapping[url_path], ""
    end = len(url_path)
    while (end := url_path.rfind("/", 0, end)) >= 0:
        for key in (url_path[:end], url_path[: end + 1]):
            if key in mapping and key != "":
                return mapping[key], url_path[end:]
    return None, ""


def _as_dict(entry: Any) -> dict[str, Any]:
    found = dict(entry) if isinstance(entry, dict) else {"filename": entry}
    found["filename"] = os.fspath(found["filename"])
    return found


async def answer_file(
    static_file: dict[str, Any], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Send a file found by find_file(); its "scope", if it is there, tells HEAD and what the client has already."""
    path = Path(static_file["filename"])
    try:
        body, status = await asyncio.to_thread(lambda: (path.read_bytes(), path.stat()))
    except OSError:  # it has gone since it was found, or may not be read
        await _answer(send, 404, [(b"content-type", b"text/plain; charset=utf-8")], b"Not Found")
        return
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'.encode()
    headers = [
        (b"content-type", static_file["content_type"].encode("latin-1")),
        (b"etag", etag),
        (b"last-modified", formatdate(status.st_mtime, usegmt=True).encode()),
        (b"cache-control", b"no-cache"),
    ]
    scope = static_file.get("scope") or {"method": "GET", "headers": []}
    if any(name == b"if-none-match" and etag in value for name, value in scope["headers"]):
        await _answer(send, 304, headers, b"")
        return
    headers.append((b"content-length", str(len(body)).encode()))
    await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

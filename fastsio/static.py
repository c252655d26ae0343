"""Static files: a URL, or everything below one, from the file system.

The mapping is python-socketio's: {"/": "index.html", "/static": "./public", "/x.js": {"filename": …,
"content_type": …}}. Nothing outside a mapped folder is served, links included.
Source: RFC 9110 13 (conditional requests).
"""

import errno
import logging
import mimetypes
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastsio._http import Request

logger = logging.getLogger("fastsio.serve")

INDEX = "index.html"
# What the process, or the machine, has too little of: the file is there.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class StaticFiles:
    """Answers GET and HEAD from files. Missing files are a 404, other methods a 405."""

    def __init__(self, mapping: dict[str, Any] | None) -> None:
        self._files: dict[str, tuple[Path, str | None]] = {}
        self._folders: dict[str, Path] = {}
        for url, target in (mapping or {}).items():
            self._add(url, target)

    def _add(self, url: str, target: Any) -> None:
        content_type = target.get("content_type") if isinstance(target, dict) else None
        path = Path(target["filename"] if isinstance(target, dict) else target)
        if not url.startswith("/"):
            raise ValueError(f"static_files: {url!r} must begin with '/'")
        if not path.exists():
            raise ValueError(f"static_files: {str(path)!r} does not exist")
        if path.is_dir():
            self._folders[url.rstrip("/") + "/"] = path.resolve()
        else:
            self._files[url] = (path.resolve(), content_type)

    def handle(self, request: Request, exchange: Any) -> bool:
        """Serve the request if its path is mapped; False if it is not."""
        found = self.find(request.path)
        if found is None:
            return False
        if request.method not in ("GET", "HEAD"):
            exchange.respond(405, [("Allow", "GET, HEAD")], b"")
            return True
        path, content_type = found
        return answer_file(path, content_type, request, exchange)

    def find(self, url_path: str) -> tuple[Path, str | None] | None:
        """The file of a URL's path, None if there is none."""
        path = unquote(url_path)
        if path in self._files:
            return self._files[path]
        for prefix in sorted(self._folders, key=len, reverse=True):
            if path.startswith(prefix):
                return self._find_below(self._folders[prefix], path[len(prefix) :])
        return None

    @staticmethod
    def _find_below(root: Path, relative: str) -> tuple[Path, str | None] | None:
        if "\0" in relative or "\\" in relative:
            return None
        try:
            # resolve() follows links and "..": what it ends at must still be below the root.
            path = (root / relative.lstrip("/")).resolve()
            if path.is_dir():
                path = (path / INDEX).resolve()
            elif relative.endswith("/"):
                return None
            if not path.is_relative_to(root) or not path.is_file():
                return None
        except (
            OSError,
            RuntimeError,
        ):  # a name that is too long; a loop of links, before Python 3.13
            return None
        return path, None


def answer_file(path: Path, content_type: str | None, request: Request, exchange: Any) -> bool:
    """Answer a GET or HEAD with a file; False if it has gone since it was found, or may not be read.

    With 503 if it can't be opened just now: a 404 would be kept by caches.
    """
    try:
        body, modified = path.read_bytes(), path.stat()
    except OSError as error:
        if error.errno not in SHORTAGES:
            return False
        logger.error("%s can't be opened: %s", path, error)
        exchange.respond(503, [("Retry-After", "1")], b"", is_head=request.method == "HEAD")
        return True
    etag = f'"{modified.st_mtime_ns:x}-{modified.st_size:x}"'
    headers = [
        ("Content-Type", content_type or content_type_of(path)),
        ("ETag", etag),
        ("Last-Modified", formatdate(modified.st_mtime, usegmt=True)),
        ("Cache-Control", "no-cache"),
    ]
    if etag in (request.header("if-none-match") or ""):
        exchange.respond(304, headers, b"", is_head=True)
    else:
        exchange.respond(200, headers, body, is_head=request.method == "HEAD")
    return True


def content_type_of(path: Path) -> str:
    """The type that a file's name stands for, texts as UTF-8."""
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    is_text = guessed.startswith("text/") or guessed in (
        "application/javascript",
        "application/json",
    )
    return f"{guessed}; charset=utf-8" if is_text else guessed

"""Pages: what a small program shows besides Socket.IO, by path: texts, files, functions.

{"/": "It works!", "/index": Path("index.html"), "/time": function}. More than that is the work of a web framework,
whose application may be served on the same port (see ASGIApp).
Source: Express's app.get(), res.send() and res.sendFile().
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastsio._eager import start_eager
from fastsio._http import Request
from fastsio.logged import one_line
from fastsio.static import StaticFiles, answer_file

logger = logging.getLogger("fastsio.serve")

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
NOT_FOUND = {"status": 404, "body": "Not Found", "content_type": TEXT}
FAILED = {"status": 500, "body": "Internal Server Error", "content_type": TEXT}


class Pages(StaticFiles):
    """Answers GET and HEAD of its paths, and of static files behind them; other methods are a 405.

    A page is a text (HTML, as UTF-8), bytes, a pathlib.Path (a file, with the type of its name), a dict of `body`,
    `content_type`, `status` and `headers`, or a function of the request, `async` too, that returns one of these, or
    None for a 404. A slash at a path's end makes no difference. Raises ValueError for a path without "/" at its
    beginning and for a file that does not exist, TypeError for what can be no page.
    """

    def __init__(self, pages: dict[str, Any], static_files: dict[str, Any] | None = None) -> None:
        super().__init__(static_files)
        self._pages: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        for path, page in pages.items():
            if not path.startswith("/"):
                raise ValueError(f"pages: {path!r} must begin with '/'")
            if isinstance(page, Path):
                page = page.resolve()  # the working directory may change
                if not page.is_file():
                    raise ValueError(f"pages: {str(page)!r} does not exist, or is no file")
            if not isinstance(page, (str, bytes, Path, dict)) and not callable(page):
                raise TypeError(f"pages: {page!r} is no text, bytes, Path, dict or function")
            self._pages[path.rstrip("/") or "/"] = page

    def handle(self, request: Request, exchange: Any) -> bool:
        page = self._pages.get(unquote(request.path).rstrip("/") or "/")
        if page is None:
            return super().handle(request, exchange)
        if request.method not in ("GET", "HEAD"):
            exchange.respond(405, [("Allow", "GET, HEAD")], b"")
        elif callable(page):
            task = start_eager(
                self._call(page, request, exchange), self._tasks, f"page {one_line(request.path)}"
            )
            if task is not None and not task.done():
                exchange.on_abort = functools.partial(_end, task)
        else:
            _show(page, request, exchange)
        return True

    async def _call(self, fn: Callable[..., Any], request: Request, exchange: Any) -> None:
        try:
            page = fn(request)
            if hasattr(page, "__await__"):
                page = await page
            exchange.on_abort = None
            _show(page, request, exchange)
        except Exception:  # an application's function may raise anything
            logger.exception("page %s failed", one_line(request.path))
            exchange.on_abort = None
            _show(FAILED, request, exchange)


def _end(task: asyncio.Task[Any]) -> None:
    """The client has gone."""
    task.cancel()


def _show(page: Any, request: Request, exchange: Any) -> None:
    """Answer with a page; raises TypeError for what is none."""
    if page is None:
        page = NOT_FOUND
    if isinstance(page, Path):
        if answer_file(page, None, request, exchange):
            return
        page = NOT_FOUND
    given = page if isinstance(page, dict) else {"body": page}
    body = given.get("body", "")
    if not isinstance(body, (str, bytes)):
        raise TypeError(f"a page's body is a text or bytes, not {body!r}")
    content_type = given.get("content_type", HTML if isinstance(body, str) else BYTES)
    headers = [("Content-Type", content_type), *dict(given.get("headers", {})).items()]
    encoded = body.encode() if isinstance(body, str) else body
    exchange.respond(given.get("status", 200), headers, encoded, is_head=request.method == "HEAD")

"""The official client for browsers, served below the engine's path: GET /socket.io/socket.io.js.

The files are brought from npm when fastsio is built (scripts/bundle.py) and lie in fastsio/bundle/, compressed already.
Source: socket.io's Server, `serve()`; RFC 9110 13.1.2 (If-None-Match).
"""

import functools
import logging
from importlib import resources
from typing import NamedTuple

from fastsio.engine.codings import best_coding
from fastsio.engine.cors import cors_headers
from fastsio.engine.ports import Exchange, Headers, Request
from fastsio.options import Options

logger = logging.getLogger("fastsio.engine")

NAMES = frozenset(
    name + end
    for name in (
        "socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js",
        # The last client of Socket.IO 2, for pages that speak EIO3.
        "socket.io.v2.js",
    )
    for end in ("", ".map")
)  # fmt: skip
# How the files were compressed, the smallest first.
CODINGS = {"br": ".br", "gzip": ".gz"}
MISSING = (
    b"This fastsio was built without npm, so it has no client bundle: "
    b"build it again where npm is, or load the client from elsewhere."
)


class Asset(NamedTuple):
    """A file as it is sent: its bytes, and the version of the client that it is of."""

    body: bytes
    version: str


class Bundle:
    """Answers requests for the client's files."""

    def __init__(self, options: Options) -> None:
        self._options = options

    @staticmethod
    def of(options: Options) -> "Bundle | None":
        return Bundle(options) if options.serve_client else None

    @staticmethod
    def has(request: Request) -> bool:
        """Whether a request on the engine's path is for one of the files."""
        return request.path.rpartition("/")[2] in NAMES and request.method in ("GET", "HEAD")

    def answers(self, request: Request, exchange: Exchange) -> bool:
        """Answer a request for one of the files; False if it is for something else."""
        if not self.has(request):
            return False
        name = request.path.rpartition("/")[2]
        coding = best_coding(request.header("accept-encoding") or "", tuple(CODINGS))
        is_head = request.method == "HEAD"
        headers = cors_headers(self._options, request)
        try:
            asset = asset_of(name, coding)
        except OSError as error:  # no descriptor is left: it is there, and may be asked for again
            logger.error("the client bundle can't be opened: %s", error)
            exchange.respond(503, [*headers, ("Retry-After", "1")], b"", is_head=is_head)
            return True
        if asset is None:
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
            exchange.respond(404, headers, MISSING, is_head=is_head)
            return True
        etag = f'"{asset.version}"'
        headers += [
            ("ETag", etag),
            ("Cache-Control", "public, max-age=0"),
            ("Vary", "Accept-Encoding"),
        ]
        if is_known(etag, request.header("if-none-match")):
            exchange.respond(304, headers, b"", is_head=True)
            return True
        exchange.respond(200, headers + content_headers(name, coding), asset.body, is_head=is_head)
        return True


def content_headers(name: str, coding: str | None) -> Headers:
    kind = "json" if name.endswith(".map") else "javascript"
    headers = [("Content-Type", f"application/{kind}; charset=utf-8")]
    return headers if coding is None else [*headers, ("Content-Encoding", coding)]


def is_known(etag: str, header: str | None) -> bool:
    """Whether an If-None-Match has the tag, compared weakly, as it says."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


@functools.cache
def asset_of(name: str, coding: str | None) -> Asset | None:
    """A file of the bundle, None if fastsio was built without."""
    folder = resources.files("fastsio") / "bundle"
    try:
        body = (folder / (name + ("" if coding is None else CODINGS[coding]))).read_bytes()
        version = (folder / ("V2_VERSION" if ".v2." in name else "VERSION")).read_text().strip()
    except FileNotFoundError:
        say_that_it_is_missing()
        return None
    return Asset(body, version)


@functools.cache
def say_that_it_is_missing() -> None:
    """Once is enough."""
    logger.warning(
        "a browser asked for the client bundle, and this fastsio was built without it (npm was missing); "
        "serve_client=False leaves it out"
    )

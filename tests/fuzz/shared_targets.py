"""Target: connections that two servers share, each request handed to the one or the other."""

from __future__ import annotations

import functools
from typing import Any

import httptools

from fuzz.tools import few_pieces, pieces
from memory_conn import Router, answer
from shared_tools import Beside, SharedRouter

Log = list[tuple[str, bytes, bytes]]


class ReadingBeside(Beside):
    """A server that reads its requests with httptools and answers each when it is complete."""

    def __init__(self, conn: Any, transport: Any, log: Log) -> None:
        super().__init__(conn, transport)
        self._log = log
        self._parser = httptools.HttpRequestParser(self)
        self._is_broken = False
        self._target, self._body = b"", b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_broken:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._is_broken = True

    def on_message_begin(self) -> None:
        self._target, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        self._log.append((method, self._target, self._body))
        keep_alive, conn = self._parser.should_keep_alive(), self.conn
        self.answer(b"<%s>" % self._target)
        if not keep_alive:
            conn.close_beside()


class LoggingRouter(SharedRouter):
    """`log`: the requests of both sides, in their order."""

    def __init__(self) -> None:
        self.log: Log = []
        super().__init__()
        self.serve = self._serve

    def forget(self) -> None:
        """What it has noted, for the next connection."""
        self.log = []
        for noted in (self.requests, self.announced, self.cut, self.besides, self.given_away):
            noted.clear()

    def _serve(self, conn: Any, request: Any) -> None:
        self.log.append((request.method, request.target, request.body))
        answer(conn, request)

    def lend(self, conn: Any) -> Beside:
        self.besides.append(ReadingBeside(conn, conn.transport, self.log))
        return self.besides[-1]


def play(stream: list[bytes], router: LoggingRouter) -> tuple[Log, bytes, bytes]:
    """The requests that came, what the other server got, and what it was given for good."""
    transport = router.connect()
    for piece in stream:
        transport.feed(piece)
        router.end_turn()
    got = b"".join(beside.got for beside in router.besides)
    given = b"".join(beside.got for beside in router.given_away)
    transport.lose()
    assert not router.open
    assert not router.watched
    return router.log, got, given


def shared(data: bytes) -> None:
    """Any bytes: the same requests to the same side however they are cut, and the ones that one server alone reads."""
    how, stream = data[:1], data[1:]
    whole = play([stream], LoggingRouter())
    assert play(pieces(stream, how[0] if how else 0), LoggingRouter()) == whole
    if whole[2]:
        return
    alone = Router(serve=lambda conn, request: answer(conn, request))
    transport = alone.connect()
    transport.feed(stream)
    requests = [(one.method, one.target, one.body) for one in alone.requests]
    # Either may see before the other that what follows is none.
    count = min(len(requests), len(whole[0]))
    assert requests[:count] == whole[0][:count], (requests, whole[0])


@functools.cache
def lasting_router() -> LoggingRouter:
    """One for all quick runs."""
    return LoggingRouter()


def quick_shared(data: bytes) -> None:
    """The same with fewer cuts, and without the server that is alone."""
    router, how, stream = lasting_router(), data[0] if data else 0, data[1:]
    whole = play([stream], router)
    router.forget()
    if how:
        assert play(few_pieces(stream, how), router) == whole
        router.forget()

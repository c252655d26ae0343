"""Shared connections under any cut of any sequence of requests: each side gets its own, answers are in order."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from memory_conn import answer, responses
from shared_tools import Beside, SharedRouter


class PromptBeside(Beside):
    """Answers each request with its target as soon as it has seen its head."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if data.startswith((b"GET /page/", b"POST /page/")):
            self.answer(b"<%s>" % data.split(b" ")[1])


class PromptRouter(SharedRouter):
    def lend(self, conn):
        self.besides.append(PromptBeside(conn, conn.transport))
        return self.besides[-1]


def chunked(parts: list[bytes], extension: bytes, trailer: bytes) -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
    return chunks + b"0\r\n" + trailer + b"\r\n"


body_parts = st.lists(st.binary(max_size=300), max_size=4)
bodies = st.one_of(
    st.none(),
    body_parts.map(b"".join),
    st.tuples(
        body_parts,
        st.sampled_from([b"", b";a=b", b";x"]),
        st.sampled_from([b"", b"T: 1\r\n", b"T: 1\r\nU: 2\r\n"]),
    ),
)


def request_of(number: int, is_ours: bool, body: object) -> tuple[bytes, bytes, bytes]:
    """Bytes, target and decoded body of a request."""
    target = b"/%b/%d" % (b"ours" if is_ours else b"page", number)
    if body is None:
        return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target, target, b""
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n" % target
    if isinstance(body, bytes):
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body), target, body
    parts, extension, trailer = body
    coded = chunked(parts, extension, trailer)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + coded, target, b"".join(parts)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), bodies), min_size=1, max_size=8),
    st.lists(st.integers(1, 400), min_size=1, max_size=30),
)
def test_any_requests_cut_anywhere_reach_their_side_and_are_answered_in_order(kinds, cuts):
    requests = [request_of(i, is_ours, body) for i, (is_ours, body) in enumerate(kinds)]
    router = PromptRouter(serve=answer)
    transport = router.connect()
    stream = b"".join(data for data, _, _ in requests)
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        transport.feed(stream[at : at + size])
        router.end_turn()
        at, turn = at + size, turn + 1
    assert responses(transport.sent) == [b"<%b>" % target for _, target, _ in requests]
    ours = [(target, body) for _, target, body in requests if target.startswith(b"/ours/")]
    assert [(got.target, got.body) for got in router.requests] == ours
    theirs = b"".join(data for data, target, _ in requests if target.startswith(b"/page/"))
    assert b"".join(beside.got for beside in router.besides) == theirs
    assert not router.given_away


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
@example(b"A / HTTP/1.1\r\n\r\n", 1)
def test_any_bytes_are_given_away_whole_or_wait_to_be_a_request(data, size):
    router = SharedRouter(serve=answer)
    transport = router.connect()
    for at in range(0, len(data), size):
        transport.feed(data[at : at + size])
    if router.given_away:
        assert router.given_away[0].got == data
    else:
        # Capitals or empty lines, the beginning of what may be a request yet; or one of a method that nobody knows.
        assert not transport.sent
        assert data.startswith(b"".join(beside.got for beside in router.besides))

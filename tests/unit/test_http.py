"""HTTP requests from bytes, response heads to bytes, and the opening handshake of a WebSocket.

The request reader is compiled and has no Python face: its bytes go through a connection without a network.
Source: RFC 9112 (messages), RFC 9110 10.1.1 (Expect), RFC 6455 1.3 and 4.2 (handshake).
"""

from __future__ import annotations

import base64
import hashlib
import random

import pytest

from fastsio._handshake import accept_key, chosen_protocol, switch_head
from fastsio._http import Request, response_head
from memory_conn import Router

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
HANDSHAKE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": KEY,
    "sec-websocket-version": "13",
}


def read(pieces: list[bytes], **limits: int) -> tuple[list[Request], bytes]:
    """The requests that a connection hands over, each answered by 204, and what it wrote."""
    router = Router(serve=lambda conn, request: conn.respond(204, [], b""), **limits)
    transport = router.connect()
    for piece in pieces:
        transport.feed(piece)
        router.end_turn()
    return router.requests, transport.sent


def request(
    method: bytes = b"GET", target: bytes = b"/", *lines: bytes, body: bytes = b""
) -> bytes:
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", b"Host: x", *lines, b"", body])


def with_headers(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", b"/", raw)


# --- requests as objects --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "url", "path", "query_string"),
    [
        (b"/", "/", "/", ""),
        (b"/a/b?c=d", "/a/b?c=d", "/a/b", "c=d"),
        (b"/a?b?c", "/a?b?c", "/a", "b?c"),
        (b"/%61%2F?x=%20", "/%61%2F?x=%20", "/%61%2F", "x=%20"),
        (b"/?", "/?", "/", ""),
        (b"*", "*", "*", ""),
        (b"http://example.org/a?b", "/a?b", "/a", "b"),  # RFC 9112 3.2.2: the absolute form
        (b"http://example.org:80", "/", "/", ""),
        (b"/go?to=http://example.org/", "/go?to=http://example.org/", "/go", "to=http://example.org/"),
        (b"/\xe9", "/\xe9", "/\xe9", ""),
    ],
)  # fmt: skip
def test_target_is_split_into_path_and_query(target, url, path, query_string):
    made = Request("GET", target, [])
    assert (made.url, made.path, made.query_string) == (url, path, query_string)


@pytest.mark.parametrize(
    ("query_string", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=&b", {"a": "", "b": ""}),
        (b"a=x+y%20z%2B", {"a": "x y z+"}),
        (b"a=%C3%A9", {"a": "\xe9"}),
        (b"a=b=c", {"a": "b=c"}),
    ],
)
def test_query_is_decoded_as_a_forms(query_string, fields):
    assert Request("GET", b"/?" + query_string, []).query == fields


@pytest.mark.parametrize(
    "target",
    [
        b"/", b"/?", b"/?sid=", b"/?sid", b"/?sid&sid=2", b"/?a=1&sid=x", b"/?sid=1&sid=2", b"/?xsid=1",
        b"/?sidx=1", b"/?sid=a=b", b"/?&&sid=1&", b"/?sid=%41", b"/?%73id=1", b"/?sid=a+b", b"/?sid=\xe9",
        b"/sid=1", b"/?a?sid=1", b"http://x?sid=1/?sid=2", b"http://x/?sid=3", b"*", b"",
    ],
)  # fmt: skip
def test_one_argument_is_what_the_whole_query_says(target):
    made = Request("GET", target, [])
    assert made.argument("sid") == made.query.get("sid")


@pytest.mark.parametrize("name", ["x-a", "x", "accept", "x-ab", "host"])
def test_one_header_is_what_all_say(name):
    raw = [(b"X-A", b"1"), (b"accept", b"\xe9"), (b"x-a", b"2"), (b"X-Ab", b""), (b"x\ra", b"no")]
    made = Request("GET", b"/", raw)
    assert made.header(name) == made.headers.get(name)


def test_repeated_headers_are_joined_and_the_raw_ones_kept():
    raw = [(b"x-a", b"1"), (b"accept", b"\xe9"), (b"x-a", b"2")]
    made = Request("GET", b"/", raw)
    assert made.headers == {"x-a": "1, 2", "accept": "\xe9"}
    assert made.raw_headers == raw


# --- the reader -----------------------------------------------------------------------------------


def test_request_is_read_with_everything_in_it(cut):
    data = request(b"POST", b"/p?q=1", b"X-Upper:  Value", b"Content-Length: 5", body=b"hello")
    (got,), _ = read(cut(data))
    assert (got.method, got.target, got.body) == ("POST", b"/p?q=1", b"hello")
    assert got.raw_headers == [(b"host", b"x"), (b"x-upper", b"Value"), (b"content-length", b"5")]
    assert (got.is_upgrade, got.keep_alive, got.is_too_large) == (False, True, False)


def test_blanks_around_a_headers_value_are_no_part_of_it(cut):
    """RFC 9112 5.1."""
    (got,), _ = read(cut(request(b"GET", b"/", b"X:  a b \t ", b"Y: ")))
    assert (got.headers["x"], got.headers["y"]) == ("a b", "")


def test_requests_that_follow_one_another_are_told_apart(cut):
    data = b"".join(
        request(b"POST", b"/%d" % i, b"Content-Length: %d" % i, body=b"x" * i) for i in range(5)
    )
    got, sent = read(cut(data))
    assert [(r.target, len(r.body)) for r in got] == [(b"/%d" % i, i) for i in range(5)]
    assert sent.count(b"HTTP/1.1 204") == 5


def test_requests_of_many_connections_are_judged_apart():
    """One parser looks at all that come whole: whatever it was given last, the next finds it at its beginning."""
    upgrade = (b"Connection: Upgrade", b"Upgrade: x")
    others = [
        request(b"GET", b"/", b"Connection: close"),
        request(b"GET", b"/", *upgrade),
        request(b"GET", b"/", b"Connection: close, Upgrade", b"Upgrade: x"),
        request(b"POST", b"/", b"Content-Length: 2", body=b"hi"),
        request(b"GET", b"/", b"Content-Length: 0"),
        request(b"GET", b"/\x01"),
        request(b"GET", b"/", b"A: b\0c"),
        request(b"GET", b"/", b"A: b\rc"),
        request(b"GET", b"/", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        request(b"POST", b"/", b"Content-Length: 2", body=b"h"),
        request(b"POST", b"/", b"Content-Length: 2", body=b"hi!"),
        request(b"GET", b"/")[:-1],
        b"\r\n",
        b"GET /",
    ]
    for other in others:
        read([other])
        (got,), sent = read([request(b"GET", b"/a", b"X: y")])
        assert (got.target, got.is_upgrade, got.keep_alive) == (b"/a", False, True)
        assert sent.startswith(b"HTTP/1.1 204")
        (got,), _ = read([request(b"GET", b"/b", *upgrade)])
        assert (got.target, got.is_upgrade) == (b"/b", True)


@pytest.mark.parametrize("blank", [b" ", b"\t"])
def test_line_that_continues_the_one_before_is_read_the_same_however_it_is_cut(blank):
    """RFC 9112 5.2: a server refuses such a line or takes it for one with the line before."""
    data = request(b"GET", b"/", b"X: a", blank + b"b: c")
    whole, in_pieces = read([data]), read([data[:20], data[20:]])
    assert [r.raw_headers for r in whole[0]] == [r.raw_headers for r in in_pieces[0]]
    assert whole[1] == in_pieces[1]


def test_chunked_body_is_joined(cut):
    body = b"5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nTrailer: x\r\n\r\n"
    (got, after), _ = read(
        cut(request(b"POST", b"/", b"Transfer-Encoding: chunked", body=body) + request())
    )
    assert got.body == b"hello, world"
    assert after.method == "GET"


@pytest.mark.parametrize(
    ("line", "version", "keep_alive"),
    [
        (b"X: y", b"1.1", True),
        (b"Connection: close", b"1.1", False),
        (b"Connection: keep-alive", b"1.1", True),
        (b"X: y", b"1.0", False),
        (b"Connection: keep-alive", b"1.0", True),
    ],
)
def test_connection_is_kept_as_the_client_asks(line, version, keep_alive):
    (got,), sent = read([request(b"GET", b"/", line).replace(b"HTTP/1.1", b"HTTP/" + version)])
    assert got.keep_alive is keep_alive
    assert (b"Connection: keep-alive" in sent) is keep_alive


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("cut", [True, False])
def test_first_line_without_a_version_ends_all_the_same(cut, end):
    """HTTP/0.9: what looks like one is further down, and the target would have a line break in it."""
    data = b"GET /a" + end + b"X: b HTTP/1.1\r\nHost: x\r\n\r\n"
    requests, _ = read([data[at : at + 1] for at in range(len(data))] if cut else [data])
    assert [(one.target, one.header("x"), one.keep_alive) for one in requests] == [
        (b"/a", "b HTTP/1.1", False)
    ]


@pytest.mark.parametrize(
    "connection", [b"Upgrade", b"upgrade", b"keep-alive, Upgrade", b"Upgrade, keep-alive"]
)
def test_upgrade_is_seen_however_the_client_lists_it(cut, connection):
    """Firefox sends "keep-alive, Upgrade"."""
    lines = (b"Connection: " + connection, b"Upgrade: websocket")
    (got,), _ = read(cut(request(b"GET", b"/", *lines)))
    assert got.is_upgrade


@pytest.mark.parametrize(
    "lines", [(b"Upgrade: websocket",), (b"Connection: Upgrade",), (b"Connection: keep-alive",)]
)
def test_upgrade_takes_both_headers(lines):
    (got,), _ = read([request(b"GET", b"/", *lines)])
    assert not got.is_upgrade


def test_request_for_a_protocol_not_spoken_here_is_plain_http_and_so_is_what_follows(cut):
    """curl offers h2c; RFC 9110 7.8: an Upgrade may be ignored."""
    data = request(
        b"GET", b"/a", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"
    ) + request(b"GET", b"/b")
    got, sent = read(cut(data))
    assert [r.target for r in got] == [b"/a", b"/b"]
    assert sent.count(b"HTTP/1.1 204") == 2


@pytest.mark.parametrize("size", [0, 99, 100])
def test_body_up_to_the_limit_is_read(cut, size):
    data = request(b"POST", b"/", b"Content-Length: %d" % size, body=b"x" * size)
    (got,), _ = read(cut(data), max_message_bytes=100)
    assert (got.body, got.is_too_large) == (b"x" * size, False)


def test_body_over_the_limit_is_refused_before_it_comes(cut):
    (got,), sent = read(cut(request(b"POST", b"/", b"Content-Length: 101")), max_message_bytes=100)
    assert (got.body, got.is_too_large, got.keep_alive) == (b"", True, False)
    assert b"Connection: close" in sent


@pytest.mark.parametrize("length", [b"9" * 18, b"9" * 19, b"9" * 20, b"9" * 400])
def test_content_length_of_any_size_is_refused_without_harm(length):
    requests, sent = read([request(b"POST", b"/", b"Content-Length: " + length, body=b"x" * 200)],
                          max_message_bytes=100)  # fmt: skip
    assert [r.is_too_large for r in requests] in ([True], [])
    assert sent.startswith((b"HTTP/1.1 204", b"HTTP/1.1 400"))
    assert b"Connection: close" in sent


def test_chunked_body_over_the_limit_is_refused_when_it_passes_it(cut):
    body = b"".join(b"a\r\n" + b"x" * 10 + b"\r\n" for _ in range(11)) + b"0\r\n\r\n"
    data = request(b"POST", b"/", b"Transfer-Encoding: chunked", body=body)
    (got,), _ = read(cut(data), max_message_bytes=100)
    assert (got.body, got.is_too_large) == (b"", True)


def test_chunked_body_at_the_limit_is_read(cut):
    body = b"".join(b"a\r\n" + b"x" * 10 + b"\r\n" for _ in range(10)) + b"0\r\n\r\n"
    data = request(b"POST", b"/", b"Transfer-Encoding: chunked", body=body)
    (got,), _ = read(cut(data), max_message_bytes=100)
    assert (len(got.body), got.is_too_large) == (100, False)


def test_client_that_waits_for_100_continue_gets_it_before_the_answer():
    head = request(b"POST", b"/", b"Content-Length: 5", b"Expect: 100-continue")
    requests, sent = read([head, b"hello"])
    assert [r.body for r in requests] == [b"hello"]
    assert sent.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204")
    assert sent.count(b"100 Continue") == 1


def test_body_over_the_limit_is_not_invited_by_100_continue():
    head = request(b"POST", b"/", b"Content-Length: 101", b"Expect: 100-continue")
    _, sent = read([head], max_message_bytes=100)
    assert b"100 Continue" not in sent


def test_body_that_came_with_its_head_is_not_invited_again():
    data = request(b"POST", b"/", b"Content-Length: 5", b"Expect: 100-continue", body=b"hello")
    requests, sent = read([data])
    assert [r.body for r in requests] == [b"hello"]
    assert b"100 Continue" not in sent


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",  # a TLS client's hello
        b"HELLO\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_http_get_a_400_and_the_connection_ends(cut, data):
    requests, sent = read(cut(data))
    assert requests == []
    assert sent.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert sent.count(b"HTTP/1.1") == 1
    assert b"Connection: close" in sent


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"204"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"204"),
        (b"GET / HTTP/1.0\r\n\r\n", b"204"),
    ],
)
def test_request_has_exactly_one_host_unless_it_is_older_than_the_rule(cut, head, status):
    """RFC 9112 3.2."""
    _, sent = read(cut(head))
    assert sent.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "head",
    [
        request(b"GET", b"/", b"X: " + b"y" * 4000),
        request(b"GET", b"/" + b"y" * 4000),
        request(b"GET", b"/", *[b"X-%d: y" % i for i in range(800)]),
        b"GET / HTTP/1.1\r\nX: " + b"y" * 4000,  # and it never ends
        b"GET /" + b"y" * 4000,
    ],
    ids=["one header", "target", "many headers", "endless header", "endless target"],
)
def test_head_over_the_limit_gets_a_431_and_the_connection_ends(cut, head):
    """RFC 6585 5."""
    requests, sent = read(cut(head), max_head_bytes=2000)
    assert requests == []
    assert sent.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"Connection: close" in sent
    assert sent.endswith(b"\r\n\r\nhead of over 2000 bytes (max_header_bytes)")


@pytest.mark.parametrize("pieces", [1, 2, 3, 10])
def test_head_just_under_the_limit_is_read_however_it_is_cut(pieces):
    data = request(b"GET", b"/", *[b"X-%d: " % i + b"y" * 90 for i in range(19)])
    assert 1800 < len(data) < 2000
    size = len(data) // pieces + 1
    (got,), _ = read([data[i : i + size] for i in range(0, len(data), size)], max_head_bytes=2000)
    assert len(got.headers) == 20


@pytest.mark.parametrize("most", [1, 5, 256, 300])
@pytest.mark.parametrize("is_one_more", [False, True])
def test_no_more_than_max_headers_are_taken(cut, most, is_one_more):
    lines = [b"X-%d: y" % i for i in range(most - 1 + is_one_more)]  # and Host
    _, sent = read(cut(request(b"GET", b"/", *lines)), max_headers=most)
    assert sent.startswith(b"HTTP/1.1 431 " if is_one_more else b"HTTP/1.1 204 ")
    assert sent.endswith(b"\r\n\r\nover %d headers (max_headers)" % most) == is_one_more


def test_limit_of_a_head_is_not_for_bodies(cut):
    one = request(b"POST", b"/", b"Content-Length: 5000", body=b"x" * 5000)
    requests, _ = read(cut(one * 3), max_head_bytes=500)
    assert [len(r.body) for r in requests] == [5000] * 3


def test_what_came_before_a_head_in_the_same_read_is_no_part_of_it():
    one = request(b"POST", b"/", b"Content-Length: 5000", body=b"x" * 5000)
    requests, _ = read([one + request()[:10], request()[10:]], max_head_bytes=500)
    assert [r.method for r in requests] == ["POST", "GET"]


# --- responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "size", "keep_alive", "head"),
    [
        (
            200, [("Content-Type", "text/plain"), ("X", "\xe9")], 12, True,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: \xe9\r\nContent-Length: 12\r\n"
            b"Connection: keep-alive\r\n\r\n",
        ),
        (
            400, [], 0, False,
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        ),
        # RFC 9110 8.6: no Content-Length in a 204.
        (204, [], 0, True, b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n"),
        (
            413, [("A", "1"), ("A", "2")], 0, True,
            b"HTTP/1.1 413 Payload Too Large\r\nA: 1\r\nA: 2\r\nContent-Length: 0\r\n"
            b"Connection: keep-alive\r\n\r\n",
        ),
        (299, [], 1, True, b"HTTP/1.1 299 \r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n"),
    ],
)  # fmt: skip
def test_response_head_is_exactly_this(status, headers, size, keep_alive, head):
    assert response_head(status, headers, size, keep_alive) == head


def test_switch_head_is_exactly_this():
    assert switch_head([("Vary", "Origin")], b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nVary: Origin\r\n\r\n"
    )


# --- the opening handshake ------------------------------------------------------------------------


@pytest.mark.parametrize("upgrade", ["websocket", "WebSocket", "WEBSOCKET"])
def test_key_is_answered_as_the_rfc_says(upgrade):
    """RFC 6455 1.3: its own example."""
    asked = Request("GET", b"/", [(name.encode(), value.encode()) for name, value in
                                  {**HANDSHAKE, "upgrade": upgrade}.items()])  # fmt: skip
    assert accept_key(asked) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_any_key_is_answered_as_hashlib_says():
    chance = random.Random(6455)
    for _ in range(500):
        key = base64.b64encode(chance.randbytes(16))
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        assert accept_key(
            with_headers(**{**HANDSHAKE, "sec-websocket-key": key.decode()})
        ) == base64.b64encode(digest)


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"upgrade": "h2c"}, 400, "Invalid Upgrade header"),
        ({"upgrade": None}, 400, "Invalid Upgrade header"),
        ({"upgrade": "websocket2"}, 400, "Invalid Upgrade header"),
        ({"sec-websocket-key": None}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": ""}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": "c2hvcnQ="}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": KEY[:-1] + "!"}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": KEY[:3] + "-" + KEY[4:]}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": "\xe9" * 22 + "=="}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": "A" * 24}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-key": f"{KEY}, {KEY}"}, 400, "Missing or invalid Sec-WebSocket-Key header"),
        ({"sec-websocket-version": None}, 426, "Missing or invalid Sec-WebSocket-Version header"),
        ({"sec-websocket-version": "12"}, 426, "Missing or invalid Sec-WebSocket-Version header"),
        ({"sec-websocket-version": "13, 8"}, 426, "Missing or invalid Sec-WebSocket-Version header"),
    ],
)  # fmt: skip
def test_handshake_that_breaks_a_rule_is_refused(changes, status, text):
    """RFC 6455 4.2.1; 4.4: the version that is spoken comes with a 426."""
    fields = {**HANDSHAKE, **changes}
    raw = [
        (name.encode(), value.encode("latin-1"))
        for name, value in fields.items()
        if value is not None
    ]
    extra = [("Sec-WebSocket-Version", "13")] if status == 426 else []
    assert accept_key(Request("GET", b"/", raw)) == (status, text, extra)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("chat", "chat"), ("chat, superchat", "chat"), (" a ,b", "a"), ("", None), (None, None), (",b", None)],
)  # fmt: skip
def test_first_subprotocol_that_is_offered_is_chosen(offered, chosen):
    """RFC 6455 4.2.2; which one is Node's choice."""
    asked = with_headers() if offered is None else with_headers(sec_websocket_protocol=offered)
    assert chosen_protocol(asked) == ([("Sec-WebSocket-Protocol", chosen)] if chosen else [])


def test_nobody_hides_a_header_behind_its_case(cut):
    (got,), _ = read(cut(request(b"GET", b"/", b"SEC-WebSocket-KEY: " + KEY.encode())))
    assert got.headers["sec-websocket-key"] == KEY


def test_headers_of_a_request_made_by_hand_are_the_same_each_time():
    made = with_headers(origin="a")
    assert made.headers is made.headers
    assert made.query is made.query

"""How polling sessions write their payloads where it is not v4's text: what a handshake asks for, and JSONP.

Source: engineio.md 13.1 to 13.4; engine.io 6.6's JSONP.
"""

from __future__ import annotations

import pytest

import fastsio
from eio3_peer import OCTETS, jsonp_form, jsonp_payload, octets, text_payload
from fastsio._encoded import encode_engine_packet, encode_messages
from fastsio._frames import ProtocolError
from fastsio._http import Request
from fastsio.engine.payloads import TEXT, V3_BASE64, V3_OCTETS, payloads_of
from harness import http

BLOB = b"\x00\x01\xff"
FORM = "application/x-www-form-urlencoded"


def handshake(query: str) -> Request:
    return Request("GET", b"/socket.io/?transport=polling&" + query.encode(), [])


@pytest.mark.parametrize(
    ("protocol", "query", "payloads"),
    [
        (4, "EIO=4", None),
        (4, "EIO=4&b64=1", None),
        (3, "EIO=3", V3_OCTETS),
        (3, "EIO=3&b64=1", V3_BASE64),
        (3, "EIO=3&b64=", V3_OCTETS),
    ],
)
def test_handshake_says_how_payloads_look(protocol, query, payloads):
    assert payloads_of(protocol, handshake(query)) is payloads


def test_octets_are_only_for_answers_with_binary_packets():
    text, both = encode_engine_packet("4€".encode()), encode_messages(["a", BLOB])
    assert V3_OCTETS.encode([text, text]) == (text_payload("4€", "4€"), TEXT)
    assert V3_OCTETS.encode([text, both]) == (octets("4€", "4a", BLOB), OCTETS)
    assert V3_BASE64.encode([text, both]) == (text_payload("4€", "4a", BLOB), TEXT)


@pytest.mark.parametrize(
    ("query", "head"),
    [
        ("j=0", b"___eio[0]("),
        ("j=17", b"___eio[17]("),
        ("j=1%5D%3Balert(2)%2F%2F", b"___eio[12]("),
        ("j=", b"___eio[]("),
        ("j=abc", b"___eio[]("),
    ],
)
def test_jsonp_calls_the_function_that_digits_name_and_nothing_else(query, head):
    script, content_type = payloads_of(4, handshake(query)).encode([encode_engine_packet(b"6")])
    assert (script, content_type) == (head + b'"6");', TEXT)


@pytest.mark.parametrize("protocol", [3, 4])
def test_jsonp_escapes_what_would_end_a_line_or_the_string(protocol):
    text = "4a\u2028b\u2029c\n\r\"\\'\x00\x1e</script>€😀"
    script, _ = payloads_of(protocol, handshake("j=0")).encode(
        [encode_engine_packet(text.encode()), encode_messages([BLOB])]
    )
    expected = text_payload(text, BLOB) if protocol == 3 else text.encode() + b"\x1ebAAH/"
    assert jsonp_payload(script) == expected
    assert b"\\u2028" in script and b"\\u2029" in script


def test_jsonp_never_sends_octets():
    """A script can hold none; Node's server writes nonsense then."""
    script, _ = payloads_of(3, handshake("j=0")).encode([encode_messages([BLOB])])
    assert jsonp_payload(script) == text_payload(BLOB)


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize(
    "text", ["4a\nb", "4a\\nb", "4a\\\\nb", "4a\\\\\\n", "4\n\\n\n", "4a+b %26&d=x;€😀", "4"]
)
def test_form_gives_the_payload_back(protocol, text):
    payload = text_payload(text) if protocol == 3 else text.encode()
    payloads = payloads_of(protocol, handshake("j=0"))
    assert payloads.decode(jsonp_form(payload), FORM) == [("4", text[1:].encode())]


@pytest.mark.parametrize(
    ("body", "packets"),
    [
        (b"d=4a%5Cnb", [("4", b"a\nb")]),
        (b"d=4a%5C%5Cnb", [("4", b"a\\nb")]),
        (b"x=1&d=4a", [("4", b"a")]),
        (b"d=4%ff", [("4", "\ufffd".encode())]),
        (b"d=4%zz", [("4", b"%zz")]),
        (b"", []),
        (b"4a", []),
        (b"x=4a", []),
        (b"d=4a&d=4b", []),
    ],
)
def test_form_is_read_as_node_reads_it(body, packets):
    assert payloads_of(4, handshake("j=0")).decode(body, FORM) == packets


def test_form_with_an_empty_payload_is_a_mistake():
    with pytest.raises(ProtocolError):
        payloads_of(3, handshake("j=0")).decode(b"d=", FORM)


def test_octets_are_read_as_such_only_under_their_exact_content_type():
    body = octets("4a")
    assert V3_OCTETS.decode(body, OCTETS) == [("4", b"a")]
    for content_type in (None, "text/plain", "application/octet-stream; charset=x"):
        with pytest.raises(ProtocolError):
            V3_OCTETS.decode(body, content_type)


# --- whose page it is -----------------------------------------------------------------------------

ELSEWHERE = {"Referer": "https://evil.example/page?x=1"}
HIDDEN = {"Sec-Fetch-Site": "cross-site"}


async def opened(server, headers, query="&j=0", version="4"):
    """The status of a handshake, whose session is ended again."""
    path = f"/socket.io/?EIO={version}&transport=polling{query}"
    answer = await http(server.url, "GET", path, None, headers)
    if answer.status == 200:
        for session in list(server.engine.sessions.values()):
            session.abort("test")
    return answer.status


@pytest.mark.parametrize("version", ["3", "4"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (ELSEWHERE, 403),
        ({"Referer": "https://evil.example"}, 403),
        (HIDDEN, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # another host of the same domain
        ({"Referer": "http://app.example/page", "Host": "app.example"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),  # no browser
    ],
)
async def test_check_origin_looks_at_the_page_that_loads_the_script(
    serve, version, headers, status
):
    """A page may read every script, and a browser sends the reader's cookies along, but no Origin."""
    server = await serve(fastsio.AsyncServer())
    assert await opened(server, headers, version=version) == status


async def test_pages_that_cors_lets_in_may_use_jsonp(serve):
    server = await serve(fastsio.AsyncServer(cors_allowed_origins=["https://good.example"]))
    assert await opened(server, {"Referer": "https://good.example/a"}) == 200
    assert await opened(server, ELSEWHERE) == 403
    assert await opened(server, HIDDEN) == 403


@pytest.mark.parametrize(
    ("options", "headers", "query"),
    [
        ({"check_origin": False}, ELSEWHERE, "&j=0"),
        ({"cors_allowed_origins": "*"}, ELSEWHERE, "&j=0"),
        ({"cors_allowed_origins": []}, HIDDEN, "&j=0"),
        ({}, ELSEWHERE, ""),  # no script
        ({}, HIDDEN, ""),
    ],
)
async def test_nobody_else_is_refused_for_a_referer(serve, options, headers, query):
    server = await serve(fastsio.AsyncServer(**options))
    assert await opened(server, headers, query) == 200

"""Agreeing on permessage-deflate: each offer and its answer.

Source: RFC 6455 9.1 (the header), RFC 7692 5.1 and 7.1 (parameters); plain offers get the answers of Node's server.
"""

from __future__ import annotations

from typing import Any

import pytest

from fastsio._http import Request
from fastsio.engine.deflate import Deflation, offers
from fastsio.options import Options

PMD = "permessage-deflate"


def answer(offer: str | None, **settings: Any) -> tuple[str, Any] | None:
    options = Options(per_message_deflate=settings or True)
    fields = [] if offer is None else [(b"sec-websocket-extensions", offer.encode("latin-1"))]
    deflation = Deflation(options.per_message_deflate)
    return deflation.agree(Request("GET", b"/", fields))


@pytest.mark.parametrize(
    ("offer", "expected", "bits", "peer_bits", "context", "peer_context"),
    [
        (f"{PMD}", PMD, 15, 15, True, True),
        (f"{PMD}; client_max_window_bits", PMD, 15, 15, True, True),  # Chromium and Node offer this
        (f"{PMD}; client_max_window_bits=10", f"{PMD}; client_max_window_bits=10", 15, 10, True, True),
        (f"{PMD}; client_max_window_bits=8", f"{PMD}; client_max_window_bits=8", 15, 8, True, True),
        (f"{PMD}; client_max_window_bits=15", PMD, 15, 15, True, True),
        (f"{PMD}; server_max_window_bits=10", f"{PMD}; server_max_window_bits=10", 10, 15, True, True),
        (f"{PMD}; server_max_window_bits=15", f"{PMD}; server_max_window_bits=15", 15, 15, True, True),
        (f"{PMD}; server_no_context_takeover", f"{PMD}; server_no_context_takeover", 15, 15, False, True),
        (f"{PMD}; client_no_context_takeover", f"{PMD}; client_no_context_takeover", 15, 15, True, False),
        (
            f"{PMD}; client_no_context_takeover; client_max_window_bits; server_max_window_bits=9;"
            "server_no_context_takeover",  # Autobahn's 13.5
            f"{PMD}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
            9, 15, False, False,
        ),
    ],
)  # fmt: skip
def test_offer_is_answered(offer, expected, bits, peer_bits, context, peer_context):
    header, deflate = answer(offer)
    assert header == expected
    assert (deflate.window_bits, deflate.peer_window_bits) == (bits, peer_bits)
    assert (deflate.has_context, deflate.peer_has_context) == (context, peer_context)


@pytest.mark.parametrize(
    "offer",
    [
        None,
        "",
        " , ,",
        "x-webkit-deflate-frame",
        "PERMESSAGE-DEFLATE",
        "permessage-deflat",
        "permessage-deflated",
        f"{PMD}; unknown",
        f"{PMD}; unknown=1",
        f"{PMD}; Server_no_context_takeover",
        f"{PMD}; server_no_context_takeover; server_no_context_takeover",
        f"{PMD}; client_max_window_bits; client_max_window_bits",
        f"{PMD}; client_max_window_bits=10; client_max_window_bits=10",
        f"{PMD}; server_no_context_takeover=1",
        f'{PMD}; server_no_context_takeover=""',
        f"{PMD}; client_no_context_takeover=true",
        f"{PMD}; server_max_window_bits",
        f"{PMD}; server_max_window_bits=7",
        f"{PMD}; server_max_window_bits=8",  # zlib has no such window
        f"{PMD}; server_max_window_bits=16",
        f"{PMD}; server_max_window_bits=010",
        f"{PMD}; server_max_window_bits=+10",
        f"{PMD}; server_max_window_bits=1e1",
        f'{PMD}; server_max_window_bits=""',
        f'{PMD}; server_max_window_bits=" 10"',
        f"{PMD}; client_max_window_bits=7",
        f"{PMD}; client_max_window_bits=16",
        f"{PMD}; client_max_window_bits=08",
        f"{PMD}; client_max_window_bits=0",
        f"{PMD}; client_max_window_bits=100",
    ],
)
def test_offer_is_declined(offer):
    assert answer(offer) is None


@pytest.mark.parametrize(
    "offer",
    [
        f"{PMD};server_max_window_bits=10",
        f" \t{PMD} \t; \tserver_max_window_bits \t= \t10 \t",
        f'{PMD}; server_max_window_bits="10"',
        f'{PMD}; server_max_window_bits="1\\0"',
        f",, {PMD}; server_max_window_bits=10 ,,",
        f"foo, {PMD}; server_max_window_bits=10",
        f'foo; bar="a, {PMD}; \\"x", {PMD}; server_max_window_bits=10',
        f"{PMD}; server_max_window_bits=10, {PMD}",
        f"{PMD}; server_max_window_bits=8, {PMD}; server_max_window_bits=10",
        f"{PMD}; mystery, {PMD}; server_max_window_bits=10, {PMD}; server_max_window_bits=11",
        f"{PMD}; server_max_window_bits=10, not a header",
    ],
)
def test_first_offer_that_fits_is_taken(offer):
    """RFC 7692 5.1: offers stand in the order in which the client prefers them."""
    header, deflate = answer(offer)
    assert header == f"{PMD}; server_max_window_bits=10"
    assert deflate.window_bits == 10


@pytest.mark.parametrize(
    "offer", [f"foo=, {PMD}", f"; {PMD}", f'{PMD}; a="', f"{PMD} x", f"{PMD}; ", f"{PMD};;"]
)
def test_what_is_no_such_header_offers_nothing(offer):
    assert answer(offer) is None


def test_several_header_lines_are_one_list():
    """RFC 6455 9.1."""
    fields = [(b"sec-websocket-extensions", value) for value in (b"foo", PMD.encode())]
    deflation = Deflation(Options(per_message_deflate=True).per_message_deflate)
    assert deflation.agree(Request("GET", b"/", fields))[0] == PMD


def test_offers_of_a_long_header_are_all_read():
    assert list(offers("a; b=c, " * 5000))[-1] == ("a", [("b", "c")])


@pytest.mark.parametrize(
    ("offer", "settings", "expected"),
    [
        (PMD, {"server_no_context_takeover": True}, f"{PMD}; server_no_context_takeover"),
        (PMD, {"client_no_context_takeover": True}, f"{PMD}; client_no_context_takeover"),
        (PMD, {"server_max_window_bits": 11}, f"{PMD}; server_max_window_bits=11"),
        (f"{PMD}; server_max_window_bits=10", {"server_max_window_bits": 11}, f"{PMD}; server_max_window_bits=10"),
        (f"{PMD}; server_max_window_bits=12", {"server_max_window_bits": 11}, f"{PMD}; server_max_window_bits=11"),
        (f"{PMD}; client_max_window_bits", {"client_max_window_bits": 11}, f"{PMD}; client_max_window_bits=11"),
        (f"{PMD}; client_max_window_bits=10", {"client_max_window_bits": 11}, f"{PMD}; client_max_window_bits=10"),
        (f"{PMD}; client_max_window_bits=12", {"client_max_window_bits": 11}, f"{PMD}; client_max_window_bits=11"),
        # RFC 7692 7.1.2.2: not to a client that has not offered it; what it sends is taken with the largest window.
        (PMD, {"client_max_window_bits": 11}, PMD),
    ],
)  # fmt: skip
def test_option_limits_what_is_agreed(offer, settings, expected):
    assert answer(offer, **settings)[0] == expected


def test_window_of_a_client_that_offers_no_limit_is_the_largest():
    assert answer(PMD, client_max_window_bits=9)[1].peer_window_bits == 15

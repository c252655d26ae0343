"""What the log says of clients that can't be served."""

from __future__ import annotations

import logging

import pytest

import fastsio
from fastsio._http import Request
from fastsio.engine import errors
from fastsio.engine.hints import hint
from fastsio.options import Options
from harness import http

PATH = "/socket.io/"


def said(refusal: errors.Refusal, target: str, **options: object) -> str:
    return hint(refusal, Request("GET", target.encode(), []), Options(**options))


def test_client_of_socket_io_0_9_is_named():
    text = said(errors.UNKNOWN_TRANSPORT, f"{PATH}1/?t=1700000000000")
    assert "Socket.IO 0.9" in text


def test_transport_that_the_server_does_not_have_is_named_with_those_that_it_has():
    text = said(
        errors.UNKNOWN_TRANSPORT, f"{PATH}?EIO=4&transport=polling", transports=["websocket"]
    )
    assert "begins with polling" in text
    assert "`transports` names websocket alone" in text


def test_webtransport_over_http_1_is_pointed_to_http_3():
    text = said(
        errors.UNKNOWN_TRANSPORT,
        f"{PATH}?EIO=4&transport=webtransport",
        transports=["websocket", "webtransport"],
    )
    assert "HTTP/3" in text


def test_websocket_without_its_upgrade_points_to_the_proxy():
    text = said(errors.BAD_REQUEST, f"{PATH}?EIO=4&transport=websocket")
    assert "without an Upgrade header" in text
    assert "proxy" in text


@pytest.mark.parametrize(
    ("sid", "options", "is_hinted"),
    [("123456", {}, True), ("A" * 20, {}, False), ("123456", {"generate_id": repr}, False)],
)
def test_sid_that_was_never_an_id_of_ours_is_no_parameter(sid, options, is_hinted):
    text = said(errors.UNKNOWN_SID, f"{PATH}?EIO=4&transport=polling&sid={sid}", **options)
    assert ("a `sid` of its own" in text) is is_hinted


def test_version_is_named_and_not_in_full_length():
    text = said(errors.UNSUPPORTED_PROTOCOL_VERSION, f"{PATH}?EIO={'9' * 100}&transport=polling")
    assert f"EIO={'9' * 20!r}" in text
    assert "9" * 21 not in text
    assert "allow_eio3=True" in text


@pytest.mark.parametrize(
    ("refusal", "query"),
    [
        (errors.UNKNOWN_TRANSPORT, "EIO=4"),
        (errors.UNKNOWN_TRANSPORT, "EIO=4&transport=pigeon"),
        (errors.UNKNOWN_SID, f"EIO=4&transport=polling&sid={'A' * 20}"),
        (errors.BAD_HANDSHAKE_METHOD, "EIO=4&transport=polling"),
        (errors.BAD_REQUEST, "EIO=4&transport=polling&sid=x"),
        (errors.BAD_REQUEST, "EIO=4&transport=websocket&sid=x"),
    ],
)
def test_of_other_mistakes_nothing_is_said(refusal, query):
    assert said(refusal, f"{PATH}?{query}") == ""


@pytest.mark.parametrize(
    ("options", "query", "words"),
    [
        ({}, "EIO=4&transport=websocket", "Upgrade"),
        ({"transports": ["websocket"]}, "EIO=4&transport=polling", "transports"),
        ({"allow_eio3": False}, "transport=polling", "allow_eio3"),
    ],
)
async def test_log_has_one_warning_with_the_clients_address(serve, caplog, options, query, words):
    server = await serve(fastsio.IO(**options))
    with caplog.at_level(logging.WARNING, logger="fastsio"):
        assert (await http(server.url, "GET", f"{PATH}?{query}")).status == 400
    (record,) = caplog.records
    assert "can't serve a client from 127.0.0.1" in record.getMessage()
    assert words in record.getMessage()

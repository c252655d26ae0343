"""Refusals as the official server words them. Source: engineio.md 7.2."""

from __future__ import annotations

import logging

import pytest

import fastsio
from fastsio.engine import errors
from harness import http


@pytest.mark.parametrize(
    ("refusal", "body"),
    [
        (errors.UNKNOWN_TRANSPORT, b'{"code":0,"message":"Transport unknown"}'),
        (errors.UNKNOWN_SID, b'{"code":1,"message":"Session ID unknown"}'),
        (errors.BAD_HANDSHAKE_METHOD, b'{"code":2,"message":"Bad handshake method"}'),
        (errors.BAD_REQUEST, b'{"code":3,"message":"Bad request"}'),
        (
            errors.UNSUPPORTED_PROTOCOL_VERSION,
            b'{"code":5,"message":"Unsupported protocol version"}',
        ),
    ],
)
def test_refusal_has_the_official_body_and_status(refusal, body):
    assert (refusal.status, refusal.body) == (400, body)


async def test_client_that_sends_a_sid_of_its_own_is_hinted_at_once(serve, caplog):
    server = await serve(fastsio.IO())
    with caplog.at_level(logging.WARNING):
        for sid in ("123456", "654321", "A" * 20):
            target = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
            assert (await http(server.url, "GET", target)).json()["code"] == 1
    hints = [record.getMessage() for record in caplog.records]
    assert len(hints) == 1
    assert "'sid' is no parameter" in hints[0]

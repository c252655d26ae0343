"""Refusals as the official server words them. Source: engineio.md 7.2."""

from __future__ import annotations

import pytest

from fastsio.engine import errors


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

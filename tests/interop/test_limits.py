"""The official client against a server whose limits it meets: what its application is told, and that it comes back.

JavaScript: scenarios/limits.js.
"""

from __future__ import annotations

from typing import Any

import pytest

import fastsio

MODES = pytest.mark.parametrize("mode", ["polling", "websocket"])
NAMESPACES = ("/", "/a", "/b")


def echo_server(**options: Any) -> fastsio.IO:
    io = fastsio.IO(**options)
    for name in NAMESPACES:
        io.of(name).on("connection", lambda socket: socket.on("echo", lambda value: value))
    return io


@MODES
@pytest.mark.fault(
    "official clients come faster than max_connection_rate",
    "connect_error, and each comes in by itself when it tries again",
)
async def test_a_client_that_came_too_early_comes_back_by_itself(
    node: Any, serve: Any, mode: str
) -> None:
    server = await serve(echo_server(max_connection_rate=(2, 1)))
    errors = await node.play("triesAgain", server.url, mode)
    expected = ["xhr poll error", 503] if mode == "polling" else ["websocket error", None]
    assert errors
    assert all(error == expected for error in errors), errors


@MODES
async def test_a_namespace_too_many_is_a_connect_error_with_the_option(
    node: Any, serve: Any, mode: str
) -> None:
    server = await serve(echo_server(max_namespaces=1))
    refusal = await node.play("joinsOneTooMany", server.url, mode)
    assert refusal == {"message": "Too many namespaces (max_namespaces)"}


@MODES
@pytest.mark.parametrize(
    ("most", "count", "outcome"), [(10, 10, 10), (2, 3, "transport close"), (2, 2, 2)]
)
async def test_attachments_up_to_the_limit_come_and_go(
    node: Any, serve: Any, mode: str, most: int, count: int, outcome: Any
) -> None:
    server = await serve(echo_server(max_attachments=most))
    seen = await node.play("sendsAttachments", server.url, mode, count=count)
    assert seen == outcome

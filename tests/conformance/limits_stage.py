"""A server with one limit set low, and what can be seen of it when a client meets that: answer, reason, log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import fastsio


@dataclass
class Stage:
    """A running server; `ends` are (reason, description) of each client, `heard` what its clients sent as "say"."""

    server: Any
    app: Any
    caplog: pytest.LogCaptureFixture
    sockets: list[Any] = field(default_factory=list)
    ends: list[tuple[str, str | None]] = field(default_factory=list)
    heard: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def lines(self, option: str) -> list[str]:
        """The warnings in the log that name the option."""
        return [
            record.getMessage()
            for record in self.caplog.records
            if record.levelno == logging.WARNING and option in record.getMessage()
        ]

    def is_named_once(self, option: str) -> None:
        """The log has one line about it, however many clients met the limit."""
        lines = self.lines(option)
        assert len(lines) == 1, lines
        assert self.server.engine.rare_log.counts[option] >= 1


Open = Callable[..., Awaitable[Stage]]


def make_open(serve: Any, caplog: pytest.LogCaptureFixture) -> Open:
    """`stage = await open_stage(max_rooms=2)`"""

    async def open_stage(start: dict[str, Any] | None = None, **options: Any) -> Stage:
        app = fastsio.IO(**options)
        stage = Stage(None, app, caplog)

        def serve_client(socket: Any) -> None:
            stage.sockets.append(socket)
            socket.on("echo", lambda *args: args)
            socket.on("say", lambda *args: stage.heard.append(args))
            socket.on("disconnect", lambda reason, why: stage.ends.append((reason, why)))

        app.on("connection", serve_client)
        stage.server = await serve(app, **(start or {}))
        return stage

    return open_stage

"""A raw Engine.IO application, the same lines for python-engineio's AsyncServer and fastsio's."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs


def build(engineio: Any, log: list[Any], **options: Any) -> Any:
    """The application on `engineio.AsyncServer`; what its handlers saw goes to `log`."""
    eio = engineio.AsyncServer(**options)

    @eio.on("connect")
    async def connect(sid: str, environ: dict[str, Any]) -> Any:
        query = parse_qs(environ["QUERY_STRING"])
        how = query.get("connect", ["plain"])[0]
        log.append(["connect", how, environ["REQUEST_METHOD"], environ["PATH_INFO"]])
        if how == "late":
            await asyncio.sleep(0.05)
        if how == "greet":
            await eio.send(sid, "welcome")
            await eio.send(sid, b"\x00\x01")
        if how == "raise":
            raise RuntimeError("no")
        async with eio.session(sid) as session:
            session["how"] = how
        return {"false": False, "value": {"code": 7, "why": ["é"]}, "true": True}.get(how)

    @eio.on("message")
    async def message(sid: str, data: Any) -> None:
        log.append(["message", data.hex() if isinstance(data, bytes) else data])
        if data == "bye":
            await eio.disconnect(sid)
        elif data == "session":
            await eio.send(sid, await eio.get_session(sid))
        elif data == "transport":
            await eio.send(sid, eio.transport(sid))
        elif data == "many":
            for n in range(12):  # python-engineio's clients take no more than 16 at once
                await eio.send(sid, bytes([n]) if n % 3 else {"n": n})
        else:
            await eio.send(sid, data)

    @eio.on("disconnect")
    def disconnect(sid: str, reason: str) -> None:
        log.append(["disconnect", reason])

    return eio

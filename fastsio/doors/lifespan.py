"""The lifespan of an ASGI application: its startup before the first request, its shutdown behind the last.

Source: ASGI specification, "Lifespan Protocol" 2.0.
"""

import asyncio
import logging
from typing import Any

logger = logging.getLogger("fastsio.serve")


class StartupFailed(RuntimeError):
    """The application said that it can't start; the text is its own."""


class Lifespan:
    """Runs `app`'s lifespan; `state` is what it gives to its requests.

    An application that raises before it has answered has no lifespan, as the specification wants it.
    """

    def __init__(self, app: Any) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any]] | None = None
        self._has_started = False

    async def startup(self) -> None:
        """Returns once the application has started. Raises StartupFailed if it says that it has not."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer["type"] == "lifespan.startup.failed":
            await asyncio.wait([self._task])
            raise StartupFailed(answer.get("message") or "the application's startup failed")
        self._has_started = True

    async def shutdown(self, timeout_s: float) -> None:
        """Let the application end; one that takes longer than `timeout_s` seconds is cancelled."""
        if self._task is None or self._task.done():
            return
        try:
            answer = await asyncio.wait_for(self._ask("lifespan.shutdown"), timeout_s)
        except TimeoutError:
            logger.warning(
                "the application's shutdown did not end within %s s: cancelled", timeout_s
            )
        else:
            if answer["type"] == "lifespan.shutdown.failed":
                logger.error("the application's shutdown failed: %s", answer.get("message", ""))
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _ask(self, kind: str) -> dict[str, Any]:
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": kind})
        return await self._answer

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        error: BaseException | None = None
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception as caught:  # noqa: BLE001 - of an application that has no lifespan it may be any
            error = caught
        finally:
            self._end_of_task(error)

    def _end_of_task(self, error: BaseException | None) -> None:
        """The application's task is over: whoever waits for an answer of it gets one."""
        if self._answer is None or self._answer.done():
            logger.debug("lifespan of %r ended with %r", self._app, error)
        elif self._has_started:
            self._answer.set_result({"type": "lifespan.shutdown.failed", "message": repr(error)})
        else:
            logger.info("%r has no lifespan: %r", self._app, error)
            self._answer.set_result({"type": "unsupported"})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._answer is None or self._answer.done():
            raise RuntimeError(f"{message.get('type')!r} answers no lifespan event")
        self._answer.set_result(message)

"""Front: what stands before the engine where an application has hung something in: middleware, questions, listeners.

An engine without any has none, and serves requests directly. A request that has been through comes to the engine again
with a Response as its `answer`. Source: engine.io's Server, `use()` and `_applyMiddlewares`.
"""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.engine.cors import ask_origin, cors_headers, needs_time
from fastsio.engine.errors import BAD_REQUEST
from fastsio.engine.ports import Exchange, Headers, Hooks, Middleware, Request
from fastsio.engine.response import Response, as_dict, as_list
from fastsio.logged import one_line

if TYPE_CHECKING:
    from fastsio.engine.engine import Engine

logger = logging.getLogger("fastsio.engine")


class Front:
    """Takes each request once, and gives it back to the engine unless it is refused or answered here."""

    def __init__(self, engine: "Engine", hooks: Hooks | None) -> None:
        self._engine = engine
        self._hooks = hooks
        self._asks_origin = needs_time(engine.options)
        self._has_cors = engine.options.cors_allowed_origins is not None
        self._tasks: set[asyncio.Task[Any]] = set()

    @staticmethod
    def of(engine: "Engine", hooks: Hooks | None) -> "Front | None":
        """The one that an engine needs: None if there is nothing to do before it."""
        if hooks is None and not needs_time(engine.options):
            return None
        return Front(engine, hooks)

    def takes(self, request: Request, exchange: Exchange) -> bool:
        """True if the request is in work, or answered; False if the engine is to go on with it."""
        if request.answer is not None:
            return False
        request.answer = Response()
        bundle = self._engine.bundle
        middleware = self._hooks.middleware if self._hooks is not None else ()
        # As in Node, whose `cors` comes first, middleware sees neither these nor preflights: they carry no cookies.
        is_preflight = request.method == "OPTIONS" and self._has_cors
        if is_preflight or (bundle is not None and bundle.has(request)):
            middleware = ()
        if not middleware and not self._asks_origin:
            return False
        task = start_eager(
            self._work(request, exchange, middleware), self._tasks, "engine middleware"
        )
        if task is not None and not task.done():
            exchange.on_abort = functools.partial(self._client_has_gone, task, request, exchange)
        return True

    def added_headers(self, request: Request) -> Headers:
        """What middleware has set for the answer to a request."""
        return [] if request.answer is None else request.answer.added_headers()

    def told(self, request: Request, headers: Headers) -> Headers:
        """`headers`, and those that middleware has set, as listeners want them: for each answer of a session's.

        Listeners get a dict, see response.as_dict().
        """
        headers = headers + self.added_headers(request)
        hooks, is_first = self._hooks, not request.argument("sid")
        if hooks is None or not (
            hooks.hears("headers") or (is_first and hooks.hears("initial_headers"))
        ):
            return headers
        given = as_dict(headers)
        if is_first:
            hooks.tell("initial_headers", given, request)
        hooks.tell("headers", given, request)
        return as_list(given)

    def _client_has_gone(
        self, task: asyncio.Task[Any], request: Request, exchange: Exchange
    ) -> None:
        self._engine.release_post(request, exchange)
        task.cancel()

    async def _work(
        self, request: Request, exchange: Exchange, middleware: tuple[Middleware, ...]
    ) -> None:
        engine, response = self._engine, request.answer
        error: Exception | None = None
        if self._asks_origin:
            response.allows_origin = False  # until it has said otherwise
        try:
            async with asyncio.timeout(engine.options.connect_timeout) as deadline:
                if self._asks_origin:
                    response.allows_origin = await ask_origin(engine.options, request)
                for fn, count in middleware:
                    if response.is_ended:
                        break
                    await run(fn, count, request, response, engine.options.middleware_timeout)
        except Exception as caught:  # noqa: BLE001  whatever middleware raises refuses the request
            error = caught
        exchange.on_abort = None
        if response.is_ended:
            self._answer(response, request, exchange)
        elif error is not None:
            self._refuse(error, deadline.expired(), request, exchange)
        elif not engine.is_open:
            exchange.respond(503, [], b"The server is shutting down", keep_alive=False)
        elif hasattr(exchange, "accept_webtransport"):
            engine.handle_connect(request, exchange)
        else:
            engine.handle(request, exchange)

    def _refuse(
        self, error: Exception, is_late: bool, request: Request, exchange: Exchange
    ) -> None:
        """Middleware has raised `error`, or has taken too long."""
        engine = self._engine
        if is_late:
            logger.warning(
                "%s %s refused: middleware of the engine took more than %s s (connect_timeout)",
                request.method, one_line(request.path), engine.options.connect_timeout,
            )  # fmt: skip
        else:
            logger.info("refused by middleware of the engine", exc_info=error)
        engine.release_post(request, exchange)
        context = {"name": "MIDDLEWARE_FAILURE", "error": error}
        engine.refuse(BAD_REQUEST, request, exchange, context)

    def _answer(self, response: Response, request: Request, exchange: Exchange) -> None:
        """Middleware has answered it."""
        self._engine.release_post(request, exchange)
        exchange.respond(
            response.status_code,
            cors_headers(self._engine.options, request) + response.own_headers(),
            response.body,
            keep_alive=not request.is_upgrade,
            is_head=request.method == "HEAD",
        )


async def run(
    fn: Callable[..., Any], count: int, request: Request, response: Response, timeout_s: float
) -> None:
    """Call a middleware that takes `count` of (request, response, next).

    One that takes next has to call that, or to answer the request, within `timeout_s` seconds after it has returned;
    next(error) raises the error.
    """
    if count == 3:
        await _run_until_next(fn, request, response, timeout_s)
        return
    result = fn(*(request, response)[:count])
    if hasattr(result, "__await__"):
        await result


async def _run_until_next(
    fn: Callable[..., Any], request: Request, response: Response, timeout_s: float
) -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def go_on(error: Any = None) -> None:
        if done.done():
            logger.debug("%r called next() again", fn)
        elif not error:
            done.set_result(None)
        else:
            done.set_exception(error if isinstance(error, Exception) else RuntimeError(error))

    response.on_end = go_on
    try:
        result = fn(request, response, go_on)
        if hasattr(result, "__await__"):
            await result
        async with asyncio.timeout(timeout_s):
            await done
    except TimeoutError:
        if not done.done() or done.cancelled():
            logger.warning(
                "%s %s refused: middleware %r returned, and neither called next() nor answered for %s s "
                "(middleware_timeout)",
                request.method, one_line(request.path), fn, timeout_s,
            )  # fmt: skip
        raise
    finally:
        response.on_end = None
        if done.done() and not done.cancelled():
            done.exception()  # seen, even where fn itself has raised

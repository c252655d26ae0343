"""Questions: what an application is asked about a handshake, the options allow_request and generate_id.

An engine without these options has no Questions and asks nobody. Source: engine.io's Server, `verify` and `handshake`.
"""

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.engine.errors import BAD_REQUEST, FORBIDDEN, Refusal
from fastsio.engine.ports import Exchange, Hooks, Request
from fastsio.logged import short_id

if TYPE_CHECKING:
    from fastsio.engine.engine import Engine

logger = logging.getLogger("fastsio.engine")

# What has a meaning of its own in the JSON, the URL or the cookie that an id is put into.
NOT_IN_SID = frozenset('"\\ &#%+;,<>')


class Questions:
    """Asks allow_request and generate_id, which may take their time; then the engine opens the session, or refuses."""

    def __init__(self, engine: "Engine", generate: Callable[[Request], Any] | None) -> None:
        self._engine = engine
        self._allow = engine.options.allow_request
        self._generate = generate
        self._tasks: set[asyncio.Task[Any]] = set()

    @staticmethod
    def of(engine: "Engine", hooks: Hooks | None) -> "Questions | None":
        """Those of an engine's options and hooks, None if they ask for nothing."""
        generate = (
            engine.options.generate_id if hooks is None or hooks.make_id is None else hooks.make_id
        )
        is_asking = engine.options.allow_request is not None or generate is not None
        return Questions(engine, generate) if is_asking else None

    def ask(self, transport: str, request: Request, exchange: Exchange, protocol: int) -> None:
        """Decide on a handshake that is right so far."""
        task = start_eager(
            self._ask(transport, request, exchange, protocol), self._tasks, "allow_request"
        )
        if task is not None and not task.done():
            exchange.on_abort = functools.partial(end_task, task)

    async def _ask(
        self, transport: str, request: Request, exchange: Exchange, protocol: int
    ) -> None:
        engine = self._engine
        context: dict[str, Any] | None = None
        sid = ""
        refusal = None
        if self._allow is not None:
            refusal = await self._asked_to_allow(self._allow, request)
        if refusal is not None:
            context = {"message": refusal.message}
        else:
            try:
                sid = await self._made_id(request)
            except Exception as error:  # an application's function may raise anything
                logger.error("no session, as generate_id failed", exc_info=error)
                refusal = BAD_REQUEST
                context = {"name": "ID_GENERATION_ERROR", "error": error}
        exchange.on_abort = None
        if refusal is not None:
            engine.refuse(refusal, request, exchange, context)
        else:
            engine.open(transport, request, exchange, protocol, sid)

    async def _asked_to_allow(
        self, allow: Callable[[Request], Any], request: Request
    ) -> Refusal | None:
        """What allow_request says: None lets the client in.

        The texts of errors that were not raised to refuse somebody are nobody's business: they are logged.
        """
        try:
            answer = await self._wait_for(
                asked_with_callback(allow, request) if takes_callback(allow) else allow(request)
            )
        except (PermissionError, ConnectionRefusedError) as error:
            return forbidden(str(error))
        except Exception as error:  # an application's function may raise anything
            said = getattr(
                error, "error_args", None
            )  # of fastsio.exceptions.ConnectionRefusedError
            if isinstance(said, dict):
                return forbidden(str(said["message"]))
            logger.error("a client was refused, as allow_request failed", exc_info=error)
            return forbidden()
        message, is_allowed = answer if isinstance(answer, tuple) else (None, answer)
        if is_allowed is None:
            logger.warning(
                "allow_request returned %r: it has to return True to let a client in", answer
            )
        return None if is_allowed else forbidden("" if message is None else str(message))

    async def _made_id(self, request: Request) -> str:
        if self._generate is None:
            return self._engine.new_id()
        sid = await self._wait_for(self._generate(request))
        if not is_sid(sid) or sid + self._engine.sid_suffix in self._engine.sessions:
            # Not whole: it may be another client's, and this is logged.
            what = short_id(sid) if isinstance(sid, str) else sid
            raise ValueError(
                f"{what!r}: a text is needed that no client has, fit for a URL and a cookie"
            )
        return str(sid) + self._engine.sid_suffix

    async def _wait_for(self, answer: Any) -> Any:
        if not hasattr(answer, "__await__"):
            return answer
        async with asyncio.timeout(self._engine.options.connect_timeout):
            return await answer


def takes_callback(allow: Callable[..., Any]) -> bool:
    """Whether a function is of Node's form, (request, callback)."""
    try:
        signature = inspect.signature(allow)
        signature.bind(None, None)
    except (TypeError, ValueError):  # ValueError: a builtin that tells nothing
        return False
    try:
        signature.bind(None)
    except TypeError:
        return True
    return False  # the second one is the function's own affair


async def asked_with_callback(allow: Callable[..., Any], request: Request) -> tuple[Any, bool]:
    """What a function calls its callback(message, is_allowed) with; whatever it raises."""
    answer: asyncio.Future[tuple[Any, bool]] = asyncio.get_running_loop().create_future()

    def callback(message: Any = None, is_allowed: bool = False) -> None:
        if not answer.done():
            answer.set_result((message, bool(is_allowed)))

    result = allow(request, callback)
    if hasattr(result, "__await__"):
        await result
    return await answer


def end_task(task: asyncio.Task[Any]) -> None:
    """Nobody waits for the answer any more."""
    task.cancel()


def forbidden(message: str = "") -> Refusal:
    """A refusal that says so, or something else."""
    return Refusal(FORBIDDEN, message or "Forbidden", 403)


def is_sid(sid: Any) -> bool:
    """Whether it can be a session's id."""
    return (
        isinstance(sid, str)
        and sid.isascii()
        and sid.isprintable()
        and bool(sid)
        and not NOT_IN_SID & set(sid)
    )

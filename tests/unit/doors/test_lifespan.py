"""The lifespan of an ASGI application: what it answers, and what becomes of one that does not."""

from __future__ import annotations

import asyncio

import pytest

from fastsio.doors.lifespan import Lifespan, StartupFailed
from harness import MS


def app_that(*answers, events=None):
    """An application that answers each event with the next of `answers`; an exception is raised."""
    events = [] if events is None else events

    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        scope["state"]["made"] = "at startup"
        for answer in answers:
            events.append((await receive())["type"])
            if isinstance(answer, BaseException):
                raise answer
            await send(answer)

    return app


STARTED = {"type": "lifespan.startup.complete"}
STOPPED = {"type": "lifespan.shutdown.complete"}


async def test_startup_and_shutdown_are_answered_and_state_is_kept(watch):
    events = []
    lifespan = Lifespan(app_that(STARTED, STOPPED, events=events))
    await lifespan.startup()
    assert lifespan.state == {"made": "at startup"}
    assert events == ["lifespan.startup"]
    await lifespan.shutdown(1)
    await lifespan.shutdown(1)
    assert events == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize(
    ("message", "text"),
    [("no database", "no database"), (None, "the application's startup failed")],
)
async def test_startup_that_failed_is_an_error_with_the_applications_text(watch, message, text):
    answer = {"type": "lifespan.startup.failed"}
    if message is not None:
        answer["message"] = message
    with pytest.raises(StartupFailed, match=f"^{text}$"):
        await Lifespan(app_that(answer)).startup()


async def test_application_that_raises_has_no_lifespan(watch):
    lifespan = Lifespan(app_that(ValueError("only http here")))
    await lifespan.startup()
    await lifespan.shutdown(1)


async def test_application_that_returns_has_no_lifespan(watch):
    lifespan = Lifespan(app_that())
    await lifespan.startup()
    await lifespan.shutdown(1)


async def test_shutdown_that_failed_is_logged(watch):
    lifespan = Lifespan(app_that(STARTED, {"type": "lifespan.shutdown.failed", "message": "leak"}))
    await lifespan.startup()
    await lifespan.shutdown(1)
    watch.expect_error("the application's shutdown failed: leak")


async def test_exception_in_the_shutdown_is_logged(watch):
    lifespan = Lifespan(app_that(STARTED, ValueError("broken")))
    await lifespan.startup()
    await lifespan.shutdown(1)
    watch.expect_error("the application's shutdown failed: ValueError('broken')")


async def test_shutdown_that_does_not_end_is_cancelled(watch, caplog):
    cancelled = []

    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        await receive()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown(20 * MS)
    assert cancelled == [True]
    assert "did not end within" in caplog.text


async def test_answer_to_nothing_is_the_applications_error(watch):
    errors = []

    async def app(scope, receive, send):
        await receive()
        await send(STARTED)
        try:
            await send(STARTED)
        except RuntimeError as error:
            errors.append(str(error))

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown(1)
    assert errors == ["'lifespan.startup.complete' answers no lifespan event"]

"""Guards at work, by session: noted until they end, cancelled when their client has been sent away."""

from __future__ import annotations

import asyncio

import pytest

from clock_loop import pass_time
from fastsio._wheel import Wheel
from fastsio.core.admissions import Admissions
from fastsio.options import Options


class Session:
    """What a session has for its guards: the engine's wheel and options."""

    def __init__(self) -> None:
        self.engine = self
        self.options = Options(connect_timeout=45.0)
        self.wheel = Wheel(asyncio.get_running_loop(), 1.0)


def waiting_for(future: asyncio.Future[None]) -> asyncio.Task[None]:
    """A task that ends with `future`, and can be cancelled without it."""

    async def wait() -> None:
        await asyncio.shield(future)

    return asyncio.create_task(wait())


async def test_tasks_are_noted_until_they_end():
    admissions, session = Admissions(), Session()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks = [waiting_for(ended) for _ in range(2)]
    for task in tasks:
        admissions.add(session, task)
    assert len(admissions) == 1
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert len(admissions) == 1
    ended.set_result(None)
    await asyncio.gather(*tasks[1:])
    await asyncio.sleep(0)
    assert len(admissions) == 0
    assert session.wheel.count == 0
    session.wheel.close()


async def test_only_those_of_the_session_are_cancelled_and_each_is_said(caplog):
    admissions, one, other = Admissions(), Session(), Session()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks = {who: waiting_for(never) for who in (one, other)}
    for who, task in tasks.items():
        admissions.add(who, task)
    admissions.cancel(one, 45.0)
    admissions.cancel(object(), 45.0)
    await asyncio.wait([tasks[one]])
    assert tasks[one].cancelled()
    assert not tasks[other].done()
    (line,) = caplog.messages
    assert "did not admit its client within 45.0 s (connect_timeout)" in line
    never.cancel()
    await asyncio.wait([tasks[other]])
    for session in (one, other):
        session.wheel.close()


@pytest.mark.asyncio(loop_factories=["clock"])
async def test_each_has_connect_timeout_from_its_own_beginning(caplog):
    admissions, session = Admissions(), Session()
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    early, quick = waiting_for(never), asyncio.create_task(asyncio.sleep(44))
    for task in (early, quick):
        admissions.add(session, task)
    await pass_time(30)
    late = waiting_for(never)
    admissions.add(session, late)
    await pass_time(16)
    assert early.cancelled()
    assert quick.done()
    assert not quick.cancelled()
    assert not late.done()
    await pass_time(30)
    assert late.cancelled()
    assert len(admissions) == 0
    assert len(caplog.messages) == 2
    never.cancel()
    session.wheel.close()

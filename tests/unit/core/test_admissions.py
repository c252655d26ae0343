"""Guards at work, by session: noted until they end, cancelled when their client has been sent away."""

from __future__ import annotations

import asyncio

from fastsio.core.admissions import Admissions


def waiting_for(future: asyncio.Future[None]) -> asyncio.Task[None]:
    """A task that ends with `future`, and can be cancelled without it."""

    async def wait() -> None:
        await asyncio.shield(future)

    return asyncio.create_task(wait())


async def test_tasks_are_noted_until_they_end():
    admissions, session = Admissions(), object()
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


async def test_only_those_of_the_session_are_cancelled_and_each_is_said(caplog):
    admissions, one, other = Admissions(), object(), object()
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

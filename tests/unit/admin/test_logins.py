"""Who may be an admin, and for how long."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

import fastsio
from admin_page import LOGIN
from fastsio.admin.logins import LOGIN_S, MAX_LOGINS, Logins
from fastsio.exceptions import ConnectionRefusedError


async def refusal(join: Any, sio: Any, auth: Any) -> Any:
    """What an admin's CONNECT_ERROR says, None if there is none."""
    peer = await join.open(sio)
    await peer.send("40/admin," + json.dumps(auth))
    packet = await peer.receive()
    return json.loads(packet[9:]) if packet.startswith("44/admin,") else None


async def by_coroutine(given: Any) -> bool:
    await asyncio.sleep(0)
    return given == LOGIN


OTHER = {"username": "other", "password": "pw2"}


@pytest.mark.parametrize(
    "auth",
    [LOGIN, [LOGIN, OTHER], (OTHER, LOGIN), lambda given: given == LOGIN, by_coroutine],
    ids=["dict", "list", "tuple", "function", "coroutine"],
)
async def test_only_who_has_the_login_may_be_an_admin(join, sio, auth):
    sio.instrument(auth)
    for wrong in (
        {"username": "admin", "password": "p"}, {"username": "admin"}, {**LOGIN, "more": 1}, {},
        {"sessionId": None}, {"sessionId": "0123456789abcdef"}, {"sessionId": 1}, {"sessionId": ["x"]},
    ):  # fmt: skip
        assert await refusal(join, sio, wrong) == {"message": "invalid credentials"}
    assert await refusal(join, sio, LOGIN) is None


async def test_without_authentication_everybody_is_an_admin(join, sio):
    sio.instrument(auth=False)
    for auth in ({}, {"sessionId": None}, LOGIN):
        assert await refusal(join, sio, auth) is None


async def test_a_login_is_remembered_for_the_page_that_is_loaded_again(join, enter, sio):
    sio.instrument(LOGIN)
    page = await enter(sio, is_told=False)
    session_id = await page.next("session")
    assert re.fullmatch("[0-9a-f]{16}", session_id)
    again = await enter(sio, {"sessionId": session_id}, is_told=False)
    assert (await again.event())[0] == "room_joined"  # and no session once more
    assert await refusal(join, sio, {"sessionId": session_id[::-1] + "0"}) is not None


async def test_a_function_that_fails_admits_nobody(join, sio, watch):
    def fails(given: Any) -> bool:
        raise RuntimeError("no database")

    sio.instrument(auth=fails)
    said = await refusal(join, sio, LOGIN)
    assert said == {"message": "Connection rejected by server"}
    watch.expect_error("handler of 'connect' in '/admin' failed", "no database")


async def test_who_is_refused_under_always_connect_hears_nothing(join, enter):
    sio = fastsio.AsyncServer(always_connect=True)
    asked = asyncio.get_running_loop().create_future()

    async def slow(given: Any) -> bool:
        return given == LOGIN or await asked

    sio.instrument(auth=slow)
    peer = await join.open(sio)
    assert (await peer.connect("/admin", {"password": "?"}))["sid"]
    page = await enter(sio)
    await enter(sio)
    for name in ("room_joined", "socket_connected"):  # of the other admin
        assert (await page.event())[0] == name
    await sio.emit("news")
    await join(sio, "/")
    assert (await page.next("room_joined"))[0] == "/"
    asked.set_result(False)
    assert await peer.receive() == "41/admin,"


async def test_logins_end_and_are_not_kept_without_limit(monkeypatch):
    now = 0.0
    monkeypatch.setattr("fastsio.admin.logins.time.monotonic", lambda: now)
    logins = Logins(LOGIN, lambda fn: fn)
    first = await logins.admit(LOGIN)
    assert await logins.admit({"sessionId": first}) is None
    now = LOGIN_S - 1
    assert await logins.admit({"sessionId": first}) is None
    now = LOGIN_S
    with pytest.raises(ConnectionRefusedError, match="invalid credentials"):
        await logins.admit({"sessionId": first})
    ids = [await logins.admit(LOGIN) for _ in range(MAX_LOGINS + 1)]
    assert len(set(ids)) == MAX_LOGINS + 1
    assert await logins.admit({"sessionId": ids[-1]}) is None
    with pytest.raises(ConnectionRefusedError):
        await logins.admit({"sessionId": ids[0]})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "auth must be specified"),
        ({"auth": None}, "auth must be specified"),
        ({"auth": {}}, r"auth=\{\}: a dict such as"),
        ({"auth": []}, r"auth=\[\]: a dict such as"),
        ({"auth": [{}]}, "auth=a list: a dict such as"),
        ({"auth": "secret"}, "auth=a str: a dict such as"),
        ({"auth": True}, "auth=a bool: a dict such as"),
        ({"auth": LOGIN, "mode": "debug"}, "mode='debug': \"development\" or \"production\""),
        ({"auth": LOGIN, "namespace": "/"}, "namespace='/': one of its own"),
        ({"auth": LOGIN, "namespace": "*"}, r"namespace='\*': one of its own"),
        ({"auth": LOGIN, "namespace": None}, "namespace=None: one of its own"),
        ({"auth": LOGIN, "server_stats_interval": 0}, "server_stats_interval=0: a number of seconds"),
        ({"auth": LOGIN, "server_stats_interval": "2"}, "server_stats_interval='2': a number of sec"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("cls", [fastsio.AsyncServer, fastsio.Server])
def test_values_that_cant_be_are_refused_and_secrets_are_not_repeated(cls, arguments, text):
    sio = cls()
    with pytest.raises(ValueError, match=text) as caught:
        sio.instrument(**arguments)
    assert "secret" not in str(caught.value)
    assert sio.hub.observer is None
    assert "/admin" not in sio.hub.namespaces

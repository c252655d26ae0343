"""The official client and rooms: who gets a broadcast, who does not, and nobody twice.

Each test plays one scenario of scenarios/rooms.js.
"""

from __future__ import annotations

from typing import Any

import pytest

only_io = pytest.mark.parametrize("style", ["io"], indirect=True)


async def test_rooms_are_joined_and_left(stage: Any, mode: str) -> None:
    await stage.play("joinAndLeave", mode)


async def test_the_sender_is_excluded(stage: Any, mode: str) -> None:
    await stage.play("senderIsExcluded", mode)


async def test_a_recipient_in_two_rooms_gets_it_once(stage: Any, mode: str) -> None:
    await stage.play("aRecipientInTwoRoomsGetsItOnce", mode)


@only_io
async def test_rooms_can_be_excepted(stage: Any, mode: str) -> None:
    await stage.play("exceptRooms", mode)


async def test_a_sockets_id_is_its_own_room(stage: Any, mode: str) -> None:
    await stage.play("ownIdIsARoom", mode)


async def test_disconnected_sockets_are_in_no_room(stage: Any, mode: str) -> None:
    await stage.play("roomIsEmptiedAtDisconnect", mode)


async def test_closed_room_is_empty(stage: Any, mode: str) -> None:
    await stage.play("closedRoomIsEmpty", mode)


@only_io
async def test_server_joins_and_leaves_rooms_for_others(stage: Any, mode: str) -> None:
    await stage.play("serverJoinsAndLeavesForOthers", mode)


@only_io
async def test_everyone_in_a_room_is_disconnected(stage: Any, mode: str) -> None:
    await stage.play("aRoomIsDisconnected", mode)
    assert stage.log.reasons("/")[:2] == [stage.words("server namespace disconnect")] * 2


@only_io
@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"], indirect=True)
async def test_volatile_reaches_a_client_that_can_take_it(stage: Any, mode: str) -> None:
    await stage.play("volatileReachesAQuietClient", mode)


async def test_rooms_carry_binary(stage: Any, mode: str) -> None:
    await stage.play("roomsCarryBinaryAndSeveralArguments", mode)


async def test_broadcasts_of_one_sender_keep_their_order(stage: Any, mode: str) -> None:
    await stage.play("broadcastsOfOneSenderKeepTheirOrder", mode)


async def test_one_broadcast_reaches_clients_of_every_transport(stage: Any) -> None:
    await stage.play("broadcastReachesEveryTransport", "upgrading")


async def test_100_clients_at_once_all_hear_every_broadcast(stage: Any, mode: str) -> None:
    run = await stage.start("manyClients", mode, clients=100, rounds=10)
    await run.note("all heard")
    assert len(stage.server.engine.sessions) == 100
    assert len(stage.server.hub.namespaces["/"].sockets) == 100
    run.say("go")
    await run.result()
    await stage.all_gone()
    sids = [sid for _, _, sid in stage.log.of("connect")]
    assert sorted(sid for _, _, sid, _ in stage.log.of("disconnect")) == sorted(sids)

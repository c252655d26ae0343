"""The chat example's rooms.py by itself: what a browser does not show.

test_chat_browser.py has the rest, through the servers.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

PNG = b"\x89PNG\r\n\x1a\n"


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("chat_rooms", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["chat_rooms"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rooms = load(Path(__file__).parents[2] / "examples" / "chat" / "rooms.py")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set its `now` in seconds."""

    class Clock:
        now = 1000.0

        def time(self) -> float:
            return self.now

        monotonic = time

    clock = Clock()
    monkeypatch.setattr(rooms, "time", clock)
    return clock


@pytest.fixture
def chat(clock: Any) -> Any:
    return rooms.Chat()


def join(chat: Any, sid: str, name: str, room: str = "Lobby", key: str = "", **more: Any) -> Any:
    return chat.join(sid, {"name": name, "room": room, "key": key or f"key-of-{sid}", **more})


def post(chat: Any, sid: str, number: int, **more: Any) -> Any:
    return chat.post(sid, {"id": f"message-{number}", "text": f"{number}", **more})


def kept(chat: Any, room: str = "Lobby") -> list[str]:
    return [message["text"] for message in chat.rooms[rooms.fold(room)].messages]


def test_a_message_that_is_posted_again_gets_its_first_answer_and_is_not_passed_on(chat, clock):
    join(chat, "a", "Ann")
    first = post(chat, "a", 1)
    clock.now += 60
    again = post(chat, "a", 1)
    assert first.message["text"] == "1"
    assert again.message is None
    assert again.at == first.at
    assert kept(chat) == ["1"]


def test_times_rise_within_a_room_even_if_the_clock_does_not(chat, clock):
    join(chat, "a", "Ann")
    times = [post(chat, "a", 1).at, post(chat, "a", 2).at]
    clock.now -= 3600
    times.append(post(chat, "a", 3).at)
    assert times == [1_000_000, 1_000_001, 1_000_002]


def test_a_welcome_has_the_messages_since_the_time_the_client_names(chat):
    join(chat, "a", "Ann")
    at = [post(chat, "a", number).at for number in range(3)]
    for since, expected in ((None, "012"), ("x", "012"), (at[0], "12"), (at[2], ""), (1e99, "")):
        person = join(chat, "b", "Bob").person
        messages = chat.welcome(person, {"since": since})["messages"]
        assert "".join(message["text"] for message in messages) == expected


def test_a_room_keeps_its_last_messages_and_not_more_than_so_many_bytes_of_pictures(chat, clock):
    join(chat, "a", "Ann")
    for number in range(rooms.KEPT_MESSAGES + 1):
        clock.now += 1
        post(chat, "a", number)
    assert kept(chat)[0] == "1"
    picture = PNG + bytes(2_500_000)
    for number in range(100, 103):
        post(chat, "a", number, picture=picture)
    assert kept(chat) == ["101", "102"]


def test_empty_rooms_are_forgotten_when_there_are_too_many_but_never_the_lobby(chat, clock):
    for number in range(2 * rooms.KEPT_ROOMS):
        clock.now += 1
        join(chat, "a", "Ann", f"Room {number}")
    names = [room["name"] for room in chat.room_list()]
    assert len(names) == rooms.KEPT_ROOMS
    assert rooms.LOBBY in names
    assert names[-1] == f"Room {2 * rooms.KEPT_ROOMS - 1}"
    assert "Room 1" not in names


def test_a_client_that_asks_too_much_is_refused_until_it_has_waited(chat, clock):
    join(chat, "a", "Ann")
    join(chat, "b", "Bob")
    for number in range(rooms.BURST - 1):
        post(chat, "a", number)
    with pytest.raises(rooms.RefusedError, match="too much at once"):
        post(chat, "a", 1000)
    assert post(chat, "b", 1001).message is not None
    clock.now += rooms.BURST_S
    assert post(chat, "a", 1000).message is not None


def test_a_name_is_taken_over_only_with_its_key(chat):
    join(chat, "a", "Ann", "Cats", key="secret-of-ann")
    with pytest.raises(rooms.RefusedError, match="called Ann already"):
        join(chat, "b", "ANN", key="secret-of-bob")
    chat.changed_rooms()
    move = join(chat, "c", "Ann", key="secret-of-ann")
    assert move.replaced == "a"
    assert [room.listing for room in chat.changed_rooms()] == [
        {"room": "Cats", "people": []},
        {"room": "Lobby", "people": ["Ann"]},
    ]
    chat.leave("a")  # its connection ends now
    assert chat.changed_rooms() == []
    assert chat.rooms["lobby"].listing["people"] == ["Ann"]


def test_a_refused_join_leaves_a_client_where_it_is(chat):
    join(chat, "a", "Ann", "Cats")
    with pytest.raises(rooms.RefusedError, match="room is empty"):
        join(chat, "a", "Ann", "\u202e \u2066")
    assert chat.people["a"].room.name == "Cats"


def test_a_room_named_like_a_client_is_not_that_clients_own_room(chat):
    assert join(chat, "a", "Ann", room="b").person.room.channel == "room:b"


def test_typing_is_passed_on_at_most_once_a_second_and_at_once_after_a_message(chat, clock):
    assert chat.typing("a") is None
    person = join(chat, "a", "Ann").person
    assert chat.typing("a") is person
    assert chat.typing("a") is None
    post(chat, "a", 1)
    assert chat.typing("a") is person
    clock.now += rooms.TYPING_S
    assert chat.typing("a") is person


@pytest.mark.parametrize("name", ["👩\u200d👩\u200d👧", "Zoë", "Zoe\u0308", "小明", " Ann \t Lee "])
def test_names_of_all_kinds_are_welcome(chat, name):
    assert join(chat, "a", name).person.name in ("👩\u200d👩\u200d👧", "Zoë", "小明", "Ann Lee")


@pytest.mark.parametrize(
    "name", ["", " ", "\u200d", "\u2066\u2069", "\u3164", "\x00\x1b", "\ud800"]
)
def test_names_that_nobody_could_see_are_refused(chat, name):
    with pytest.raises(rooms.RefusedError, match="name is empty"):
        join(chat, "a", name)


def test_what_cannot_be_sent_on_is_taken_out_of_a_text(chat):
    join(chat, "a", "Ann")
    assert post(chat, "a", 1, text="a\x00b\ud800c\n\td\u200ce").message["text"] == "abc\n\td\u200ce"

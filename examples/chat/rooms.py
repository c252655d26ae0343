"""The chat itself: who is in which room under which name, and what was said there.

Knows nothing of Socket.IO: server_aio.py and server_io.py give it what clients send and
tell clients what it answers. Nothing here trusts a client: every value is checked, and a
request that is wrong raises `RefusedError` and changes nothing.
"""

import re
import time
import unicodedata
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LIMITS = {"name": 24, "room": 32, "text": 2000, "picture": 4_000_000}  # characters; bytes
# For max_http_buffer_size: a picture in base64, as polling sends it, and the rest of its event.
MAX_UPLOAD = 6_000_000

LOBBY = "Lobby"
KEPT_ROOMS = 20  # empty rooms are forgotten when there are more
KEPT_MESSAGES = 50
KEPT_BYTES = 6_000_000  # of pictures, per room
REMEMBERED_IDS = 500
BURST, BURST_S = 60, 10.0  # requests per client in so many seconds
TYPING_S = 1.0  # typing hints closer than this are not passed on

TOKEN = re.compile(r"[\w-]{8,64}", re.ASCII)
PICTURE_MAGIC = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP", re.DOTALL)


class RefusedError(Exception):
    """A request that cannot be done; its text is meant for the person who asked."""

    @property
    def answer(self) -> dict[str, str]:
        """What the client gets as its ack."""
        return {"error": str(self)}


@dataclass(eq=False)
class Room:
    name: str
    people: dict[str, "Person"] = field(default_factory=dict)  # by sid, in order of arrival
    messages: deque[dict[str, Any]] = field(default_factory=deque)
    sent_at: OrderedDict[str, int] = field(default_factory=OrderedDict)  # message id -> time
    last_at: int = 0

    @property
    def channel(self) -> str:
        """The Socket.IO room. Prefixed: a room called like somebody's sid must not be theirs."""
        return f"room:{fold(self.name)}"

    @property
    def listing(self) -> dict[str, Any]:
        return {"room": self.name, "people": [person.name for person in self.people.values()]}


@dataclass
class Person:
    name: str
    key: str  # the client's secret: it takes its own name back after a broken connection
    room: Room
    typing_at: float = 0.0


class Move(NamedTuple):
    person: Person
    left: Room | None  # the room this client was in before
    replaced: str | None  # the sid of this person's connection before, which is to be closed


class Posted(NamedTuple):
    room: Room
    message: (
        dict[str, Any] | None
    )  # for the others; None if they have it: its client missed the answer
    at: int  # ms


class Chat:
    def __init__(self) -> None:
        self.rooms = {fold(LOBBY): Room(LOBBY)}
        self.people: dict[str, Person] = {}  # by sid
        self._asked_at: dict[str, deque[float]] = {}
        self._changed: list[Room] = []

    def room_list(self) -> list[dict[str, Any]]:
        return [{"name": room.name, "people": len(room.people)} for room in self.rooms.values()]

    def changed_rooms(self) -> list[Room]:
        """The rooms where people came or went since this was asked last."""
        changed, self._changed = self._changed, []
        return changed

    def hello(self) -> dict[str, Any]:
        """What a page needs before anybody has joined."""
        return {"limits": LIMITS, "rooms": self.room_list()}

    def join(self, sid: str, request: Any = None, *_: Any) -> Move:
        """Put a client in a room, out of the one it was in. Afterwards its ack is `welcome()`."""
        self._count_request(sid)
        fields = a_dict(request)
        name = a_label(fields.get("name"), "name")
        room_name = a_label(fields.get("room"), "room")
        key = a_token(fields.get("key"), "key")
        replaced = None
        for other_sid, other in self.people.items():
            if other_sid != sid and fold(other.name) == fold(name):
                if other.key != key:
                    raise RefusedError(f"Somebody is called {other.name} already: choose another.")
                replaced = other_sid
        if replaced:
            self.leave(replaced)
        left = self._take_out(sid)
        room = self._open(room_name)
        person = self.people[sid] = room.people[sid] = Person(name, key, room)
        self._change(room)
        self._forget_empty_rooms()
        return Move(person, left if left is not room else None, replaced)

    def welcome(self, person: Person, request: Any, *_: Any) -> dict[str, Any]:
        """The ack of a join: who is in the room, and the messages after the client's `since`."""
        since = request.get("since")
        since = since if isinstance(since, (int, float)) else 0
        missed = [message for message in person.room.messages if message["at"] > since]
        return {"name": person.name, **person.room.listing, "messages": missed}

    def leave(self, sid: str) -> None:
        """Forget a client."""
        self._asked_at.pop(sid, None)
        self._take_out(sid)

    def post(self, sid: str, request: Any = None, *_: Any) -> Posted:
        """Add a message to the client's room; its time is later than that of any before it."""
        person = self._present(sid)
        self._count_request(sid)
        room, fields = person.room, a_dict(request)
        message_id = a_token(fields.get("id"), "id")
        if message_id in room.sent_at:
            return Posted(room, None, room.sent_at[message_id])
        text = a_text(fields.get("text", ""))
        message: dict[str, Any] = {
            "id": message_id,
            "room": room.name,
            "from": person.name,
            "text": text,
        }
        if "picture" in fields:
            message["picture"] = a_picture(fields["picture"])
            message["alt"] = a_text(fields.get("alt", ""))[:100]
        elif not text:
            raise RefusedError("The message is empty.")
        message["at"] = room.last_at = max(int(time.time() * 1000), room.last_at + 1)
        self._keep(room, message)
        person.typing_at = 0.0
        return Posted(room, message, room.last_at)

    def typing(self, sid: str) -> Person | None:
        """The person who types, if others should hear of it now."""
        person = self.people.get(sid)
        now = time.monotonic()
        if person is None or now - person.typing_at < TYPING_S:
            return None
        person.typing_at = now
        return person

    def _present(self, sid: str) -> Person:
        if sid not in self.people:
            raise RefusedError("Join a room first.")
        return self.people[sid]

    def _count_request(self, sid: str) -> None:
        times = self._asked_at.setdefault(sid, deque(maxlen=BURST))
        now = time.monotonic()
        if len(times) == BURST and now - times[0] < BURST_S:
            raise RefusedError("That was too much at once: wait a few seconds.")
        times.append(now)

    def _take_out(self, sid: str) -> Room | None:
        person = self.people.pop(sid, None)
        if person is None:
            return None
        del person.room.people[sid]
        self._change(person.room)
        return person.room

    def _change(self, room: Room) -> None:
        if room not in self._changed:
            self._changed.append(room)

    def _open(self, name: str) -> Room:
        """The room of that name, now the last of them: the first ones are forgotten first."""
        room = self.rooms.pop(fold(name), None) or Room(name)
        self.rooms[fold(name)] = room
        return room

    def _forget_empty_rooms(self) -> None:
        for key, room in list(self.rooms.items()):
            if len(self.rooms) <= KEPT_ROOMS:
                return
            if not room.people and room.name != LOBBY:
                del self.rooms[key]

    @staticmethod
    def _keep(room: Room, message: dict[str, Any]) -> None:
        room.sent_at[message["id"]] = message["at"]
        if len(room.sent_at) > REMEMBERED_IDS:
            room.sent_at.popitem(last=False)
        room.messages.append(message)
        size = sum(len(kept.get("picture", b"")) for kept in room.messages)
        while len(room.messages) > KEPT_MESSAGES or size > KEPT_BYTES:
            size -= len(room.messages.popleft().get("picture", b""))


def fold(label: str) -> str:
    """Names that look the same are the same: Ann, ann and a full-width one."""
    return unicodedata.normalize("NFKC", label).casefold()


def a_dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RefusedError("The request is not an object.")
    return value


def a_token(value: Any, what: str) -> str:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise RefusedError(f"The {what} of the request is not 8 to 64 letters and digits.")
    return value


def a_label(value: Any, what: str) -> str:
    """A name of a person or a room: one line, nothing invisible, nothing that turns text around."""
    if not isinstance(value, str):
        raise RefusedError(f"The {what} is not a text.")
    if len(value) > 10 * LIMITS[what]:  # before any work is done on it
        raise RefusedError(f"The {what} is too long: at most {LIMITS[what]} characters.")
    # U+200D is kept: it joins emoji.
    visible = "".join(c for c in value if c.isprintable() or c.isspace() or c == "\u200d")
    label = unicodedata.normalize("NFC", " ".join(visible.split()))
    if len(label) > LIMITS[what]:
        raise RefusedError(f"The {what} is too long: at most {LIMITS[what]} characters.")
    if not label.strip("\u200d \u3164\u115f\u1160\uffa0"):
        raise RefusedError(f"The {what} is empty.")
    return label


def a_text(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError("The text is not a text.")
    if len(value) > LIMITS["text"]:
        raise RefusedError(f"The message is too long: at most {LIMITS['text']} characters.")
    # Control characters and halves of surrogate pairs are nothing that anybody writes.
    text = (c for c in value if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(text).strip()


def a_picture(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray)):
        raise RefusedError("The picture is not binary.")
    if len(value) > LIMITS["picture"]:
        raise RefusedError(f"The picture is too large: at most {LIMITS['picture'] / 1e6:g} MB.")
    # SVG is not among them: it is a document that may contain scripts.
    if not PICTURE_MAGIC.match(value):
        raise RefusedError("That is not a PNG, JPEG, GIF or WebP picture.")
    return bytes(value)

"""Sessions of clients that may come back to any server, in Redis as @socket.io/redis-streams-adapter 0.3 has them.

A key for each, of Base64 of MessagePack: {sid, pid, rooms, data}. Servers of fastsio put more behind that, which
Node's leave alone: `since`, an entry of the stream, behind which all is the client's own; `joined`, for each of the
rooms the entry at which it joined, "" where that is `since`; `on`, the server that has the client, while it has it.
"""

import asyncio
import base64
import binascii
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from fastsio.adapters.protocol.wire import unpack
from fastsio.adapters.redis_connection.calls import RedisCalls
from fastsio.core.recovery_store import SavedSession
from fastsio.rarely import RareLog

logger = logging.getLogger("fastsio.adapters")

PID = re.compile(r"[\w-]{1,64}", re.ASCII)
ENTRY = re.compile(r"([0-9]{1,15})-([0-9]{1,7})", re.ASCII)
# Of a position: a millisecond has that many entries at most.
SEQUENCE_BITS = 20
# Sessions whose life is prolonged at once.
FRESHENED_AT_ONCE = 500


def position_of(entry: str) -> int | None:
    """An entry's id, "milliseconds-number", as what can be compared; None for what is none."""
    found = ENTRY.fullmatch(entry)
    return None if found is None else (int(found[1]) << SEQUENCE_BITS) | int(found[2])


def entry_at(position: int) -> str:
    """The id of the entry at a position."""
    return f"{position >> SEQUENCE_BITS}-{position & ((1 << SEQUENCE_BITS) - 1)}"


def pack_session(session: SavedSession, on: str | None = None) -> bytes:
    """What is written into the session's key. Raises TypeError for data or rooms that MessagePack can't hold."""
    told: dict[str, Any] = {
        "sid": session.sid,
        "pid": session.pid,
        "rooms": list(session.rooms),
        "data": session.data,
    }
    if session.since is not None:
        told["since"] = entry_at(session.since)
        joined = [
            "" if at is None or at == session.since else entry_at(at)
            for at in session.rooms.values()
        ]
        if any(joined):
            told["joined"] = joined
    if on is not None:
        told["on"] = on
    return base64.b64encode(msgspec.msgpack.encode(told))


def read_session(raw: bytes, pid: str) -> tuple[SavedSession, str | None]:
    """The session in a key, and the server that has, or had, its client. Raises ValueError for what is none."""
    try:
        told = unpack(base64.b64decode(raw, validate=True))
    except (binascii.Error, msgspec.DecodeError) as error:
        raise ValueError(f"the session is not readable: {error}") from None
    if not isinstance(told, dict) or told.get("pid") != pid:
        raise ValueError("what is kept is not its session")
    sid, rooms, data = told.get("sid"), told.get("rooms"), told.get("data")
    if not isinstance(sid, str) or not sid:
        raise ValueError(f"the session's sid is {sid!r:.50}")
    if not isinstance(rooms, list):
        raise ValueError(f"the session's rooms are {rooms!r:.50}")
    if data is not None and not isinstance(data, dict):
        raise ValueError(f"the session's data is {data!r:.50}")
    since = _position(told.get("since"))
    joined = told.get("joined", [""] * len(rooms))
    if not isinstance(joined, list) or len(joined) != len(rooms):
        raise ValueError(f"the session's joined is {joined!r:.50}")
    on = told.get("on")
    positions = {
        _room(room): since if at == "" else _position(at)
        for room, at in zip(rooms, joined, strict=True)
    }
    positions.setdefault(sid, since)
    return SavedSession(sid, pid, positions, data or {}, since), on if isinstance(on, str) else None


def _position(entry: Any) -> int | None:
    if entry is None:
        return None
    position = position_of(entry) if isinstance(entry, str) else None
    if position is None:
        raise ValueError(f"{entry!r:.50} in the session is no entry of a stream")
    return position


def _room(room: Any) -> Any:
    if isinstance(room, list):  # MessagePack's form of a tuple
        room = tuple(room)
    try:
        hash(room)
    except TypeError:
        raise ValueError(f"{room!r:.50} in the session is no room") from None
    return room


class SessionKeeper:
    """The keys of one server's clients. What can't be saved is logged, rarely: its client will be somebody new.

    A session is saved when its client goes; with save() also while it is there, and then prolonged as long as it is.
    """

    def __init__(self, calls: RedisCalls, prefix: str, keep_s: float) -> None:
        """`keep_s`: how long a session is kept when nothing is heard of it."""
        self._calls = calls
        self._prefix = prefix
        self._keep_ms = max(1, round(keep_s * 1000))
        self._rare = RareLog(logger)
        # What was saved last of clients that are here, by pid; None: that is on its way for the first time.
        self._saved: dict[str, int | None] = {}
        self._freshening: asyncio.Task[None] | None = None

    def save(self, pid: str, value: bytes) -> None:
        """Save the session of a client that is here."""
        known = self._saved.get(pid)
        value_hash = hash(value)
        if known == value_hash:
            return
        if pid not in self._saved:
            self._saved[pid] = None
        # XX: where it has gone from Redis another server has it by now.
        self._set(pid, value, self._keep_ms, () if known is None else ("XX",), value_hash)
        if self._freshening is None:
            self._freshening = asyncio.create_task(self._keep_fresh())

    def save_for_return(self, pid: str, value: bytes, keep_ms: int | None = None) -> None:
        """Save the session of a client that has gone; `keep_ms`: of one that was taken, and goes back."""
        known = self._saved.pop(pid, None)
        only = () if known is None or keep_ms is not None else ("XX",)
        self._set(pid, value, self._keep_ms if keep_ms is None else max(1, keep_ms), only, None)

    def forget(self, pid: str) -> None:
        """A client has gone, and does not come back."""
        if pid in self._saved:
            del self._saved[pid]
            self._calls.do("DEL", self._prefix + pid).add_done_callback(self._note_failure)

    def taken(self, pid: str) -> None:
        """Another server has the session by now."""
        self._saved.pop(pid, None)

    def begin_anew(self) -> None:
        """Redis was away, and may know nothing any more: what is saved next is saved whatever is there."""
        self._saved.clear()

    async def take(self, pid: str) -> tuple[bytes | None, int]:
        """What is in the key, which is there no longer, and how many milliseconds it had left. Raises as redis-py."""
        key = self._prefix + pid
        raw, left_ms, _ = await self._calls.do_as_one(("GET", key), ("PTTL", key), ("DEL", key))
        if isinstance(raw, Exception):  # the key holds something else than a text
            raise ValueError(f"what is kept is no session: {raw}")
        return raw, self._keep_ms if left_ms < 0 else left_ms

    async def stop(self) -> None:
        """The server has ended."""
        if self._freshening is not None:
            self._freshening.cancel()
            await asyncio.gather(self._freshening, return_exceptions=True)
            self._freshening = None

    def _set(
        self, pid: str, value: bytes, keep_ms: int, only: tuple[str, ...], value_hash: int | None
    ) -> None:  # fmt: skip
        answer = self._calls.do("SET", self._prefix + pid, value, "PX", keep_ms, *only)
        if value_hash is None:
            answer.add_done_callback(self._note_failure)
            return

        def done(answer: "asyncio.Future[Any]") -> None:
            if self._note_failure(answer) or not answer.result():
                self._saved.pop(pid, None)
            elif pid in self._saved:
                self._saved[pid] = value_hash

        answer.add_done_callback(done)

    def _note_failure(self, answer: "asyncio.Future[Any]") -> bool:
        """Whether it has failed."""
        if answer.cancelled():
            return True
        error = answer.exception()
        if error is not None:
            self._rare.note("saving", "a client's session can't be saved: %r", error)
        return error is not None

    async def _keep_fresh(self) -> None:
        """Prolong what is saved, a part of it at a time."""
        every_s = self._keep_ms / 1000 / 3
        while True:
            pids = [pid for pid, known in self._saved.items() if known is not None]
            parts = max(1, -(-len(pids) // FRESHENED_AT_ONCE))
            for at in range(0, len(pids), FRESHENED_AT_ONCE):
                self._freshen(pids[at : at + FRESHENED_AT_ONCE])
                await asyncio.sleep(every_s / parts)
            if not pids:
                await asyncio.sleep(every_s)

    def _freshen(self, pids: Iterable[str]) -> None:
        for pid in pids:
            if pid in self._saved:
                answer = self._calls.do("PEXPIRE", self._prefix + pid, self._keep_ms)
                answer.add_done_callback(self._freshened(pid))

    def _freshened(self, pid: str) -> "Callable[[asyncio.Future[Any]], None]":
        def done(answer: "asyncio.Future[Any]") -> None:
            if not self._note_failure(answer) and not answer.result():
                self._saved.pop(pid, None)  # it has expired, or somebody has it

        return done

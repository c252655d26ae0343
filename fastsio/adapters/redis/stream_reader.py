"""Reading a Redis stream on from where it was left, through lost connections and other Redis servers.

An entry that one of our servers has added carries its number there, `n`, besides Node's fields: after a failover, or
where it is not known whether a command was done, an entry may be in the stream twice, and its second is left out.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from fastsio.adapters.redis_connection.ending import end
from fastsio.adapters.redis_connection.link import RedisLink
from fastsio.adapters.redis_connection.queue import FIRST_RETRY_S, LAST_RETRY_S, Command, said
from fastsio.adapters.redis_connection.wire import RedisBatches

logger = logging.getLogger("fastsio.adapters")

BLOCK_S = 5.0
# What is given away in one loop turn, of a reply that may have a hundred large entries: clients have it in their queues
# until the turn is over, and these are bounded.
TURN_BYTES = 262_144
# Servers whose last number is kept: those that were heard of last.
MAX_SERVERS = 1000
# Entries that are looked at to find out whether a command was done.
PAGE = 1000

Fields = dict[bytes, bytes]


class StreamReader:
    """`position`: the id of the last entry that was read.

    `replayed`: entries that were there before this server was back; `gaps`: how often some may have gone unread.
    on_entry(position, fields) is called for each, on the loop.
    """

    def __init__(
        self, link: RedisLink, stream: str, count: int, on_entry: Callable[[bytes, Fields], None]
    ) -> None:  # fmt: skip
        self.position: bytes = b"0-0"
        # The connection is lost, and not there again.
        self.is_cut = False
        self.replayed = 0
        self.gaps = 0
        self._link = link
        self._stream = stream
        self._count = count
        self._on_entry = on_entry
        self._block_ms = round(1000 * min(BLOCK_S, link.silence_s / 2))
        # Up to which id entries were there when the connection was.
        self._late_until: tuple[int, int] | None = None
        self._numbers: dict[bytes, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._batches = RedisBatches(link.client, link.silence_s)

    async def start(self) -> None:
        """Read what is added from now on. Raises what Redis raises."""
        self.position = await self._newest()
        self._task = asyncio.create_task(self._keep_reading())

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])
            await self._batches.close()

    async def _newest(self) -> bytes:
        newest = await self._link.client.xrevrange(self._stream, count=1)
        return bytes(newest[0][0]) if newest else b"0-0"

    async def _keep_reading(self) -> None:
        delay_s = FIRST_RETRY_S
        while True:
            try:
                if self.is_cut:
                    await self._find_place()
                    self.is_cut = False
                entries = await self._read()
                delay_s = FIRST_RETRY_S
            except Exception as error:
                if not isinstance(error, self._link.errors):
                    logger.exception("Redis: reading the stream has failed")
                self.is_cut = True
                text = "Redis: the stream can't be read, again in %.1f s: %s"
                logger.warning(text, delay_s, said(error))
                await asyncio.sleep(FIRST_RETRY_S)
                await self._link.wait_for_up(delay_s * random.uniform(0.5, 1))
                delay_s = min(2 * delay_s, LAST_RETRY_S)
                continue
            given = 0
            for position, fields in entries:
                if given >= TURN_BYTES:
                    await asyncio.sleep(0)
                    given = 0
                given += sum(map(len, fields))
                self._take(position, dict(zip(fields[::2], fields[1::2], strict=True)))

    async def _read(self) -> list[tuple[bytes, list[bytes]]]:
        """The next entries: ids, each with names and values in turn. Raises what Redis raises."""
        [found] = await self._batches.ask([
            ("XREAD", "COUNT", self._count, "BLOCK", self._block_ms, "STREAMS", self._stream, self.position)
        ])  # fmt: skip
        if isinstance(found, Exception):
            raise found
        # As RESP3 has it, and RESP2; nothing, if the time was up.
        streams = found.items() if isinstance(found, dict) else found or ()
        return [entry for _, entries in streams for entry in entries]

    async def _find_place(self) -> None:
        """The connection is back: what has been read may be in the stream no longer, or not yet, or never was."""
        newest = await self._newest()
        self._late_until = _parts(newest)
        if _parts(newest) < _parts(self.position):
            # Another Redis, which has less than the one before, or a clock that is behind. All that it has is left:
            # some of it was read before, and twice is worse than not at all.
            if newest != b"0-0":
                self.gaps += 1
                logger.warning(
                    "Redis: the stream ends at %s, %s was read already: going on behind its end",
                    newest.decode(), self.position.decode(),
                )  # fmt: skip
            self.position = newest
            return
        oldest = await self._link.client.xrange(self._stream, count=1)
        if oldest and _parts(oldest[0][0]) > _parts(self.position) != (0, 0):
            self.gaps += 1
            logger.warning(
                "Redis: the stream begins at %s, and was read up to %s: what was between is lost, if anything was",
                oldest[0][0].decode(), self.position.decode(),
            )  # fmt: skip

    def _take(self, position: bytes, fields: Fields) -> None:
        self.position = position
        if self._late_until is not None:
            if _parts(position) <= self._late_until:
                self.replayed += 1
            else:
                self._late_until = None
        number, uid = fields.get(b"n"), fields.get(b"uid")
        if number is not None and uid is not None and not self._is_new(uid, number):
            return
        try:
            self._on_entry(position, fields)
        except Exception:
            logger.exception("an entry of the stream could not be taken, at %r", position)

    def _is_new(self, uid: bytes, number: bytes) -> bool:
        """Whether an entry comes behind those that its server has added before."""
        if not number.isdigit():
            return True
        last = self._numbers.pop(uid, -1)
        self._numbers[uid] = max(last, int(number))
        if len(self._numbers) > MAX_SERVERS:
            del self._numbers[next(iter(self._numbers))]
        return int(number) > last

    # --- what is in it already ---------------------------------------------------------------

    async def not_added(self, commands: list[Command], uid: str) -> list[Command]:
        """Which of these XADD commands of this server were not done; their numbers go up. Raises what Redis raises."""
        numbers = [number_of(command) for command in commands]
        last: Any = "+"
        while True:
            entries = await self._link.client.xrevrange(self._stream, last, "-", count=PAGE)
            for _, fields in entries:
                if fields.get(b"uid") == uid.encode() and fields.get(b"n", b"").isdigit():
                    done = int(fields[b"n"])
                    return [one for one, n in zip(commands, numbers, strict=True) if n > done]
            if len(entries) < PAGE:
                return commands
            last = b"(" + entries[-1][0]  # Redis 6.2


def add_command(stream: str, max_len: int, number: int, fields: list[Any]) -> Command:
    """XADD with a number; the last of `fields` is the payload."""
    return ("XADD", stream, "MAXLEN", "~", max_len, "*", "n", number, *fields)


def number_of(command: Command) -> int:
    """The number that add_command() has put in."""
    number: int = command[7]
    return number


def _parts(position: bytes) -> tuple[int, int]:
    """An id as two numbers, which compare as Redis does."""
    milliseconds, _, sequence = position.partition(b"-")
    return int(milliseconds), int(sequence or 0)

"""A board of notes: every event has types, and the client's TypeScript is written from them.

fastsio serve server:io
fastsio schema server:io --format typescript -o events.ts
"""

from typing import Annotated, Literal

import msgspec

import fastsio
from fastsio.core.socket import Socket

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Note(msgspec.Struct):
    """What hangs on the board."""

    id: int
    text: Text
    color: Literal["yellow", "pink"] = "yellow"
    picture: bytes | None = None


io = fastsio.IO(cors_allowed_origins="*")
board: dict[int, Note] = {}


# --- what the server sends ------------------------------------------------------------------------


@io.emits
def added(note: Note) -> None:
    """There is a new note."""


@io.emits
def removed(id: int) -> None:
    """A note was taken down."""


@io.emits("are you sure?")
def sure(text: str) -> bool:
    """The client asks its user."""


# --- what clients send ----------------------------------------------------------------------------


@io.event
def add(
    socket: Socket,
    text: Text,
    color: Literal["yellow", "pink"] = "yellow",
    picture: bytes | None = None,
) -> Note:
    """Pin a note, and get it with its id."""
    note = board[len(board)] = Note(len(board), text, color, picture)
    added.to(socket.broadcast).emit(note)
    return note


@io.event
async def remove(socket: Socket, id: int) -> bool:
    """Take a note down, if the user is sure."""
    if id not in board or not await sure.to(socket.timeout(30)).emit_with_ack(f"Remove {id}?"):
        return False
    board.pop(id, None)
    removed.emit(id)
    return True


@io.event("all notes")
def all_notes(socket: Socket) -> list[Note]:
    return list(board.values())


if __name__ == "__main__":
    fastsio.run(io)

"""The kept inputs: corpus/<target>.txt, an input a line in Base64, the short ones first.

They are what libFuzzer's merge leaves: each reaches something that no other one does. Inputs that have found a bug
are in corpus/<target>.found.txt, and stay.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.txt"


def read(path: Path) -> list[bytes]:
    """The inputs of one file; none if it does not exist."""
    if not path.exists():
        return []
    return [
        base64.b64decode(line, validate=True) for line in path.read_text().split("\n") if line != ""
    ]


def write(path: Path, inputs: Iterable[bytes]) -> None:
    kept = sorted({one for one in inputs if one}, key=lambda one: (len(one), one))
    path.write_text("".join(base64.b64encode(one).decode() + "\n" for one in kept))


def kept(name: str) -> list[bytes]:
    """All inputs of a target."""
    return read(path_of(name)) + read(path_of(f"{name}.found"))

"""python-socketio's own clients against our server.

The installed release, and an older one that `make test` puts below build/.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peer_servers import TRANSPORTS, PeerServer

TAG = sys.implementation.cache_tag
OLDER = Path(__file__).parents[2] / "build" / f"python-socketio-5.11.4-{TAG}"
SCRIPT = Path(__file__).with_name("their_client.py")
RUN_S = 60


@pytest.fixture(scope="module")
def our_server() -> Iterator[PeerServer]:
    server = PeerServer("fastsio").start()
    yield server
    server.kill()


def play(
    server: PeerServer, kind: str, how: str, folder: str = "", module: str = "socketio"
) -> Any:
    """What a client saw; AssertionError with its output if it failed."""
    assert not folder or OLDER.exists(), f"{OLDER} is missing: `make test` installs it"
    transports = json.dumps(TRANSPORTS[how][0])
    command = [sys.executable, str(SCRIPT), kind, server.url, transports, module]
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("folder", ["", str(OLDER)], ids=["installed", "5.11"])
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_their_client_is_served_whole(
    our_server: PeerServer, kind: str, how: str, folder: str
) -> None:
    seen = play(our_server, kind, how, folder)
    text, refusal = seen.pop("refusal")
    # Old releases name no namespace.
    assert text.removesuffix(": /refusing") == "One or more namespaces failed to connect"
    assert refusal == {"message": "not you", "data": {"why": {"a": 1}}}
    # Releases before 5.12 have no reason for the handler of `disconnect`, and the sync ones call it without.
    assert seen.pop("kicked") in (["server disconnect"], [])
    assert seen.pop("left") in (["client disconnect"], [])
    assert seen == {
        "transport": TRANSPORTS[how][1],
        "who": [{"user": "ä"}, "yes"],
        "echo": ["ünï 😀", "bytes 00ff", {"deep": ["bytes ", 1.5, None]}],
        "said": ["ünï 😀", "bytes 00ff", {"deep": ["bytes ", 1.5, None]}],
        "answered": [[2, "bytes 01"]],
        "joined": True,
        "shouted": [["bytes 616c6c"]],
        "big": True,
        "fifty": True,
        "stays": 1,
    }


@pytest.mark.parametrize("folder", ["", str(OLDER)], ids=["installed", "5.11"])
@pytest.mark.parametrize("kind", ["simple", "asyncsimple"])
def test_their_simple_client_is_served(
    our_server: PeerServer, kind: str, how: str, folder: str
) -> None:
    assert play(our_server, kind, how, folder) == {
        "transport": TRANSPORTS[how][1],
        "received": ["said", "a", "bytes 62"],
        "echo": "c",
    }


@pytest.mark.parametrize("kind", ["async", "sync", "simple", "asyncsimple"])
def test_a_program_for_their_client_sees_the_same_with_ours(
    peer_server: PeerServer, kind: str
) -> None:
    """The same program twice, its import changed, against each of the three servers."""
    root = str(Path(__file__).parents[2])
    ours = play(peer_server, kind, "upgrade", root, "fastsio")
    assert ours == play(peer_server, kind, "upgrade")

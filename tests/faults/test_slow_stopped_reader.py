"""A client that is stopped (SIGSTOP) among others that read: they lose nothing, and it is ended in time.

The short form of stopped_reader.py, whose figures are in docs/slow-clients.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("stopped_reader.py")
CLIENTS, STOPPED, RATE, SECONDS = 30, 3, 40, 4
# What the kernel holds for one that does not read is filled well before the end.
SIZE, MAX_BUFFERED = 60_000, 1_000_000


@pytest.mark.fault(
    "a client is stopped (SIGSTOP) among others",
    "the others lose nothing; it is ended, its queue freed",
)
def test_stopped_clients_cost_the_others_nothing() -> None:
    words = {
        "clients": CLIENTS, "stopped": STOPPED, "rate": RATE, "seconds": SECONDS, "size": SIZE,
        "send-timeout": 1.0, "max-buffered": MAX_BUFFERED,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *(f"--{name}={value}" for name, value in words.items())],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    for part in (figures["quiet"], figures["with_stopped"]):
        assert part["clients"]["gaps"] == part["clients"]["lost"] == 0
        # All but what is cut off at the beginning and the end.
        assert part["clients"]["received"] >= CLIENTS * RATE * SECONDS * 0.8
    assert figures["accepted"] == CLIENTS + STOPPED
    assert figures["ends_of_stopped"] == {"transport error": STOPPED}
    assert figures["sessions_left"] == CLIENTS
    # What is over the limit is refused; the last packet may be over it.
    assert figures["with_stopped"]["most_queued"] <= MAX_BUFFERED + 2 * SIZE

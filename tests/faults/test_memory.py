"""Memory runs out: one allocation after the other fails while the server handles a client. See tests/starving.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "starving.py"
# All of them take minutes: `make starve`.
EVERY = "13"


@pytest.mark.fault(
    "memory runs out at any allocation while a client's bytes are handled, or written, or its time is up",
    "that connection ends, its `disconnect` runs; the server and all others go on, nothing is left",
)
@pytest.mark.skipif(
    sys.version_info >= (3, 12),
    reason="CPython 3.12.1 and 3.13.0 themselves crash when a function has no memory (PyFunction_NewWithQualName)",
)
@pytest.mark.parametrize(
    "name", ["websocket", "polling", "upgrade", "held get", "EIO3", "recovery", "strings"]
)
def test_an_allocation_that_fails_ends_at_most_the_connection_it_was_for(name):
    pytest.importorskip(
        "_testcapi", reason="this Python comes without its hook for memory that runs out"
    )
    program = subprocess.run(
        [sys.executable, str(PROGRAM), "--every", EVERY, "--only", name],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert program.returncode == 0, program.stdout + program.stderr
    failed = re.search(r"(\d+) failed allocations", program.stdout)
    assert failed is not None and int(failed[1]) > 20, program.stdout

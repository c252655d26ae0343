"""Workers that another server has started (uvicorn's, gunicorn's): they find each other by their common parent.

The folder where they meet is named after the parent's process, so that two servers' workers never meet. What is not
possible there: they share one listening socket, so a worker that is busy accepting takes more than its part, and what a
killed one had accepted is lost; and a worker joins the others with its first connection, not before.
Source: proc(5), pid_namespaces(7).
"""

import hashlib
import os
import tempfile
from pathlib import Path

from fastsio.workers.meeting import make_folder


def siblings_folder() -> str:
    """The folder of this process's parent, made if need be. Raises OSError if it can't be used."""
    name = hashlib.sha256(_parent().encode()).hexdigest()[:16]
    path = os.path.join(tempfile.gettempdir(), f"fastsio-{os.geteuid()}-{name}")
    make_folder(path)
    return path


def _parent() -> str:
    """What tells the parent from every other process: its number, when it began, and whose numbers these are."""
    parent = os.getppid()
    try:
        began = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
        numbers = os.readlink("/proc/self/ns/pid")
    except (
        OSError
    ):  # no Linux, or not to be seen: two servers in two containers that share /tmp might meet
        began = numbers = ""
    return f"{parent} {began} {numbers}"

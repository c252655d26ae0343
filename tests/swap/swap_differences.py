"""Where the transcripts differ, line by line: "- " is python-socketio's line, "+ " ours.

The key is a scenario, or scenario.client when it differs with that client only. docs/differences.md says
why ours is right; a scenario that is here must be named there.
"""

from __future__ import annotations

DIFFERENCES: dict[str, list[str]] = {}

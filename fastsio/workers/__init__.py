"""Workers: several processes that serve one port of one machine as one server, without a broker or sticky sessions.

`fastsio serve chat:io --workers 4`, or `fastsio.run("chat:io", workers=4)`; under `uvicorn --workers` they find each
other where the protocol is fastsio.uvicorn's. docs/workers.md says how it works, and what it costs.

| module | |
|---|---|
| supervisor, child | the process that starts the workers, and starts again those that die |
| plan, ports | what it tells them; the listening sockets, which it keeps open |
| process | what runs in a worker |
| crew, meeting, link | a worker's end of what joins it with the others |
| doorman | whose a request is |
| homes | clients that come back to another worker than their own (connection_state_recovery) |
"""

import os

ENV = "FASTSIO_WORKER"


def worker_number() -> int | None:
    """Which worker this process is, from 0 on; None if it is none.

    One that takes the place of another has its number: `if worker_number() in (None, 0)` starts what must run once,
    but for the moment of a change in which both are there.
    """
    number = os.environ.get(ENV, "")
    return int(number) if number.isascii() and number.isdigit() else None


__all__ = ["worker_number"]

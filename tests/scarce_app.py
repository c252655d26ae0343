"""A server that may have few descriptors, for the tests of what happens when there are none left.

`python scarce_app.py LOOP LIMIT [PING_S]`: prints its URL, then a line for each client that came and went. Events:
"echo"; "open" reads this file; "hog" takes all descriptors there are, and answers how many; "free" gives them back;
"used" answers with the seconds of CPU time that the process has had.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fastsio

FOLDER = Path(__file__).resolve().parent


def build(ping_s: float) -> fastsio.AsyncServer:
    sio = fastsio.AsyncServer(ping_interval=ping_s, ping_timeout=ping_s, serve_client=True)
    held: list[int] = []

    def note(*words: str) -> None:
        print(*words, flush=True)

    @sio.event
    async def connect(sid: str, environ: object) -> None:
        note("came", sid)

    @sio.event
    async def disconnect(sid: str, reason: str) -> None:
        note("gone", sid, reason)

    @sio.event
    def echo(sid: str, *args: object) -> object:
        return args

    @sio.on("open")
    def read(sid: str) -> int:
        with open(__file__) as file:
            return len(file.read())

    @sio.event
    def hog(sid: str) -> int:
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            return len(held)

    @sio.event
    def free(sid: str) -> None:
        while held:
            os.close(held.pop())

    @sio.event
    def used(sid: str) -> float:
        return time.process_time()

    return sio


def main(loop: str, limit: str, ping_s: str = "60") -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limit), hard))
    fastsio.run(build(float(ping_s)), port=0, loop=loop, static_files={"/static": str(FOLDER)})


if __name__ == "__main__":
    main(*sys.argv[1:])

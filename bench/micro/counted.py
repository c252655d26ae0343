"""What callgrind runs: operations, each between calls of getloadavg(), at which callgrind writes its counts.

`python counted.py [case ...]` forks a process for every case, so that none changes what another finds, and
that one a process for every layout of the heap. Prints where bench/gate.py finds the counts, one JSON
object a line. Callgrind has to be started with --dump-before=getloadavg; without it operations just run.
"""

import asyncio
import gc
import json
import os
import random
import sys
from itertools import repeat

import uvloop
from operations import OPERATIONS, Operation

WARM_UP = 64  # more than Python's interpreter needs to specialise the code that it runs
SETTLE = 4
# What malloc has lying about makes up to 7 % (packet_encode_32B); the middle of seven differs by 0.7 %.
LAYOUTS = 7
LOOP = uvloop.new_event_loop()


def run(operation: Operation, times: int) -> None:
    call = operation.run
    for _ in repeat(None, times):
        call()


def in_child(work, *arguments) -> None:
    """Call `work` in a process of its own, and wait for it. What it raises ends the child, and then us."""
    pid = os.fork()
    if pid:
        if os.waitpid(pid, 0)[1]:
            raise SystemExit(1)
        return
    # asyncio forgets it in a child. Nothing here waits for the loop, so it never turns.
    asyncio._set_running_loop(LOOP)
    work(*arguments)
    sys.stdout.flush()
    os._exit(0)


def scatter(seed: int) -> list[bytes]:
    """Holes in the heap, other ones for every seed; the list keeps them apart."""
    generator = random.Random(seed)
    blocks = [bytes(generator.randrange(3000)) for _ in range(200)]
    generator.shuffle(blocks)
    return blocks[::2]


def count(name: str, operation: Operation, layout: int) -> None:
    """Three marks: between the first two are N runs, between the last two twice as many."""
    kept = scatter(layout)
    run(operation, SETTLE)
    os.getloadavg()
    run(operation, operation.runs)
    os.getloadavg()
    run(operation, 2 * operation.runs)
    os.getloadavg()
    del kept
    if not operation.is_correct():
        raise SystemExit(f"{name}: the result is wrong")
    units = operation.runs * operation.units
    print(json.dumps({"case": name, "pid": os.getpid(), "units": units}))


def count_in_layouts(name: str) -> None:
    operation = OPERATIONS[name]()
    run(operation, WARM_UP)
    gc.collect()
    gc.freeze()
    gc.disable()
    os.getloadavg()  # what was counted is written once, and not by every child
    for layout in range(LAYOUTS):
        in_child(count, name, operation, layout)


def main() -> None:
    names = sys.argv[1:] or list(OPERATIONS)
    unknown = set(names) - set(OPERATIONS)
    if unknown:
        raise SystemExit(f"no case {', '.join(unknown)}; there are {', '.join(OPERATIONS)}")
    os.getloadavg()
    for name in names:
        in_child(count_in_layouts, name)


if __name__ == "__main__":
    main()

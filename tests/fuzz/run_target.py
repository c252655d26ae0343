"""Run one target under the fuzzing interpreter (driver.c): `run_target.py TARGET [libFuzzer's arguments]`.

`run_target.py --quick TARGET ...` compares most inputs in fewer ways (targets.py), and a share of them fully.
`run_target.py --leaks TARGET FILE...` runs inputs again and again instead and says which of them leave memory behind.
`run_target.py --words TARGET` writes the target's dictionary, `run_target.py --seeds TARGET FOLDER` the inputs to
begin with.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import importlib.machinery
import logging
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Every how many-th input of a quick run is compared fully.
SHARE = 32
# Objects that are made before Python looks for cycles among them.
GC_THRESHOLD = 20_000
# What caches of Python's and ours take is taken in these rounds; what grows later is a leak.
MODES = ("--quick", "--leaks", "--words", "--seeds")
WARM_ROUNDS = 20
LEAK_ROUNDS = 20
# A table grows now and then, and what Python keeps of dates and times grows slower and slower; a leak goes on.
ATTEMPTS = 20
# Bytes of the smallest object; less than that each time is what the measuring itself keeps.
SMALLEST = 16


def quiet() -> None:
    """What is refused is logged, millions of times: only errors are of interest, and targets look for these."""
    logging.getLogger("fastsio").setLevel(logging.ERROR)
    logging.getLogger("fastsio").propagate = False
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def find_leaks(
    run: Callable[[bytes], None], files: list[str], allocated_bytes: Callable[[], int]
) -> int:
    """How many of the files' inputs leave bytes allocated each time that they run."""
    leaky = 0
    for name in files:
        data = Path(name).read_bytes()
        for _ in range(ATTEMPTS):
            grown = growth(run, data, allocated_bytes)
            if grown < LEAK_ROUNDS * SMALLEST:
                break
        else:
            print(f"{name}: {grown / LEAK_ROUNDS:.0f} bytes each time", flush=True)
            leaky += 1
    print(f"{len(files)} inputs, {leaky} leak", flush=True)
    return leaky


def growth(run: Callable[[bytes], None], data: bytes, allocated_bytes: Callable[[], int]) -> int:
    """By how many bytes the memory in use grows in LEAK_ROUNDS runs."""
    for _ in range(WARM_ROUNDS):
        run(data)
    gc.collect()
    before = allocated_bytes()
    for _ in range(LEAK_ROUNDS):
        run(data)
    gc.collect()
    return allocated_bytes() - before


def dictionary(words: tuple[str, ...]) -> str:
    """A dictionary in AFL's form, which libFuzzer reads."""
    escaped = ["".join(f"\\x{byte:02X}" for byte in word.encode()) for word in words]
    return "".join(f'"{word}"\n' for word in escaped)


def write_inputs(inputs: list[bytes], folder: Path) -> None:
    """Inputs as libFuzzer keeps them: a file each, named by its hash."""
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def import_nothing_else() -> None:
    """Let fastsio's modules be imported without all that the package itself imports.

    A run of the fuzzer looks at the counters of every compiled module that is loaded: with all of them 115,000.
    """
    package = ModuleType("fastsio")
    found = importlib.machinery.PathFinder.find_spec("fastsio")
    assert found is not None and found.submodule_search_locations is not None
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["fastsio"] = package


def main(arguments: list[str]) -> int:
    mode = arguments.pop(0) if arguments[0] in MODES else ""
    name, *rest = arguments
    fuzz: Any = importlib.import_module("_fuzz")
    watched = importlib.import_module("fuzz.names").WATCHED.get(name, ())
    if watched and mode in ("", "--quick"):
        importlib.import_module("fuzz.watch").watch(watched, fuzz.hit)
    target = importlib.import_module("fuzz.targets").TARGETS[name]
    if mode == "--words":
        print(dictionary(target.words), end="")
        return 0
    if mode == "--seeds":
        write_inputs(target.seeds(), Path(rest[0]))
        return 0
    if name not in ("cluster", "sessions"):
        import_nothing_else()
    run = target.run
    quick, share = (target.quick, SHARE) if mode == "--quick" else (run, 1)
    quiet()
    if mode == "--quick":
        gc.set_threshold(GC_THRESHOLD)
    gc.collect()
    gc.freeze()
    if mode == "--leaks":
        return 1 if find_leaks(run, rest, fuzz.allocated_bytes) else 0
    # libFuzzer starts itself again to merge, by a shell.
    itself = shlex.join([sys.executable, sys.argv[0], name])
    given = [itself, f"-max_len={target.max_len}", *rest]
    status: int = fuzz.run(quick, given, target.parts_at, run, share)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

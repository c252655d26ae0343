#!/usr/bin/env python3
"""Run tests on a build with AddressSanitizer and UndefinedBehaviorSanitizer: `asan.py [pytest's arguments]`.

Without arguments the unit tests and the fuzzers' corpus. Python takes its memory from malloc() meanwhile, so that
every object has its own guarded piece of it; the first wrong access or undefined operation ends the run with a report.
"""

from __future__ import annotations

import os
import subprocess
import sys

from sanitised import build

# Not those of what is not compiled and starts npm or compilers.
NOT_OURS = (
    "build",
    "bundle_build",
    "load_generator",
    "bench_report",
    "feature_table",
    "fault_table",
)
DEFAULT = [
    "-q",
    "tests/unit",
    "tests/fuzz",
    *(f"--ignore=tests/unit/test_{name}.py" for name in NOT_OURS),
]
OPTIONS = {
    # At its exit Python still holds what it has made: what leaks while it runs is run_target.py's to find.
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "PYTHONMALLOC": "malloc",
    # Waiting times of the tests: all is slower.
    "FASTSIO_TEST_SLOWNESS": os.environ.get("FASTSIO_TEST_SLOWNESS", "5"),
}


def runtime() -> str:
    """gcc's runtime of the sanitizer: it has to be there before anything else."""
    compiler = os.environ.get("CC", "gcc").split()
    asked = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    )
    return asked.stdout.strip()


def main(arguments: list[str]) -> int:
    tree = build("asan")
    environment = os.environ | OPTIONS | {"LD_PRELOAD": runtime(), "PYTHONPATH": str(tree)}
    command = [sys.executable, "-m", "pytest", *(arguments or DEFAULT)]
    return subprocess.run(command, cwd=tree, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make autobahn`: Autobahn's test suite as the client of ws_echo.py, and what it found.

    python tests/conformance/autobahn.py [CASE ...]       "6.*", "12.1.3"; all of them without

The suite is `autobahntestsuite` of PyPI, which needs Python 2.7: AUTOBAHN_PYTHON names one, else python2.7 is looked
for on the PATH and among pyenv's versions. It is put into build/autobahn once. Groups 12 and 13 send 216,000 messages
from plain Python, which takes an hour or so; `--short` runs half of their cases, without most of the long messages.
Reports with the bytes of every case: build/autobahn/reports/index.html. Exit code 1 if a case failed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "autobahn"
REPORTS = BUILD / "reports"
SUITE = "autobahntestsuite==25.10.1"
AGENT = "fastsio"
GROUPS = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
COMPRESSED = ["12.*", "13.*"]
SHORT = [f"{group}.{part}.{size}" for size in (1, 2, 3, 4, 5, 6, 8, 10, 16)
         for group, parts in ((12, 5), (13, 7)) for part in range(1, parts + 1)]  # fmt: skip
# pip's --target leaves namespace packages to .pth files, which only a site folder's are read.
RUN = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


def old_python() -> str:
    """A Python 2.7; SystemExit if there is none."""
    named = os.environ.get("AUTOBAHN_PYTHON")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [named] if named else [shutil.which("python2.7"), *map(str, pyenv.glob("2.7*/bin/python"))]  # fmt: skip
    for python in filter(None, found):
        asked = subprocess.run(
            [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
        )  # fmt: skip
        if asked.stdout.strip() == "(2, 7)":
            return python
    raise SystemExit("autobahn: no Python 2.7, which the suite needs; AUTOBAHN_PYTHON can name one")


def suite(python: str) -> Path:
    """The folder with the suite, installed if it is not there."""
    folder = BUILD / "suite"
    if not (folder / "autobahntestsuite").is_dir():
        BUILD.mkdir(parents=True, exist_ok=True)
        with (BUILD / "install.txt").open("w") as log:
            pip = [python, "-m", "pip", "install", "--target", str(folder), SUITE]
            subprocess.run(pip, stdout=log, stderr=subprocess.STDOUT, check=True)
    return folder


def run(cases: list[str]) -> None:
    python = old_python()
    folder = suite(python)
    shutil.rmtree(REPORTS, ignore_errors=True)
    server = subprocess.Popen(
        [sys.executable, str(HERE / "ws_echo.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        spec = {
            "outdir": str(REPORTS),
            "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (BUILD / "spec.json").write_text(json.dumps(spec))
        command = [python, "-c", RUN, str(folder), "-m", "fuzzingclient", "-s", str(BUILD / "spec.json")]  # fmt: skip
        with (BUILD / "log.txt").open("w") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        assert server.poll() is None, "the server has ended"
    finally:
        server.kill()
        server.wait()


def judge() -> int:
    """Print the table of groups and each case that is not as it should be; returns the exit code."""
    index = REPORTS / "index.json"
    if not index.exists():
        print(f"autobahn: no report; see {BUILD / 'log.txt'}", file=sys.stderr)
        return 2
    cases: dict[str, dict[str, object]] = json.loads(index.read_text())[AGENT]
    groups: dict[int, Counter[str]] = {}
    bad = []
    for name, case in cases.items():
        behaviour, end = str(case["behavior"]), str(case["behaviorClose"])
        groups.setdefault(int(name.split(".")[0]), Counter())[behaviour] += 1
        if behaviour not in GOOD or end not in GOOD:
            bad.append(f"{name}: {behaviour}, close {end}")
    for group, counts in sorted(groups.items()):
        print(f"group {group:2}: " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
    print("\n".join(sorted(bad)) if bad else f"{len(cases)} cases, none failed")
    return 1 if bad else 0


def main(arguments: list[str]) -> int:
    is_short = "--short" in arguments
    cases = [one for one in arguments if one != "--short"]
    run(cases or [*GROUPS, *(SHORT if is_short else COMPRESSED)])
    return judge()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

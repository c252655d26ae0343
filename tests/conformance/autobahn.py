"""`make autobahn`: Autobahn's test suite as the client of ws_echo.py, what it found, and docs/conformance.md from that.

    python tests/conformance/autobahn.py [CASE ...]       "6.*", "12.1.3"; all of them without
    python tests/conformance/autobahn.py --short          without most of the long cases of groups 12 and 13
    python tests/conformance/autobahn.py --page           keep the results of all cases, and write the page

The suite is `autobahntestsuite` of PyPI, which needs Python 2.7: AUTOBAHN_PYTHON names one, else python2.7 is looked
for on the PATH and among pyenv's versions. It is put into build/autobahn once. Groups 12 and 13 send 216,000 messages
from plain Python, which takes an hour or so. The cases are run in portions; a portion's verdicts are in
build/autobahn/verdicts.json when it has ended, so that a run that was stopped has lost no more than one.
Reports with the bytes of every case: build/autobahn/reports/<portion>/index.html. Exit code 1 if a case failed.

Only OK is good, of the answer and of the connection's end: NON-STRICT, UNIMPLEMENTED, WRONG CODE and UNCLEAN are
failures. Of the cases in INFORMATIONAL the suite has no other verdict to give.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "autobahn"
RESULTS = HERE / "autobahn_results.json"
PAGE = ROOT / "docs" / "conformance.md"
SUITE = "autobahntestsuite==25.10.1"
AGENT = "fastsio"
# What each group is about, and how many cases it has; 8 and 11 have none.
GROUPS = {
    1: ("text and binary messages of 0 to 65,536 bytes, whole and in pieces", 16),
    2: ("pings and pongs", 11),
    3: ("reserved bits", 7),
    4: ("reserved opcodes", 10),
    5: ("fragments", 20),
    6: ("UTF-8, to the first byte that is wrong", 145),
    7: ("the closing handshake: order, codes, reasons", 37),
    9: ("messages up to 16 MiB; 1,000 round trips", 54),
    10: ("a message in fragments that the client makes by itself", 1),
    12: ("permessage-deflate: five kinds of data, 1,000 messages each", 90),
    13: ("permessage-deflate: seven offers of parameters", 126),
}
# Each a run of the suite by itself.
PORTIONS = [
    *[[f"{group}.*"] for group in GROUPS if group < 12],
    *[[f"{group}.{part}.*"] for group, parts in ((12, 5), (13, 7)) for part in range(1, parts + 1)],
]  # fmt: skip
SHORT = [f"{group}.{part}.{size}" for size in (1, 2, 3, 4, 5, 6, 8, 10, 16)
         for group, parts in ((12, 5), (13, 7)) for part in range(1, parts + 1)]  # fmt: skip
# A few seconds: what the tests run where there is a Python 2.7.
FAST = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.1.*", "6.2.*", "6.3.*", "6.4.*", "6.21.*", "7.*", "9.1.1", "9.2.1", "10.*",
    "12.1.1", "13.3.1", "13.7.1",
]  # fmt: skip
# pip's --target leaves namespace packages to .pth files, which only a site folder's are read.
RUN = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""
INFORMATIONAL = frozenset(("7.1.6", "7.13.1", "7.13.2"))


class Verdict(NamedTuple):
    """What the suite says of a case: of the messages, and of the connection's end."""

    behaviour: str
    close: str

    def is_good(self, case: str) -> bool:
        """Whether it is the best that this case can give."""
        accepted = {"OK", "INFORMATIONAL"} if case in INFORMATIONAL else {"OK"}
        return self.behaviour in accepted and self.close in accepted


Verdicts = dict[str, Verdict]


class NoSuite(Exception):
    """The suite can't be run here."""


def old_python() -> str:
    """A Python 2.7. Raises NoSuite if there is none."""
    named = os.environ.get("AUTOBAHN_PYTHON")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [named] if named else [shutil.which("python2.7"), *map(str, pyenv.glob("2.7*/bin/python"))]  # fmt: skip
    for python in filter(None, found):
        asked = subprocess.run(
            [python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
        )  # fmt: skip
        if asked.stdout.strip() == "(2, 7)":
            return python
    raise NoSuite("no Python 2.7, which the suite needs; AUTOBAHN_PYTHON can name one")


def suite(python: str, within_s: float | None = None) -> Path:
    """The folder with the suite, installed if it is not there. Raises NoSuite if it can't be."""
    folder = BUILD / "suite"
    if not (folder / "autobahntestsuite").is_dir():
        BUILD.mkdir(parents=True, exist_ok=True)
        with (BUILD / "install.txt").open("w") as log:
            pip = [python, "-m", "pip", "install", "--target", str(folder), SUITE]
            try:
                subprocess.run(
                    pip, stdout=log, stderr=subprocess.STDOUT, check=True, timeout=within_s
                )
            except (subprocess.SubprocessError, OSError) as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise NoSuite(f"{SUITE} can't be installed: {error}") from error
    return folder


def run(cases: list[str], name: str) -> Verdicts:
    """Play these cases against a server of their own; the suite's reports are in REPORTS/`name`."""
    python = old_python()
    folder = suite(python)
    reports = BUILD / "reports" / name
    shutil.rmtree(reports, ignore_errors=True)
    server = subprocess.Popen(
        [sys.executable, str(HERE / "ws_echo.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line.strip().isdecimal():
            raise NoSuite("ws_echo.py has not started; what it says stands above")
        port = int(line)
        spec = {
            "outdir": str(reports),
            "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}"}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        reports.mkdir(parents=True)
        (reports / "spec.json").write_text(json.dumps(spec))
        command = [python, "-c", RUN, str(folder), "-m", "fuzzingclient", "-s", str(reports / "spec.json")]  # fmt: skip
        with (reports / "log.txt").open("w") as log:
            subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=True)
        assert server.poll() is None, "the server has ended"
    finally:
        server.kill()
        server.wait()
    return verdicts_of(reports)


def verdicts_of(reports: Path) -> Verdicts:
    """What the suite's own report says. Raises NoSuite if it has written none."""
    index = reports / "index.json"
    if not index.exists():
        raise NoSuite(f"the suite has written no report; see {reports / 'log.txt'}")
    cases = json.loads(index.read_text())[AGENT]
    return {name: Verdict(case["behavior"], case["behaviorClose"]) for name, case in cases.items()}


def by_number(case: str) -> tuple[int, ...]:
    return tuple(map(int, case.split(".")))


def failures(verdicts: Verdicts) -> list[str]:
    """A line for each case that is not as it should be."""
    return [
        f"{case}: {verdict.behaviour}, close {verdict.close}"
        for case, verdict in sorted(verdicts.items(), key=lambda item: by_number(item[0]))
        if not verdict.is_good(case)
    ]


def counts(verdicts: Verdicts) -> dict[int, Counter[str]]:
    """How often each verdict was given, by group."""
    found: dict[int, Counter[str]] = {}
    for case, verdict in sorted(verdicts.items(), key=lambda item: by_number(item[0])):
        word = "OK" if verdict == ("OK", "OK") else "/".join(dict.fromkeys(verdict))
        found.setdefault(by_number(case)[0], Counter())[word] += 1
    return found


def judge(verdicts: Verdicts) -> int:
    """Print the table of groups and each case that is not as it should be; returns the exit code."""
    for group, words in counts(verdicts).items():
        print(f"group {group:2}: " + ", ".join(f"{n} {word}" for word, n in words.items()))
    bad = failures(verdicts)
    print("\n".join(bad) if bad else f"{len(verdicts)} cases, none failed")
    return 1 if bad else 0


# --- what is kept -------------------------------------------------------------------------------


def load(path: Path) -> Verdicts:
    """Verdicts that save() wrote; none if it has not."""
    if not path.exists():
        return {}
    return {case: Verdict(*words) for case, words in json.loads(path.read_text()).items()}


def save(path: Path, verdicts: Verdicts) -> None:
    """One case a line, in order."""
    lines = [
        f"  {json.dumps(case)}: {json.dumps(verdicts[case])}"
        for case in sorted(verdicts, key=by_number)
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def page_of(verdicts: Verdicts) -> str:
    """docs/conformance.md. Raises ValueError if a case is missing."""
    rows = []
    found = counts(verdicts)
    for group, (about, expected) in GROUPS.items():
        words = found.get(group, Counter())
        if words.total() != expected:
            raise ValueError(f"group {group} has {expected} cases, and {words.total()} were run")
        informational = words["INFORMATIONAL"]
        others = words.total() - words["OK"] - informational
        rows.append(f"| {group} | {about} | {expected} | {words['OK']} | {informational} | {others} |")  # fmt: skip
    bad = failures(verdicts)
    result = "None failed." if not bad else "Failed:\n\n" + "\n".join(f"* {line}" for line in bad)
    return (
        TEXT.replace("{rows}", "\n".join(rows))
        .replace("{total}", str(len(verdicts)))
        .replace("{result}", result)
        .replace("{suite}", SUITE)
    )


TEXT = """# WebSocket conformance

The whole of Autobahn's test suite (`{suite}`) against fastsio's WebSocket connection: the frame reader, the frame
builder, permessage-deflate and the connection class that serve Socket.IO, behind a plain echo server
(`tests/conformance/ws_echo.py --port N`, messages up to 64 MiB).

Made from the suite's own report by `tests/conformance/autobahn.py --page`. Good is only OK, of the messages and of the
connection's end; NON-STRICT, UNIMPLEMENTED and an unclean or wrong close count as failed. INFORMATIONAL is the only
verdict that the suite has for 7.1.6 (a close behind a message that is still being echoed) and 7.13.1 and 7.13.2 (close
codes of which RFC 6455 says nothing).

| group | what | cases | OK | INFORMATIONAL | others |
|---|---|---|---|---|---|
{rows}

{total} cases. {result} Every case's verdict: `tests/conformance/autobahn_results.json`.

## How to run it

`make autobahn` runs all of it, `make autobahn ARGS="6.* 7.*"` a part, `make autobahn ARGS=--short` all but most of the
long cases of groups 12 and 13. The suite is of PyPI and needs Python 2.7: `AUTOBAHN_PYTHON` names one, else it is
looked for on the PATH and among pyenv's versions. The bytes of each case are in
`build/autobahn/reports/<portion>/index.html`. `--page` writes this page from the verdicts of a whole run.

## What the tests run

* `tests/conformance/test_autobahn.py` runs a fast part of the suite itself (groups 1 to 5, 7 and 10 whole, some of 6,
  9, 12 and 13) where there is a Python 2.7 with which it can be installed, and is skipped elsewhere.
* `tests/conformance/test_websocket_cases.py` needs nothing but fastsio: representative cases of every group, our own,
  written from RFC 6455 and RFC 7692, with each one's bytes sent whole, in pieces of 997 and one by one, and every frame
  of the answer compared. That is what a machine without Python 2.7 checks, CI's among them.
"""


def write_page() -> int:
    """Keep what build/ has of all cases, and make the page of it; returns the exit code."""
    verdicts = load(BUILD / "verdicts.json")
    try:
        page = page_of(verdicts)
    except ValueError as error:
        print(f"autobahn: {error}", file=sys.stderr)
        return 2
    save(RESULTS, verdicts)
    PAGE.write_text(page)
    print(f"{PAGE.relative_to(ROOT)}: {len(verdicts)} cases")
    return judge(verdicts)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="autobahn.py", description="Autobahn's test suite")
    parser.add_argument("cases", nargs="*", metavar="CASE", help='such as "6.*" or 12.1.3')
    parser.add_argument("--short", action="store_true", help="without most of groups 12 and 13")
    parser.add_argument("--page", action="store_true", help="write docs/conformance.md")
    given = parser.parse_args(arguments)
    if given.page:
        return write_page()
    portions = [[case] for case in given.cases] or PORTIONS
    if given.short:
        portions = [*PORTIONS[:9], SHORT]
    played: Verdicts = {}
    try:
        for cases in portions:
            name = cases[0].strip(".*") if len(cases) == 1 else "short"
            played |= run(cases, name)
            save(BUILD / "verdicts.json", load(BUILD / "verdicts.json") | played)
            print(f"{name}: {len(played)} cases so far", file=sys.stderr)
    except NoSuite as error:
        print(f"autobahn: {error}", file=sys.stderr)
        return 2
    return judge(played)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Builds with sanitizers, each in a copy of the sources under build/, so that the usual build stays as it is.

    sanitised.py asan    with gcc: AddressSanitizer and UndefinedBehaviorSanitizer; see asan.py
    sanitised.py fuzz    with clang: the same and coverage, and an interpreter with libFuzzer; see tests/fuzz
    sanitised.py quick   as fuzz, several times as fast: AddressSanitizer alone, and coverage of branches alone

All print the copy's folder. Only what has changed is copied and built again. CC names another compiler.
Source: clang's manual, "AddressSanitizer", "UndefinedBehaviorSanitizer", "SanitizerCoverage"; gcc's, "-fsanitize".
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SANITIZERS = {
    "asan": "address,undefined",
    "fuzz": "address,undefined,fuzzer-no-link",
    "quick": "address",
}
COMPILERS = {"asan": "gcc", "fuzz": "clang", "quick": "clang"}
CLANG = "clang libclang-rt-14-dev (or the one of your clang)"
PACKAGES = {"asan": "gcc libc6-dev", "fuzz": CLANG, "quick": CLANG}
# Of comparisons libFuzzer would be told by a call each, and it looks at all counters after each run: half are Cython's.
MORE_FLAGS = {
    "quick": [
        "-fsanitize-coverage=inline-8bit-counters,pc-table",
        "-fsanitize-coverage-ignorelist=tests/fuzz/uncounted.txt",
    ]
}
LEVELS = {"quick": "2"}
MANIFEST = ".copied"
# What git does not know and the tests need.
LINKED = (
    "fastsio/bundle",
    "tests/node_modules",
    "tests/clients/node_modules",
    "examples/chat/node_modules",
)


def tree_of(kind: str) -> Path:
    """The copy's folder."""
    return ROOT / "build" / kind / "tree"


def build(kind: str) -> Path:
    """Bring the copy up to date and build it. Exits with a message where something is missing."""
    compiler = os.environ.get("CC", COMPILERS[kind])
    if shutil.which(compiler.split()[0]) is None:
        sys.exit(
            f"{compiler} is not on the PATH (on Debian and Ubuntu: apt-get install {PACKAGES[kind]})"
        )
    tree = tree_of(kind)
    tree.mkdir(parents=True, exist_ok=True)
    copy_sources(tree)
    environment = os.environ | {
        "CC": " ".join([compiler, *MORE_FLAGS.get(kind, ())]),
        "FASTSIO_SANITIZE": SANITIZERS[kind],
        "FASTSIO_SANITIZE_LEVEL": LEVELS.get(kind, "1"),
    }
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=sys.stderr)
    if kind != "asan":
        build_interpreter(kind, compiler)
    return tree


def copy_sources(tree: Path) -> None:
    """Every file that git has or would have; those that are gone go from the copy too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    manifest = tree / MANIFEST
    before = set(manifest.read_text().splitlines()) if manifest.exists() else set()
    for name in before - names:
        (tree / name).unlink(missing_ok=True)
    for name in names:
        copy_if_newer(ROOT / name, tree / name)
    manifest.write_text("\n".join(sorted(names)))
    for name in LINKED:
        link = tree / name
        if (ROOT / name).is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT / name)


def copy_if_newer(source: Path, copy: Path) -> None:
    """Copies keep their times: what has not changed is not built again."""
    state = source.stat()
    if copy.exists():
        known = copy.stat()
        if (known.st_mtime_ns, known.st_size) == (state.st_mtime_ns, state.st_size):
            return
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, copy)


def interpreter(kind: str) -> Path:
    """The Python with libFuzzer in it."""
    return ROOT / "build" / kind / "python"


def build_interpreter(kind: str, compiler: str) -> None:
    source, made = tree_of(kind) / "tests/fuzz/driver.c", interpreter(kind)
    if made.exists() and made.stat().st_mtime_ns > source.stat().st_mtime_ns:
        return
    arguments = [
        *compiler.split(), "-O1", "-g", f"-fsanitize={SANITIZERS[kind]}", f"-I{sysconfig.get_path('include')}",
        "-o", str(made), str(source), libfuzzer(compiler), "-lstdc++", "-rdynamic", *libpython(),
    ]  # fmt: skip
    subprocess.run(arguments, check=True, stdout=sys.stderr)


def libfuzzer(compiler: str) -> str:
    """libFuzzer without its main()."""
    name = f"libclang_rt.fuzzer_no_main-{os.uname().machine}.a"
    asked = subprocess.run(
        [*compiler.split(), f"-print-file-name={name}"], check=True, capture_output=True, text=True
    )
    path = Path(asked.stdout.strip())
    if not path.is_absolute():
        runtime = subprocess.run(
            [*compiler.split(), "-print-runtime-dir"], check=True, capture_output=True, text=True
        )
        path = Path(runtime.stdout.strip(), name)
    if not path.exists():
        sys.exit(f"{name} is missing (on Debian and Ubuntu: apt-get install {PACKAGES['fuzz']})")
    return str(path)


def libpython() -> list[str]:
    """How to link this interpreter's library, shared or not."""
    folder = sysconfig.get_config_var("LIBDIR")
    name = f"python{sysconfig.get_config_var('LDVERSION')}"
    system = [*(sysconfig.get_config_var("LIBS") or "").split(), "-lm", "-ldl", "-lpthread"]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return [f"-L{folder}", f"-l{name}", f"-Wl,-rpath,{folder}", *system]
    static = Path(sysconfig.get_config_var("LIBPL"), f"lib{name}.a")
    if not static.exists():
        sys.exit(f"{static} is missing (on Debian and Ubuntu: apt-get install python3-dev)")
    return ["-Wl,--whole-archive", str(static), "-Wl,--no-whole-archive", *system]


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SANITIZERS:
        sys.exit(__doc__)
    print(build(sys.argv[1]))

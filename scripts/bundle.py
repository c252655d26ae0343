"""Bring the official clients for browsers from npm into the package: python scripts/bundle.py [folder].

The packages are those of bundle/package-lock.json. Each file is laid beside its brotli and gzip form, with the
versions and the licences of all that is in it. `folder` is fastsio/bundle unless it is given; nothing is done if it is
up to date. Where npm is missing or fails it says so and leaves the package without: FASTSIO_BUNDLE=require makes that
an error, FASTSIO_BUNDLE=skip brings nothing.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "bundle"
MODULES = SOURCE / "node_modules"
NOW, OLD = "socket.io-client", "socket.io-client-2"
# What is served: the file it is made from. A name that ends in ".js" has its map beside it.
FILES = {
    name: (NOW, name)
    for name in (
        "socket.io.js",
        "socket.io.min.js",
        "socket.io.esm.min.js",
        "socket.io.msgpack.min.js",
    )
} | {"socket.io.v2.js": (OLD, "socket.io.js")}
# Of Node, as Python's library has no brotli.
BROTLI = """
const { readFileSync, writeFileSync } = require("fs");
const { brotliCompressSync } = require("zlib");
for (const path of process.argv.slice(1)) writeFileSync(`${path}.br`, brotliCompressSync(readFileSync(path)));
"""
INSTALL = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


class BundleError(Exception):
    """Why there is no bundle, in a sentence."""


def bring(folder: Path) -> None:
    """Fill `folder`, unless what is in it was made from the same."""
    stamp = folder / "STAMP"
    state = digest()
    if stamp.exists() and stamp.read_text() == state:
        return
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise BundleError("npm is not on the PATH")
    print("Bringing the official client from npm", file=sys.stderr)
    call([npm, *INSTALL], SOURCE)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = [path for name, source in FILES.items() for path in copy(folder, name, *source)]
    for path in made:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    call([node, "-e", BROTLI, "--", *map(str, made)], SOURCE)
    for name, package in (("VERSION", NOW), ("V2_VERSION", OLD)):
        (folder / name).write_text(version_of(MODULES / package))
    (folder / "LICENSES.txt").write_text(licences(), encoding="utf-8")
    stamp.write_text(state)


def digest() -> str:
    sources = (SOURCE / "package.json", SOURCE / "package-lock.json", Path(__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def call(command: list[str], where: Path) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise BundleError(
            f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}"
        )


def copy(folder: Path, name: str, package: str, original: str) -> list[Path]:
    """A script and its map, which it names at its end."""
    dist = MODULES / package / "dist"
    script, script_map = folder / name, folder / f"{name}.map"
    text = (dist / original).read_bytes()
    script.write_bytes(
        text.replace(
            f"sourceMappingURL={original}.map".encode(), f"sourceMappingURL={name}.map".encode()
        )
    )
    shutil.copyfile(dist / f"{original}.map", script_map)
    return [script, script_map]


def version_of(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])


def licences() -> str:
    """Those of the clients and of every package that may be in them."""
    parts = ["The files of this folder are made of these packages of npm.\n"]
    for manifest in sorted(MODULES.rglob("package.json")):
        about = json.loads(manifest.read_text(encoding="utf-8"))
        # Not the package.json of a folder inside of a package.
        if (
            "node_modules" not in (manifest.parents[1].name, manifest.parents[2].name)
            or "version" not in about
        ):
            continue
        parts.append(
            f"{'-' * 80}\n{about['name']} {about['version']}\n\n{licence_in(manifest.parent)}\n"
        )
    return "\n".join(parts)


def licence_in(package: Path) -> str:
    """The text of a package's licence; of one that has no file for it what its readme says at the end."""
    files = sorted(path for path in package.iterdir() if path.is_file())
    found = [path for path in files if path.name.lower().startswith("licen")]
    if found:
        return "\n".join(path.read_text(encoding="utf-8").strip() for path in found)
    for readme in (path for path in files if path.name.lower().startswith("readme")):
        text = readme.read_text(encoding="utf-8")
        at = text.lower().rfind("licen")
        if at >= 0:
            return text[text.rfind("\n\n", 0, at) + 1 :].strip()
    return str(
        json.loads((package / "package.json").read_text(encoding="utf-8")).get("license", "MIT")
    )


def main() -> int:
    mode = os.environ.get("FASTSIO_BUNDLE", "")
    if mode == "skip":
        return 0
    try:
        bring(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "fastsio" / "bundle")
    except (BundleError, OSError) as error:
        print(
            f"The client bundle is left out, and /socket.io/socket.io.js will be a 404: {error}",
            file=sys.stderr,
        )
        return 1 if mode == "require" else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

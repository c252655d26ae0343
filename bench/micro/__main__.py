"""`make bench-micro`: one operation per benchmark, fastsio and who else can do it. Arguments are pytest's."""

import subprocess
import sys
from pathlib import Path

from bench.install import BUILD, SetupError, fastsio_in, venv
from bench.prepare import VENV

MICRO = Path(__file__).resolve().parent


def main() -> int:
    BUILD.mkdir(exist_ok=True)
    try:
        python = venv(VENV, sys.executable)
        fastsio_in(VENV)
    except SetupError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    pytest = (python, "-m", "pytest", "-c", MICRO / "pytest.ini", MICRO)
    return subprocess.run([*map(str, pytest), *sys.argv[1:]]).returncode


if __name__ == "__main__":
    sys.exit(main())

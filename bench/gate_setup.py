"""What instruction counts depend on besides the project: Python's build, compiler, libraries.

`Setup.name` is which figures of gate.json are this machine's; `versions` are noted beside them.
"""

import platform
import subprocess
import sysconfig
from dataclasses import dataclass
from importlib.metadata import version

LIBRARIES = ("Cython", "httptools", "orjson", "uvloop")


@dataclass(frozen=True)
class Setup:
    name: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Setup":
        python = f"{platform.python_implementation()} {platform.python_version()}"
        built = platform.python_compiler()
        if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
            built += " with profile"
        compiler = f"{_compiler()} on {platform.machine()}"
        return cls(f"{python} ({built}), {compiler}", _versions())

    def differences(self, others: dict[str, str]) -> str:
        """What `others` has in other versions, for people; "" if nothing."""
        return ", ".join(
            f"{name} {others.get(name)} -> {is_now}"
            for name, is_now in self.versions.items()
            if others.get(name) != is_now
        )


def _compiler() -> str:
    command = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return f"{command} {_output(command, '-dumpfullversion')}"


def _versions() -> dict[str, str]:
    versions = {name: version(name) for name in LIBRARIES}
    versions["valgrind"] = _output("valgrind", "--version").removeprefix("valgrind-")
    versions["libc"] = " ".join(platform.libc_ver())
    # valgrind shows programs a processor with AVX2 where there is one; memcpy and JSON use it.
    with open("/proc/cpuinfo") as cpuinfo:
        versions["AVX2"] = "yes" if " avx2 " in cpuinfo.read() else "no"
    return versions


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return "none"

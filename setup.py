"""How the compiled modules are built; everything else about the package is in pyproject.toml.

Generated C goes under build/, never beside the sources. Incremental: a module is translated again when
its .pyx or a .pxd that it cimports changed, and compiled again when its C or a header that it includes
did. Each set of directives, flags and Cython version has a folder of its own, so that a change of one
builds anew.

FASTSIO_DEBUG=1 builds with bounds checks and asserts, without optimisation. FASTSIO_SANITIZE names sanitizers for the
compiler, FASTSIO_SANITIZE_LEVEL how much it optimises with them (scripts/sanitised.py).

The official client for browsers is brought from npm on the way (scripts/bundle.py), where npm is.
"""

import filecmp
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

DEBUG = os.environ.get("FASTSIO_DEBUG", "0") not in ("", "0")

SANITIZE = os.environ.get("FASTSIO_SANITIZE", "")

DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "embedsignature.format": "python",
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
}

if sys.platform == "win32":
    COMPILE_ARGS = ["/Od", "/Zi"] if DEBUG else ["/O2"]
elif SANITIZE:
    COMPILE_ARGS = [
        f"-O{os.environ.get('FASTSIO_SANITIZE_LEVEL', '1')}",
        "-g",
        "-fno-omit-frame-pointer",
        f"-fsanitize={SANITIZE}",
        "-fno-sanitize-recover=all",
    ]
elif DEBUG:
    COMPILE_ARGS = ["-O0", "-g", "-UNDEBUG"]
else:
    COMPILE_ARGS = ["-O3", "-g0"]

SETTINGS = (
    Cython.__version__,
    sorted(DIRECTIVES.items()),
    COMPILE_ARGS,
    [os.environ.get(name) for name in ("CC", "CFLAGS", "LDFLAGS")],
)
BUILD_DIR = Path("build", "cython", hashlib.sha256(repr(SETTINGS).encode()).hexdigest()[:12])


# Cython 3.3: a list comprehension without memory for its next item releases that twice, here and in the caller.
APPEND = """\
    int result = PyList_Append(list, x);
    Py_DECREF(x);
    return result;
"""
MENDED = APPEND.replace("Py_DECREF(x);", "if (likely(result == 0)) Py_DECREF(x);")


def mend(c_file: Path) -> None:
    """Correct what Cython has generated, unless that is done already."""
    text = c_file.read_text()
    if APPEND in text:
        c_file.write_text(text.replace(APPEND, MENDED))


class BuildExt(build_ext):
    """build_ext that keeps builds of different settings apart, and translates only when it builds."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        if self.inplace:
            self.build_lib = str(BUILD_DIR / "lib")
        else:
            # What lies in the build_lib of a wheel may come from other settings.
            self.force = True

    def build_extensions(self) -> None:
        translated = cythonize(
            self.extensions,
            build_dir=str(BUILD_DIR),
            compiler_directives=DIRECTIVES,
            nthreads=(os.cpu_count() or 1) if sys.platform == "linux" else 0,
        )
        for c_extension in translated:
            mend(Path(c_extension.sources[0]))
        for extension, c_extension in zip(self.extensions, translated, strict=True):
            extension.sources = c_extension.sources
            extension.depends = c_extension.depends  # the headers it includes
        super().build_extensions()

    def copy_extensions_to_source(self) -> None:
        # Else only what is newer is copied, which the build of other settings need not be.
        self.force = True
        super().copy_extensions_to_source()

    def copy_file(self, infile: str, outfile: str, *args: Any, **options: Any) -> tuple[str, bool]:
        """As the base's, but what is there already stays: a build beside this one may be reading or copying it."""
        if Path(outfile).is_file() and filecmp.cmp(infile, outfile, shallow=False):
            return outfile, False
        return super().copy_file(infile, outfile, *args, **options)


class BuildPy(build_py):
    """build_py that puts the client bundle into what is built; an editable install has it in the source folder."""

    def run(self) -> None:
        super().run()
        script = Path("scripts", "bundle.py")
        if script.exists():  # what the benchmarks build has no scripts
            folder = Path("." if self.editable_mode else self.build_lib, "fastsio", "bundle")
            subprocess.run([sys.executable, str(script), str(folder)], check=True)


def extension(source: Path) -> Extension:
    return Extension(
        f"fastsio.{source.stem}",
        [source.as_posix()],
        include_dirs=["fastsio"],
        extra_compile_args=COMPILE_ARGS,
        extra_link_args=[f"-fsanitize={SANITIZE}"] if SANITIZE else [],
        define_macros=[("FASTSIO_DEBUG", "1")] if DEBUG else [],
    )


setup(
    ext_modules=[extension(source) for source in sorted(Path("fastsio").glob("_*.pyx"))],
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)

"""fastsio.adapters: its names, what is imported for them and when, and modules that need no other to come first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastsio import adapters

# Each module is imported as the first one of adapters.
EACH_FIRST = """
import importlib, pkgutil, sys
import fastsio
names = [found.name for found in pkgutil.walk_packages(fastsio.adapters.__path__, "fastsio.adapters.")]
for name in names:
    for loaded in [one for one in sys.modules if one.startswith("fastsio.adapters")]:
        del sys.modules[loaded]
    importlib.import_module(name)
print(len(names))
"""
LOADED = "import fastsio, sys; print(*[name for name in sys.modules if name.startswith('fastsio.adapters.')])"


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", adapters.__all__)
def test_each_name_is_that_of_a_class(name):
    assert getattr(adapters, name).__name__ == name


def test_another_name_is_an_attribute_error_that_says_so():
    with pytest.raises(
        AttributeError, match=r"'fastsio\.adapters' has no attribute 'RabbitAdapter'"
    ):
        adapters.RabbitAdapter  # noqa: B018


def test_every_module_can_be_the_first_to_be_imported():
    assert int(printed(EACH_FIRST)) > 40


def test_importing_fastsio_imports_no_adapter_that_nobody_has_asked_for():
    loaded = printed(LOADED).split()
    assert "fastsio.adapters.cluster.bus" in loaded
    parts = {name.split(".")[2] for name in loaded}
    assert parts.isdisjoint({"redis", "recovery", "forwarding", "presence", "local", "memory"})

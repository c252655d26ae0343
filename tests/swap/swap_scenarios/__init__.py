"""The scenarios, a module for each subject."""

import importlib
import pkgutil


def load() -> None:
    """Import every module here, so that SCENARIOS is full."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")

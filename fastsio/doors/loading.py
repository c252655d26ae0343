"""Applications by their names, "module:name". Knows nothing of what serves them."""

import importlib
import sys
from typing import Any

from fastsio.doors.carriers import find_carried

SERVABLE = "an AsyncServer, an IO, an engineio.AsyncServer, an ASGIApp or an application with one"


def load(target: str) -> Any:
    """The application that "module:name" names. Raises ValueError, saying what is missing."""
    module_name, _, name = target.partition(":")
    if not name:
        raise ValueError(f"{target!r}: give module:name, such as chat:sio")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(
            f"{module_name!r} is no module's name: give it as in import, such as chat or app.chat"
        )
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # One that the application itself imports in vain keeps its traceback.
        if error.name is None or not (
            module_name == error.name or module_name.startswith(f"{error.name}.")
        ):
            raise
        raise ValueError(f"there is no module {error.name!r} here") from None
    app = getattr(module, name, None)
    if not is_servable(app):
        raise ValueError(f"{target!r} is {app!r}: it can't be served. Give {SERVABLE}")
    return app


def is_servable(app: Any) -> bool:
    """True for what serve.start() takes."""
    return hasattr(app, "hub") or hasattr(app, "as_asgi") or find_carried(app) is not None

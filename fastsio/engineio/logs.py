"""What the `logger` option of python-engineio's servers does to fastsio's loggers."""

import logging
from typing import Any

NAMES = ("fastsio.engineio", "fastsio.engine", "fastsio.conn")
logger = logging.getLogger("fastsio.engineio")


class _PassOn(logging.Handler):
    """Gives records to a logger of the application."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self.target = target

    def emit(self, record: logging.LogRecord) -> None:
        if self.target.isEnabledFor(record.levelno):
            self.target.handle(record)


def _is_same(known: logging.Handler, handler: logging.Handler) -> bool:
    return type(known) is type(handler) and getattr(known, "target", None) is getattr(
        handler, "target", None
    )


def log_to(given: Any) -> Any:
    """True: to stderr from INFO on; a Logger: to that; False: nowhere but where the application sends "fastsio".

    Returns the logger for the server's own notes.
    """
    if given is False or given is None:
        return logger
    handler = logging.StreamHandler() if given is True else _PassOn(given)
    for name in NAMES:
        target = logging.getLogger(name)
        if not any(_is_same(known, handler) for known in target.handlers):
            target.addHandler(handler)
        if target.level == logging.NOTSET:
            target.setLevel(logging.INFO)
    return logger if given is True else given

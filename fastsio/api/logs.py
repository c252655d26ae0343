"""The `logger` and `engineio_logger` arguments: where fastsio's own loggers speak.

The loggers are the process's ("fastsio.core" for Socket.IO, "fastsio.engine" and "fastsio.conn" below it), so
two servers share them, and the last setting counts.
"""

import logging
import sys
from typing import Any

CORE_LOGGERS = ("fastsio.core",)
ENGINE_LOGGERS = ("fastsio.engine", "fastsio.conn")


def set_logger(given: Any, names: tuple[str, ...], argument: str) -> logging.Logger | Any:
    """Do as the argument says; returns the logger that an application may write to.

    False: only warnings and errors are seen, as logging itself does it. True: what is noted goes to stderr. Any
    object with a logger's methods: it goes there. Raises TypeError for anything else.
    """
    if given is None or given is False:
        return logging.getLogger(names[0])
    if given is True:
        for name in names:
            _speak(logging.getLogger(name), logging.StreamHandler(sys.stderr))
        return logging.getLogger(names[0])
    if not callable(getattr(given, "info", None)) or not callable(getattr(given, "error", None)):
        raise TypeError(f"{argument}={given!r}: True, False or a logger")
    if any(given is logging.getLogger(name) for name in CORE_LOGGERS + ENGINE_LOGGERS):
        return given  # it hears it anyway
    for name in names:
        logger = logging.getLogger(name)
        for handler in [one for one in logger.handlers if isinstance(one, Forwarder)]:
            logger.removeHandler(handler)
        _speak(logger, Forwarder(given))
        # The other logger has its own ways to the root.
        logger.propagate = False
    return given


def is_talkative(given: Any) -> bool:
    """Whether such a logger wants to know of every event, which takes time: True, or one that is set to INFO."""
    return given.isEnabledFor(logging.INFO) if isinstance(given, logging.Logger) else bool(given)


def _speak(logger: logging.Logger, handler: logging.Handler) -> None:
    if not logger.handlers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


class Forwarder(logging.Handler):
    """Gives records to an application's logger, which may be any object with a logger's methods."""

    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(self._target, logging.Logger):
            if self._target.isEnabledFor(record.levelno):
                self._target.handle(record)
            return
        say = getattr(self._target, record.levelname.lower(), self._target.info)
        if record.exc_info:
            say(record.getMessage(), exc_info=record.exc_info)
        else:
            say(record.getMessage())

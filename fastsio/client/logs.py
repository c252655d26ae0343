"""What `logger=` and `engineio_logger=` mean: True prints, a logger is used, False keeps to errors."""

import logging
from typing import Any


def make_logger(given: Any, name: str) -> logging.Logger:
    """As in python-socketio: True and False set the level of the logger `name` where nobody has set it."""
    if not isinstance(given, bool):
        logger: logging.Logger = given
        return logger
    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO if given else logging.ERROR)
        if given and not logger.handlers:
            logger.addHandler(logging.StreamHandler())
    return logger

"""The options of a server. Imports nothing of fastsio: both API styles make them, the engine and the core read them."""

from fastsio.options.cors import Cors
from fastsio.options.table import Options
from fastsio.options.values import (
    BUFFER_POLICIES,
    TRANSPORTS,
    WEBTRANSPORT,
    check_marks,
    nearest,
    node_cookie,
    parse_proxies,
)

__all__ = [
    "BUFFER_POLICIES",
    "TRANSPORTS",
    "WEBTRANSPORT",
    "Cors",
    "Options",
    "check_marks",
    "nearest",
    "node_cookie",
    "parse_proxies",
]

"""Agreeing on permessage-deflate in a WebSocket's handshake.

Source: RFC 6455 9.1 (the header), RFC 7692 5.1 and 7.1 (offers, parameters and the answer). What is compressed and how:
_deflate.pyx.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any

from fastsio._deflate import Compression, Deflate
from fastsio.engine.ports import Request

logger = logging.getLogger("fastsio.engine")

NAME = "permessage-deflate"
MAX_BITS = 15
# RFC 7692 7.1.2: a decimal without leading zeros. RFC 6455 9.1: quoted or not, it is the same value.
BITS = {str(bits): bits for bits in range(8, MAX_BITS + 1)}
FLAGS = ("server_no_context_takeover", "client_no_context_takeover")

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_EXTENSION = re.compile(rf"[ \t]*({_TOKEN})[ \t]*")
_PARAMETER = re.compile(
    rf';[ \t]*({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN})|"((?:[^"\\]|\\.)*)")[ \t]*)?'
)
_COMMA = re.compile(r"[ \t]*(?:,[ \t]*)+")

Parameters = list[tuple[str, str | None]]


class Deflation:
    """What a server agrees to: the router of connections has one where the option is on.

    `settings` is the option per_message_deflate, complete.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._compression = Compression(
            settings["threshold"], settings["level"], settings["mem_level"]
        )

    def agree(self, request: Request) -> tuple[str, Deflate] | None:
        """The answer's Sec-WebSocket-Extensions and what the connection needs; None if nothing fits, and then without.

        The client's offers are tried in its order of preference.
        """
        header = request.header("sec-websocket-extensions")
        if header is None:
            return None
        for name, parameters in offers(header):
            if name == NAME:
                agreed = self._answer(parameters)
                if agreed is not None:
                    return agreed
        return None

    def _answer(self, parameters: Parameters) -> tuple[str, Deflate] | None:
        """None declines the offer."""
        offered = checked(parameters)
        if offered is None:
            return None
        settings = self._settings
        limit = offered.get("server_max_window_bits", MAX_BITS)
        bits = min(limit, settings["server_max_window_bits"])
        if bits < 9:
            return None  # zlib's raw deflate has no window of 256 bytes
        # RFC 7692 7.1.1.1: what the server is asked for it has to confirm; more it may say unasked.
        resets = settings[FLAGS[0]] or FLAGS[0] in offered
        # 7.1.1.2: the client has said that it can, and we need no inflater between messages then.
        peer_resets = settings[FLAGS[1]] or FLAGS[1] in offered
        answer = [NAME, *(FLAGS[:1] if resets else ()), *(FLAGS[1:] if peer_resets else ())]
        if "server_max_window_bits" in offered or bits < MAX_BITS:
            answer.append(f"server_max_window_bits={bits}")
        peer_bits = MAX_BITS
        # 7.1.2.2: the client's window may be limited only if it offers that.
        if "client_max_window_bits" in offered:
            peer_bits = min(offered["client_max_window_bits"], settings["client_max_window_bits"])
            if peer_bits < MAX_BITS:
                answer.append(f"client_max_window_bits={peer_bits}")
        deflate = Deflate(self._compression, bits, not resets, peer_bits, not peer_resets)
        return "; ".join(answer), deflate


def checked(parameters: Parameters) -> dict[str, int] | None:
    """An offer's parameters, the flags as 1; None for an offer that has to be declined.

    RFC 7692 7.1: an unknown or repeated parameter, a value that is missing, wrong, or where none belongs.
    """
    offered: dict[str, int] = {}
    for name, value in parameters:
        if name in FLAGS:
            number = 1 if value is None else None
        elif name == "server_max_window_bits":
            number = BITS.get(value) if value is not None else None
        elif name == "client_max_window_bits":
            number = MAX_BITS if value is None else BITS.get(value)
        else:
            number = None
        if number is None or name in offered:
            return None
        offered[name] = number
    return offered


def offers(header: str) -> Iterator[tuple[str, Parameters]]:
    """The extensions that a Sec-WebSocket-Extensions names, with their parameters.

    Ends where the header is none any more: what came before is offered all the same.
    """
    at = _skip(_COMMA, header, 0)
    while at < len(header):
        extension = _EXTENSION.match(header, at)
        if extension is None:
            break
        at = extension.end()
        parameters: Parameters = []
        while parameter := _PARAMETER.match(header, at):
            at = parameter.end()
            name, token, quoted = parameter.groups()
            parameters.append((name, token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)))
        comma = _COMMA.match(header, at)
        if at < len(header) and comma is None:
            break
        yield extension[1], parameters
        at = len(header) if comma is None else comma.end()
    if at < len(header):
        logger.debug("Sec-WebSocket-Extensions %r: wrong from character %d on", header, at)


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()

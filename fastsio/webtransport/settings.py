"""What can be said about the WebTransport listener: start(..., webtransport={...}). Imports no QUIC."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fastsio.options import WEBTRANSPORT, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The listener of HTTP/3.

    certfile, keyfile: the certificate chain and the private key, PEM files (the key may be in the first), and
        keyfile_password of an encrypted key; all three are start()'s ssl_… if there is no certfile here.
    host, port: where it listens on UDP; None: where the server listens on TCP. Clients ask the port of their URL, so
        another one needs something that forwards to it.
    max_connections: QUIC connections that may be open; clients beyond it get no answer.
    max_handshakes: those that have not finished their handshake; from a half of it on new clients have to show that
        their address is their own (RFC 9000 8.1.2, Retry), which costs them a round trip.
    receive_window: bytes that a client may have on the way to us: at most so many are held of what came in disorder.
    send_buffer: bytes that are given to QUIC before the client has acknowledged them; what is behind waits in the
        session's queue, where max_buffered_bytes bounds it.
    """

    certfile: str | Path | None = None
    keyfile: str | Path | None = None
    keyfile_password: str | bytes | None = None
    host: str | None = None
    port: int | None = None
    max_connections: int = 10_000
    max_handshakes: int = 256
    receive_window: int = 1024 * 1024
    send_buffer: int = 256 * 1024

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"webtransport: {name}={value!r}: a whole number from {least} on")
        if self.port is not None and not 0 < self.port <= 65535:
            raise ValueError(
                f"webtransport: port={self.port!r}: 1 to 65535, or None for the server's"
            )


# A stream's first window is 64 KiB, and a handshake's first packet 1,200 bytes.
_LEAST = {"max_connections": 1, "max_handshakes": 1, "receive_window": 65_536, "send_buffer": 4096}


# start()'s ssl_certfile, ssl_keyfile and ssl_keyfile_password.
Files = tuple[str | None, str | None, str | bytes | None]


def settings_of(given: Any, files: Files, transports: tuple[str, ...]) -> Settings | None:
    """What start()'s `webtransport` means for an application with these `transports`; None: no listener.

    Raises ValueError if the two contradict each other or there is no certificate, TypeError for an unknown name.
    """
    is_named = WEBTRANSPORT in transports
    if given is False or (given is None and not is_named):
        return None
    if not is_named:
        raise ValueError(
            f"webtransport={given!r}: the application's `transports` have to name it: "
            f"transports={[*transports, WEBTRANSPORT]!r}"
        )
    settings = _read(given)
    if settings.certfile is None:
        if files[0] is None:
            raise ValueError(
                "transports name webtransport, which is HTTP/3 and needs a certificate: give ssl_certfile and "
                "ssl_keyfile, or webtransport={'certfile': …, 'keyfile': …}, or webtransport=False for no listener"
            )
        cert, key, password = files
        return replace(settings, certfile=cert, keyfile=key, keyfile_password=password)
    return settings


def _read(given: Any) -> Settings:
    if isinstance(given, Settings):
        return given
    if given is None or given is True:
        return Settings()
    if not isinstance(given, dict):
        raise ValueError(f"webtransport={given!r}: True, False, None or a dict of its settings")
    known = {field.name for field in fields(Settings)}
    for name in given:
        if name not in known:
            raise TypeError(f"unknown setting {name!r} of webtransport{nearest(name, known)}")
    return Settings(**given)

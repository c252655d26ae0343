"""TLS of the server's own listener: a context made from files, and how long a peer may take with its handshake.

Knows nothing of what is served.
Source: RFC 9325 (TLS 1.2 and 1.3 alone, ephemeral keys, authenticated encryption), RFC 7301 (ALPN), RFC 8446 4.1.2
(TLS 1.3 knows no renegotiation; here TLS 1.2 has none either).
"""

import os
import ssl
from typing import Any

# Of TLS 1.2, in OpenSSL's words; TLS 1.3 has no others. RFC 9325 4.2: what is not here has no forward secrecy (RSA key
# exchange), or encrypts and authenticates apart (CBC). Every browser and library since 2014 has one of these.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# What is spoken here. A client that was lured to this port by another protocol's page ends in the handshake (ALPACA).
PROTOCOLS = ["http/1.1"]
# A peer that does not answer the end of TLS is let go then; asyncio would wait 30 seconds.
SHUTDOWN_S = 5.0


def context_for(
    context: ssl.SSLContext | None, certfile: str | None, keyfile: str | None, password: str | bytes | None
) -> ssl.SSLContext | None:  # fmt: skip
    """The context that the options of start() ask for, None for no TLS; a context that was given is taken as it is.

    Raises ValueError for options that don't belong together and for files that are no certificate or key, OSError for
    files that can't be read.
    """
    if context is not None:
        if certfile is not None or keyfile is not None or password is not None:
            raise ValueError(
                "ssl_context: it has its own certificate, "
                "so leave ssl_certfile, ssl_keyfile and ssl_keyfile_password out"
            )
        if not isinstance(context, ssl.SSLContext):
            raise ValueError(f"ssl_context={context!r}: an ssl.SSLContext")
        return context
    if certfile is None:
        if keyfile is not None or password is not None:
            raise ValueError(f"ssl_keyfile={keyfile!r}: it needs ssl_certfile")
        return None
    return server_context(certfile, keyfile, password)


def server_context(
    certfile: str, keyfile: str | None = None, password: str | bytes | None = None
) -> ssl.SSLContext:
    """A context with the certificate chain in `certfile` and the key in `keyfile`, or in `certfile` too (PEM).

    TLS 1.2 and 1.3, CIPHERS, no compression, no renegotiation, ALPN "http/1.1". Errors: as context_for().
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= (
        ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    )
    context.set_alpn_protocols(PROTOCOLS)
    _load(context, certfile, keyfile, password)
    return context


def _load(
    context: ssl.SSLContext, certfile: str, keyfile: str | None, password: str | bytes | None
) -> None:
    where = f"ssl_certfile={certfile!r}" + ("" if keyfile is None else f", ssl_keyfile={keyfile!r}")
    for path in filter(None, (certfile, keyfile)):
        os.close(os.open(path, os.O_RDONLY))  # whose OSError names the file; OpenSSL's does not

    def ask() -> str | bytes:
        # Without this function OpenSSL would ask on the terminal, and a service would wait for ever.
        if password is None:
            raise ValueError(f"{where}: the key is encrypted, give ssl_keyfile_password")
        return password

    try:
        context.load_cert_chain(certfile, keyfile, ask)
    except ssl.SSLError as error:
        raise ValueError(
            f"{where}: no certificate and key that belong together, or not the key's password ({error})"
        ) from error


def listener_options(context: ssl.SSLContext | None, handshake_s: float) -> dict[str, Any]:
    """What create_server() is given for TLS. A handshake that takes longer than `handshake_s` ends the connection."""
    if context is None:
        return {}
    return {
        "ssl": context,
        "ssl_handshake_timeout": handshake_s,
        "ssl_shutdown_timeout": SHUTDOWN_S,
    }

"""TLS as start() makes it of a certificate: what is agreed on with openssl, and what is refused.

Source: RFC 9325 3.1 (versions), 4.2 (cipher suites); RFC 7301 (ALPN).
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fastsio
from fastsio.doors.tls import server_context
from harness import DEADLINE_S, MS, FakePeer, RawConnection, http

pytestmark = pytest.mark.skipif(
    subprocess.run(["openssl", "version"], capture_output=True, check=False).returncode != 0,
    reason="no openssl",
)
# What OpenSSL itself no longer does by default, so that it is the server that refuses.
ANYTHING = "ALL:@SECLEVEL=0"


@pytest.fixture
async def secure(serve: Any, certificate: tuple[str, str]) -> Any:
    cert, key = certificate
    return await serve(fastsio.IO(), ssl_certfile=cert, ssl_keyfile=key, head_timeout=1_000 * MS)


async def s_client(server: Any, *arguments: str, says: bytes = b"Q\n") -> str:
    """All that openssl's client prints of a connection."""
    address = f"127.0.0.1:{server.port}"
    process = await asyncio.create_subprocess_exec(
        "openssl", "s_client", "-connect", address, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(says), 4 * DEADLINE_S)
    return out.decode(errors="replace")


def is_agreed(said: str) -> bool:
    return "New, TLSv1" in said and "Cipher is (NONE)" not in said


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_modern_versions_are_spoken(secure: Any, version: str) -> None:
    said = await s_client(secure, version)
    assert is_agreed(said), said


@pytest.mark.fault("a client offers TLS 1.0 or 1.1", "the handshake fails; others are served")
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
async def test_old_versions_are_refused(secure: Any, version: str) -> None:
    said = await s_client(secure, version, "-cipher", ANYTHING)
    assert not is_agreed(said), said
    assert "read 0 bytes and written 1" in said, said  # a hello went out, and nothing came back
    assert (await http(secure.url, "GET", "/socket.io/")).status == 400


async def test_a_context_of_ones_own_is_taken_as_it_is_and_this_openssl_would_speak_them(
    serve: Any, certificate: tuple[str, str]
) -> None:
    """Else the refusals above and below would be the client's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers(ANYTHING)
    context.load_cert_chain(*certificate)
    server = await serve(fastsio.IO(), ssl_context=context)
    assert is_agreed(await s_client(server, "-tls1", "-cipher", ANYTHING))
    assert is_agreed(await s_client(server, "-tls1_1", "-cipher", ANYTHING))
    old = "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"
    assert is_agreed(await s_client(server, "-tls1_2", "-cipher", old))


@pytest.mark.parametrize(
    "cipher",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ],
)
async def test_ciphers_with_forward_secrecy_and_authentication_are_taken(
    secure: Any, cipher: str
) -> None:
    said = await s_client(secure, "-tls1_2", "-cipher", cipher)
    assert f"Cipher is {cipher}" in said, said


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-SHA", "NULL", "aNULL"]
)
async def test_others_are_refused(secure: Any, cipher: str) -> None:
    said = await s_client(secure, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert not is_agreed(said), said


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("h2,http/1.1", "ALPN protocol: http/1.1"),
        ("http/1.1", "ALPN protocol: http/1.1"),
        (None, "No ALPN negotiated"),
    ],
)
async def test_protocol_that_is_spoken_here_is_chosen(
    secure: Any, offered: str | None, chosen: str
) -> None:
    said = await s_client(secure, *(() if offered is None else ("-alpn", offered)))
    assert chosen in said, said


@pytest.mark.fault(
    "a client asks for TLS renegotiation again and again",
    "refused: the server spends nothing on it",
)
async def test_renegotiation_and_compression_are_refused(secure: Any) -> None:
    said = await s_client(secure, "-tls1_2", "-cipher", ANYTHING, says=b"R\nQ\n")
    assert is_agreed(said), said
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said, said
    assert "Compression: NONE" in said, said


@pytest.mark.fault(
    "a client connects to a TLS port and begins no handshake",
    "the connection is closed after head_timeout",
)
async def test_handshake_that_is_not_begun_ends_in_time(
    serve: Any, certificate: tuple[str, str], watch: Any
) -> None:
    cert, key = certificate
    server = await serve(fastsio.IO(), ssl_certfile=cert, ssl_keyfile=key, head_timeout=100 * MS)
    silent = await RawConnection.open(server.url.replace("https", "http"))
    assert await silent.read_to_end() == b""
    await silent.close()
    peer = await FakePeer(server.url).open()
    await peer.close()


# --- the files ------------------------------------------------------------------------------------


def make_key(folder: Path, *arguments: str) -> tuple[str, str]:
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-days", "2", "-subj", "/CN=localhost", *arguments]
    files = ["-keyout", key, "-out", cert]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return cert, key


async def test_key_with_a_password(serve: Any, tmp_path: Path) -> None:
    cert, key = make_key(tmp_path, "-newkey", "rsa:2048", "-passout", "pass:secret")
    files = {"ssl_certfile": cert, "ssl_keyfile": key}
    server = await serve(fastsio.IO(), **files, ssl_keyfile_password="secret")
    assert (await http(server.url, "GET", "/socket.io/")).status == 400
    # Without one OpenSSL would ask on the terminal, and the service hang.
    with pytest.raises(ValueError, match="is encrypted, give ssl_keyfile_password"):
        await serve(fastsio.IO(), **files)
    with pytest.raises(ValueError, match=r"key\.pem.*not the key's password") as caught:
        await serve(fastsio.IO(), **files, ssl_keyfile_password="wrong")
    assert "wrong" not in str(caught.value)


async def test_files_that_are_none_are_named(
    serve: Any, certificate: tuple[str, str], tmp_path: Path
) -> None:
    cert, key = certificate
    other = tmp_path / "other.pem"
    other.touch()
    for files in ((str(other), key), (cert, str(other))):
        with pytest.raises(ValueError, match=r"other\.pem"):
            await serve(fastsio.IO(), ssl_certfile=files[0], ssl_keyfile=files[1])
    with pytest.raises(FileNotFoundError, match=r"missing\.pem"):
        await serve(fastsio.IO(), ssl_certfile=cert, ssl_keyfile=str(tmp_path / "missing.pem"))
    mine = make_key(tmp_path, "-newkey", "rsa:2048", "-nodes")
    with pytest.raises(ValueError, match="belong together"):
        await serve(fastsio.IO(), ssl_certfile=cert, ssl_keyfile=mine[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ssl_keyfile": "key.pem"}, "ssl_keyfile='key.pem': it needs ssl_certfile"),
        ({"ssl_context": "tls"}, "ssl_context='tls': an ssl.SSLContext"),
        (
            {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "ssl_certfile": "cert.pem"},
            "leave ssl_certfile, ssl_keyfile and ssl_keyfile_password out",
        ),
    ],
)
async def test_options_that_do_not_belong_together_are_refused(
    serve: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await serve(fastsio.IO(), **options)


def test_defaults_are_what_the_page_says(certificate: tuple[str, str]) -> None:
    context = server_context(*certificate)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert names
    assert all("GCM" in name or "CHACHA20" in name for name in names)
    assert all(name.startswith(("TLS_", "ECDHE-")) for name in names)

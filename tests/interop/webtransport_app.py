"""The server of test_webtransport.py: `python webtransport_app.py --port N`, with a page for Chromium.

The page has the official client and knows the certificate, which is made anew for each start. Each line on stdout is
one thing that has happened, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import fastsio

PAGE = """<!doctype html><meta charset="utf-8"><title>WebTransport</title>
<script src="/socket.io/socket.io.js"></script>
<script>
const hash = Uint8Array.from(atob("HASH"), (c) => c.charCodeAt(0));
const seen = [];
let socket;
function connect(options = {}) {
  socket = io({
    forceNew: true, reconnection: false, timeout: 8000,
    transportOptions: { webtransport: { serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] } },
    ...options,
  });
  for (const event of ["connect", "disconnect"])
    socket.on(event, (...args) => seen.push([event, ...args.map(String).slice(0, 1)]));
  socket.on("connect_error", (error) => seen.push(["connect_error", error.message]));
  socket.on("news", (...args) => seen.push(["news", ...args.map(shown)]));
  socket.io.on("open", () => {
    seen.push(["open", socket.io.engine.transport.name]);
    socket.io.engine.on("upgrade", (transport) => seen.push(["upgrade", transport.name]));
  });
}
const shown = (value) => value instanceof ArrayBuffer ? "bytes:" + [...new Uint8Array(value)].join() : value;
const ask = (...args) => socket.timeout(8000).emitWithAck(...args).then(shown);
const until = async (event) => {
  for (let i = 0; i < 400 && !seen.some((one) => one[0] === event); i++)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return seen;
};
</script>
"""


def certificate(folder: Path) -> tuple[str, str, str]:
    """Certificate and key as files, and what browsers compare: serverCertificateHashes takes P-256, 14 days at most."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    return str(cert), str(key), base64.b64encode(hashlib.sha256(der).digest()).decode()


def say(*what: Any) -> None:
    print(json.dumps(what), flush=True)


def application() -> fastsio.IO:
    refusals = [0]

    def allow(request: Any) -> bool:
        refusals[0] -= 1
        return refusals[0] < 0

    io = fastsio.IO(
        allow_request=allow,
        transports=["polling", "websocket", "webtransport"],
        max_http_buffer_size=2_000_000,
    )

    @io.use
    async def guard(socket: Any) -> None:
        if socket.handshake.auth.get("token") == "wrong":
            raise fastsio.exceptions.ConnectionRefusedError("not you")

    @io.on("connection")
    def connection(socket: Any) -> None:
        say("connection", socket.transport, socket.handshake.address)
        socket.conn.on("upgrade", lambda transport: say("upgrade", transport.name))
        socket.on("disconnect", lambda reason: say("disconnect", reason, socket.transport))

        @socket.on("echo")
        def echo(value: Any) -> Any:
            return value

        @socket.on("news, please")
        def news(count: int) -> None:
            for number in range(count):
                socket.emit("news", number, bytes((number % 256,)))

        @socket.on("refuse the next")
        def refuse() -> bool:
            refusals[0] = 1
            return True

        @socket.on("leave me")
        def leave() -> None:
            socket.emit("news", "last words", b"")
            socket.disconnect(True)

    return io


async def main(port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cert, key, known = certificate(Path(folder))
        server = await fastsio.start(
            application(), port=port, pages={"/": PAGE.replace("HASH", known)},
            webtransport={"certfile": cert, "keyfile": key},
        )  # fmt: skip
        print(f"serving {server.url}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.close()
        say("closed", len(server.webtransport.connections), server.webtransport.failures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(main(parser.parse_args().port))

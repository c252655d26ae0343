"""What a client costs the server over WebTransport and over WebSocket: CPU for each echo, memory for each connection.

`python -m bench.webtransport [--clients N] [--echoes N]`. The server is a process of its own, on asyncio's terms the
same for both; its CPU and memory are read from /proc. Needs the extra `webtransport`, and openssl for a certificate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

TICKS = os.sysconf("SC_CLK_TCK")
MESSAGE = '42["echo","' + "x" * 100 + '"]'


async def serve(folder: str) -> None:
    """The server's process: prints its URL, and ends with its stdin."""
    import fastsio

    io = fastsio.IO(transports=["websocket", "webtransport"], ping_interval=300.0)

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.on("echo", lambda value: socket.emit("echo", value))

    server = await fastsio.start(
        io, port=0, webtransport={"certfile": f"{folder}/cert.pem", "keyfile": f"{folder}/key.pem"}
    )
    print(server.url, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.close()


class Server:
    def __init__(self, folder: str) -> None:
        command = [sys.executable, "-m", "bench.webtransport", "--serve", folder]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)


async def measure(transport: str, folder: str, clients: int, echoes: int) -> dict[str, Any]:
    """Connect `clients`, then let one of them echo."""
    from harness import FakePeer
    from webtransport_peer import WebTransportPeer

    server = Server(folder)
    try:
        before, peers = server.memory_bytes(), []
        began = server.cpu_s()
        for _ in range(clients):
            if transport == "webtransport":
                peer: Any = await WebTransportPeer(server.url).__aenter__()
                await (await peer.open()).join()
            else:
                peer = await FakePeer(server.url, "websocket").open()
                await peer.connect()
            peers.append(peer)
        connected = server.cpu_s()
        memory = server.memory_bytes()
        for _ in range(echoes):
            sent = peers[0].send(MESSAGE)
            if sent is not None:
                await sent
            assert await peers[0].receive() == MESSAGE
        echoed = server.cpu_s()
    finally:
        server.stop()
    return {
        "transport": transport,
        "connect_us": round((connected - began) / clients * 1e6),
        "echo_us": round((echoed - connected) / echoes * 1e6, 1),
        "connection_bytes": (memory - before) // clients,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--echoes", type=int, default=2000)
    parser.add_argument("--serve", metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=bench"
        files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
        for transport in ("websocket", "webtransport"):
            figures = measure(transport, folder, arguments.clients, arguments.echoes)
            print(json.dumps(asyncio.run(figures)), flush=True)


if __name__ == "__main__":
    main()

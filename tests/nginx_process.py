"""nginx as docs/deploy.md sets it up, in front of a server of the test's; for machines that have it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MANUAL = Path(__file__).resolve().parents[1] / "docs" / "deploy.md"
START_S = 10.0
# Around what the manual says: files of its own, one port on the loopback.
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{manual}
}}
"""

PATH = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def manual_configuration(upstream: str, port: int) -> str:
    """The manual's nginx section, for another upstream and port, without TLS and with all paths."""
    text = MANUAL.read_text(encoding="utf-8")
    found = re.search(r"```nginx\n(.*?)```", text, re.DOTALL)
    assert found is not None
    manual = found[1]
    for old, new in (
        ("unix:/run/chat/chat.sock", upstream),
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("location /socket.io/", "location /"),
    ):
        assert old in manual, f"{old!r} is not in the manual any more"
        manual = manual.replace(old, new)
    return manual


@contextlib.contextmanager
def nginx_before(upstream: str) -> Iterator[str]:
    """The URL of an nginx that passes everything to `upstream`, "host:port" or "unix:path"."""
    assert PATH is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        manual = manual_configuration(upstream, port)
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(folder=folder, manual=manual))
        process = subprocess.Popen([PATH, "-c", str(configuration), "-p", folder])
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at:
        assert process.poll() is None, "nginx has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise AssertionError(f"nginx does not listen after {START_S} s")

"""nginx before several servers, each request to the next one, and what it has answered."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nginx_process import PATH, _wait_for

from .servers import free_port

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors warn;
events {{ worker_connections 4096; }}
http {{
    log_format told '$status $request_method $arg_transport $arg_sid $upstream_addr';
    access_log {folder}/access told;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream servers {{ {servers} keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 16m;
        location / {{
            proxy_pass http://servers; proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 60s;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
            proxy_connect_timeout 1s; proxy_next_upstream off;
        }}
    }}
}}
"""
INSTALLED = PATH is not None


class RoundRobin:
    """`url`: where it listens."""

    def __init__(self, url: str, folder: str) -> None:
        self.url = url
        self._log = Path(folder, "access")

    def answers(self) -> Counter[tuple[str, str, str]]:
        """How often there was (status, method, transport)."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return Counter((status, method, transport) for status, method, transport, *_ in lines)

    def servers_of_sessions(self) -> dict[str, set[str]]:
        """By session, the servers that its requests have reached."""
        found: dict[str, set[str]] = {}
        for line in self._log.read_text().splitlines():
            _, _, _, sid, server = line.split()[:5]
            if sid != "-":
                found.setdefault(sid, set()).add(server)
        return found


@contextlib.contextmanager
def round_robin(ports: list[int]) -> Iterator[RoundRobin]:
    assert PATH is not None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        servers = " ".join(f"server 127.0.0.1:{one} max_fails=1 fail_timeout=30s;" for one in ports)
        configuration = Path(folder, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(folder=folder, servers=servers, port=port))
        process = subprocess.Popen([PATH, "-c", str(configuration), "-p", folder])
        try:
            _wait_for(port, process)
            yield RoundRobin(f"http://127.0.0.1:{port}", folder)
        finally:
            process.terminate()
            process.wait()

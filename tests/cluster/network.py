"""Hosts of a cluster as network namespaces of Linux, on a switch whose cables can be pulled; needs root and iproute2.

Each host has eth0 on the switch (10.201.0.n), where Redis is too. A host that serves has eth1 besides, a cable of its
own to this process (10.x.n.2, and .1 here; x is the process' own): so clients stay connected whatever happens to the
switch.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from typing import Any

NEEDS = (
    "hosts in network namespaces need root and iproute2 (apt-get install iproute2); without them set "
    "FASTSIO_NO_NETNS=1, and only the cuts through a proxy are tested (test_supervision.py)"
)
# A MAC address that nobody has: what is sent there vanishes.
NOBODY = "02:00:00:00:00:99"


def ip(*args: str, host: str | None = None) -> None:
    """`ip args…`, in the namespace of a host. Raises RuntimeError with what it says."""
    command = ["ip", *args] if host is None else ["ip", "-n", host, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def tc(*args: str, host: str) -> None:
    command = ["tc", "-n", host, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def remove_leftovers() -> None:
    """What processes have left behind that were killed."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        namespace = line.split()[0]
        found = re.match(r"fs(\d+)-", namespace)
        if found is not None and not os.path.exists(f"/proc/{found[1]}"):
            remove(namespace)


def remove(namespace: str) -> None:
    """A namespace, and what still runs in it."""
    found = subprocess.run(
        ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
    )
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", namespace], check=False)


class Network:
    """`Network(["a", "b"], ["redis"])`: hosts that serve, and others. close() takes it all away again."""

    def __init__(self, serving: list[str], others: list[str]) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("tc") is None:
            raise RuntimeError(NEEDS)
        remove_leftovers()
        self._prefix = f"fs{os.getpid()}"
        self._switch = f"{self._prefix}-switch"
        # Another process may have such a network at the same time.
        self._cables = f"10.{64 + os.getpid() % 128}"
        self._numbers = {name: number for number, name in enumerate([*serving, *others], 1)}
        self._made: list[str] = []
        try:
            self._add(self._switch)
        except RuntimeError as error:  # root of a container, perhaps, which may not do that
            raise RuntimeError(f"{error}; {NEEDS}") from error
        ip("link", "add", "br0", "type", "bridge", host=self._switch)
        ip("link", "set", "br0", "up", host=self._switch)
        for name in self._numbers:
            self._plug(name)
        for name in serving:
            self._lay_cable(name)

    def _add(self, namespace: str) -> None:
        ip("netns", "add", namespace)
        self._made.append(namespace)
        ip("link", "set", "lo", "up", host=namespace)

    def _plug(self, name: str) -> None:
        host, port = self.host(name), f"p-{name}"
        self._add(host)
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host, host=self._switch)  # fmt: skip
        ip("link", "set", port, "master", "br0", "up", host=self._switch)
        ip("addr", "add", f"{self.address(name)}/24", "dev", "eth0", host=host)
        ip("link", "set", "eth0", "up", host=host)

    def _lay_cable(self, name: str) -> None:
        host, number = self.host(name), self._numbers[name]
        end = f"{self._prefix}n{number}"
        ip("link", "add", end, "type", "veth", "peer", "name", "eth1", "netns", host)
        ip("addr", "add", f"{self._cables}.{number}.1/24", "dev", end)
        ip("link", "set", end, "up")
        ip("addr", "add", f"{self.client_address(name)}/24", "dev", "eth1", host=host)
        ip("link", "set", "eth1", "up", host=host)

    def host(self, name: str) -> str:
        """The namespace of a host."""
        return f"{self._prefix}-{name}"

    def address(self, name: str) -> str:
        """Where the other hosts find it."""
        return f"10.201.0.{self._numbers[name]}"

    def client_address(self, name: str) -> str:
        """Where this process finds it."""
        return f"{self._cables}.{self._numbers[name]}.2"

    def popen(self, name: str, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """A process on a host."""
        return subprocess.Popen(["ip", "netns", "exec", self.host(name), *command], **options)

    # --- cuts --------------------------------------------------------------------------------

    def pull(self, name: str) -> None:
        """Pull a host's cable from the switch: nothing comes, nothing goes, nobody is told."""
        ip("link", "set", f"p-{name}", "down", host=self._switch)

    def plug_in(self, name: str) -> None:
        ip("link", "set", f"p-{name}", "up", host=self._switch)

    def lose_what_it_sends(self, name: str, to: str) -> None:
        """What a host sends to another one vanishes; what it is sent arrives."""
        entry = (self.address(to), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
        ip("neigh", "replace", *entry, host=self.host(name))

    def send_again(self, name: str, to: str) -> None:
        ip("neigh", "del", self.address(to), "dev", "eth0", host=self.host(name))

    def lose_what_it_is_sent(self, name: str) -> None:
        """What a host is sent over the switch vanishes; what it sends arrives."""
        tc("qdisc", "add", "dev", f"p-{name}", "root", "bfifo", "limit", "0", host=self._switch)

    def receive_again(self, name: str) -> None:
        tc("qdisc", "del", "dev", f"p-{name}", "root", host=self._switch)

    def close(self) -> None:
        """Also ends what still runs on the hosts."""
        for namespace in self._made:
            remove(namespace)
        self._made.clear()

"""What the supervisor tells a worker, and how: one pickle on the socket that joins the two, and lines of JSON after it.

The pickle comes from the process that has started the worker, over a socket that only these two have. Lines:
  worker -> supervisor   {"ready": true}        it serves
                         {"failed": "why"}      it can't, and ends
The worker sees its end of the socket close when the supervisor has gone, and stops then.
"""

import json
import pickle
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

SIZE = struct.Struct("!I")
MAX_LINE_BYTES = 65536
# Options of run() that are an object of this process, with what to do instead.
NOT_FOR_WORKERS = {
    "ssl_context": "give ssl_certfile and ssl_keyfile, of which each worker makes its own",
    "handover": "send SIGHUP to this process: its workers are replaced one by one by new ones, with new code",
    "sock": "give host and port, fd or uds",
}


@dataclass
class Plan:
    """`app` is "module:name"; `options` are start()'s; `number` is the worker's, of `count`.

    ports: descriptors of each worker's listening sockets, by number. folder: where workers meet. path: sys.path.
    """

    app: str
    options: dict[str, Any]
    loop: str
    on_startup: Any
    on_shutdown: Any
    count: int
    number: int = 0
    ports: list[list[int]] = field(default_factory=list)
    folder: str = ""
    path: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raises ValueError or TypeError for what workers can't be given."""
        if not isinstance(self.app, str):
            raise TypeError(
                f"workers={self.count}: each imports the application, so give it as 'module:name', not {self.app!r}"
            )
        for name, instead in NOT_FOR_WORKERS.items():
            if self.options.get(name) is not None:
                raise ValueError(f"{name} does not go with workers={self.count}: {instead}")
        if self.options.get("webtransport"):
            raise ValueError(
                f"webtransport does not go with workers={self.count}: its UDP port is one process's"
            )
        given = {**self.options, "on_startup": self.on_startup, "on_shutdown": self.on_shutdown}
        for name, value in given.items():
            _check_goes_over(name, value)

    def pickled(self) -> bytes:
        data = pickle.dumps(self)
        return SIZE.pack(len(data)) + data


def _check_goes_over(name: str, value: Any) -> None:
    if getattr(value, "__module__", None) == "__main__" and callable(value):
        raise ValueError(
            f"{name}={value!r}: give one of an importable module, which workers can import too"
        )
    try:
        pickle.dumps(value)
    except Exception as error:  # pickle raises what an object's own methods raise, too
        raise ValueError(f"{name}={value!r} can't be given to workers: {error}") from error


def read_plan(control: socket.socket) -> Plan:
    """A worker's plan, from the supervisor. Raises EOFError if that has gone."""
    (size,) = SIZE.unpack(_read(control, SIZE.size))
    plan = pickle.loads(_read(control, size))
    assert isinstance(plan, Plan)
    return plan


def _read(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            raise EOFError("the supervisor has gone")
        data += more
    return data


def tell(control: socket.socket, **what: Any) -> None:
    """Say something to the supervisor; it may have gone."""
    try:
        control.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        return  # the worker sees that anyway, and stops

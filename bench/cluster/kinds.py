"""What is measured: kinds of clusters, and what is sent in them."""

from __future__ import annotations

from dataclasses import dataclass

from bench.prepare import BENCH

APPS = BENCH / "cluster" / "apps"
ALONE = "none"
MOST_NODES = 64  # as many as the load generator takes


@dataclass(frozen=True)
class Kind:
    """A server and how its nodes are joined. ALONE: without, which is the measure for what joining costs."""

    server: str
    adapter: str

    @property
    def name(self) -> str:
        return f"{self.server} {self.adapter}"


FASTSIO, NODE, PYTHON = "fastsio", "node", "python-socketio"
KINDS = tuple(
    Kind(*words.split())
    for words in (
        "fastsio none",
        "fastsio classic",
        "fastsio sharded",
        "fastsio streams",
        "node none",
        "node classic",
        "node sharded",
        "node streams",
        "python-socketio none",
        "python-socketio manager",
    )
)


@dataclass(frozen=True)
class Load:
    """The first client is on the first node and sends; every other node has `clients`.

    in_flight: messages that are sent in one write, the next ones when these have reached everybody.
    elsewhere: they go to rooms that only the first two nodes have members of.
    """

    name: str
    in_flight: int
    clients: int
    title: str
    elsewhere: bool = False

    def arguments(self, ports: list[int]) -> list[str]:
        """Of the load generator."""
        of_clients = ports[:2] if self.elsewhere else ports
        count = 1 + self.clients * (len(of_clients) - 1)
        case = (
            ["rooms", "--rooms", str(count), "--members", "1"] if self.elsewhere else ["broadcast"]
        )
        return [
            *("--case", *case),
            *("--port", ",".join(map(str, of_clients))),
            *("--connections", str(count)),
            *("--in-flight", str(self.in_flight)),
        ]

    def deliveries(self, nodes: int) -> int:
        """How many clients get a message."""
        return 1 if self.elsewhere else 1 + self.clients * (nodes - 1)


ONE = Load("one", 1, 1, "one message at a time, one client on each other node")
BURST = Load("burst", 16, 1, "16 messages at once, one client on each other node")
FAN = Load("fan", 16, 200, "16 messages at once, 200 clients on each other node")
FAN_ONE = Load("fan-one", 1, 200, "one message at a time, 200 clients on each other node")
ELSEWHERE = Load("elsewhere", 16, 15, "16 messages at once to rooms of other nodes", elsewhere=True)
LOADS = (ONE, FAN_ONE, BURST, FAN, ELSEWHERE)

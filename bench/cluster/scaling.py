"""`python -m bench.cluster.scaling`: what a million clients take, reckoned from what was measured: docs/scaling.md.

Arithmetic and no measurement: each line has its formula. Reads results/{cluster,workers,memory,full}.json.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from bench.cluster.kinds import BURST
from bench.install import PROJECT
from bench.output import RESULTS

PAGE = PROJECT / "docs" / "scaling.md"
BEGIN = "<!-- made by python -m bench.cluster.scaling: begin -->\n"
END = "<!-- made by python -m bench.cluster.scaling: end -->\n"

CLIENTS = 1_000_000
PER_PROCESS = 50_000  # connections of one process, which has a core
PING_EVERY_S = 25
BACK_WITHIN_S = 60  # everybody connects again
ROOM = 50
SAYS_EVERY_S = 60
PAYLOAD_BYTES = 100
# What Ethernet, IP and TCP with time stamps put around a segment: 38 + 20 + 32; and the frame's head, 4.
AROUND_BYTES = 94
LEAST_BYTES = 84  # a packet without payload on Ethernet
ADAPTERS = ("classic", "sharded", "streams")


@dataclass(frozen=True)
class Measured:
    """us of CPU, KB; `redis`: by adapter, what a message costs and what each server more that gets it."""

    process_kb: float
    kernel_kb: float
    ping_us: float
    connect_us: float
    say_us: float
    delivery_us: float
    delivery_joined_us: float
    publish_us: dict[str, float]
    receive_us: dict[str, float]
    elsewhere_us: dict[str, float]
    redis: dict[str, tuple[float, float]]


def measured() -> Measured:
    cluster, memory = (_load(name) for name in ("cluster", "memory"))
    full = {case["name"]: case["servers"]["fastsio"]["value"] for case in _load("full")["cases"]}
    most = max(cluster["nodes"])
    at = {name: _of(cluster, f"fastsio {name}", most) for name in ADAPTERS}
    return Measured(
        process_kb=memory["process_kb"],
        kernel_kb=memory["kernel_kb"],
        ping_us=memory["ping_us"],
        connect_us=full["connect"],
        say_us=full["turns-10000"],
        delivery_us=at["sharded"]["delivery_one_us"]["median"],
        delivery_joined_us=at["sharded"]["delivery_us"]["median"],
        publish_us={name: one[BURST.name]["publish_us"]["median"] for name, one in at.items()},
        receive_us={name: one[BURST.name]["receiver_us"]["median"] for name, one in at.items()},
        elsewhere_us={name: one["elsewhere_us"]["median"] for name, one in at.items()},
        redis={name: _redis(cluster, f"fastsio {name}") for name in ADAPTERS},
    )


def _load(name: str) -> dict:
    found: dict = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def _of(cluster: dict, kind: str, nodes: int) -> dict:
    [found] = [one for one in cluster["costs"] if one["kind"] == kind and one["nodes"] == nodes]
    return found


def _redis(cluster: dict, kind: str) -> tuple[float, float]:
    """The line through what a message costs Redis with so many servers: at none, and for each (least squares)."""
    points = [
        (one["nodes"], one[BURST.name]["redis_us"]["median"])
        for one in cluster["costs"]
        if one["kind"] == kind
    ]
    mean_n = sum(n for n, _ in points) / len(points)
    mean_us = sum(us for _, us in points) / len(points)
    slope = sum((n - mean_n) * (us - mean_us) for n, us in points)
    slope /= sum((n - mean_n) ** 2 for n, _ in points)
    return max(0.0, mean_us - slope * mean_n), slope


# --- the pages' parts --------------------------------------------------------------------------


def cores(per_second: float, us: float) -> float:
    return per_second * us / 1e6


def line(what: str, formula: str, value: str) -> str:
    return f"| {what} | {formula} | **{value}** |"


HEAD = "| | how | |\n|---|---|--:|"


def inputs(m: Measured) -> str:
    rows = [
        (
            "an idle WebSocket: the process, the kernel",
            f"{m.process_kb:.1f} KB + {m.kernel_kb:.1f} KB",
            "memory.json",
        ),
        ("a ping and its pong", f"{m.ping_us:.1f} us", "memory.json"),
        ("a connection made, and gone", f"{m.connect_us:.0f} us", "full.json, connect"),
        (
            "an event and its ack, one at a time on many connections",
            f"{m.say_us:.1f} us",
            "full.json, turns-10000",
        ),
        ("a delivery with a send of its own", f"{m.delivery_us:.1f} us", "cluster.json"),
        (
            f"one of {BURST.in_flight} that go in one send",
            f"{m.delivery_joined_us:.2f} us",
            "cluster.json",
        ),
        *_by_adapter("a broadcast published", m.publish_us),
        *_by_adapter("one received, with a delivery", m.receive_us),
        *_by_adapter("one received for rooms of others", m.elsewhere_us),
        *(
            (
                f"Redis: a message to n servers, {name}",
                f"{base:.1f} + {each:.2f} n us",
                "cluster.json, the line through 1, 2, 4",
            )
            for name, (base, each) in m.redis.items()
        ),
    ]
    return "\n".join(
        ["| CPU or memory of | measured | from |", "|---|--:|---|"]
        + [f"| {what} | {value} | {where} |" for what, value, where in rows]
    )


def _by_adapter(what: str, values: dict[str, float]) -> list[tuple[str, str, str]]:
    return [(f"{what}, {name}", f"{us:.1f} us", "cluster.json") for name, us in values.items()]


def idle(m: Measured) -> str:
    processes = CLIENTS // PER_PROCESS
    memory_gb = CLIENTS * (m.process_kb + m.kernel_kb) / 1e6
    pings = CLIENTS / PING_EVERY_S
    mbit = pings * 3 * LEAST_BYTES * 8 / 1e6
    back = CLIENTS / BACK_WITHIN_S
    return "\n".join(
        [
            HEAD,
            line(
                "memory",
                f"1,000,000 x ({m.process_kb:.1f} + {m.kernel_kb:.1f}) KB",
                f"{memory_gb:.1f} GB",
            ),
            line("heartbeats", f"1,000,000 / {PING_EVERY_S} s", f"{pings:,.0f} /s"),
            line(
                "their CPU",
                f"{pings:,.0f} /s x {m.ping_us:.1f} us",
                f"{cores(pings, m.ping_us):.2f} cores",
            ),
            line(
                "their packets", f"{pings:,.0f} /s x 3 x {LEAST_BYTES} bytes", f"{mbit:.0f} Mbit/s"
            ),
            line(
                f"all back within {BACK_WITHIN_S} s",
                f"{back:,.0f} /s x {m.connect_us:.0f} us, without TLS",
                f"{cores(back, m.connect_us):.1f} cores",
            ),
            line(
                f"processes of {PER_PROCESS:,} connections",
                f"1,000,000 / {PER_PROCESS:,}",
                str(processes),
            ),
        ]
    )


def chat(m: Measured, name: str = "sharded") -> str:
    n = CLIENTS // PER_PROCESS
    said = CLIENTS / SAYS_EVERY_S
    delivered = said * ROOM
    reached = n * (1 - (1 - 1 / n) ** ROOM)
    base, each = m.redis[name]
    redis_us = base + each * reached
    others = reached - 1
    size = PAYLOAD_BYTES + AROUND_BYTES
    spent = [
        cores(delivered, m.delivery_us),
        cores(said, m.say_us),
        cores(said, m.publish_us[name]),
        cores(said * others, m.receive_us[name]),
    ]
    return "\n".join(
        [
            HEAD,
            line("messages", f"1,000,000 / {SAYS_EVERY_S} s", f"{said:,.0f} /s"),
            line("deliveries", f"{said:,.0f} /s x {ROOM}", f"{delivered:,.0f} /s"),
            line(
                "servers with members of a room",
                f"{n} x (1 - (1 - 1/{n})^{ROOM}), clients spread at random",
                f"{reached:.1f}",
            ),
            line(
                "CPU: deliveries",
                f"{delivered:,.0f} /s x {m.delivery_us:.1f} us",
                f"{spent[0]:.1f} cores",
            ),
            line(
                "CPU: reading and acks",
                f"{said:,.0f} /s x {m.say_us:.1f} us",
                f"{spent[1]:.2f} cores",
            ),
            line(
                "CPU: publishing",
                f"{said:,.0f} /s x {m.publish_us[name]:.1f} us",
                f"{spent[2]:.2f} cores",
            ),
            line(
                "CPU: receiving",
                f"{said:,.0f} /s x {others:.1f} x {m.receive_us[name]:.1f} us",
                f"{spent[3]:.1f} cores",
            ),
            line("all servers", f"of {n} cores", f"{sum(spent):.1f} cores"),
            line(
                "Redis",
                f"{said:,.0f} /s x ({base:.1f} + {each:.2f} x {reached:.1f}) us",
                f"{cores(said, redis_us):.2f} of its one core",
            ),
            line("Redis is full at", f"1 s / {redis_us:.1f} us", f"{1e6 / redis_us:,.0f} /s"),
            line(
                "network, to the clients",
                f"{delivered:,.0f} /s x {size} bytes",
                f"{delivered * size * 8 / 1e9:.2f} Gbit/s",
            ),
        ]
    )


def ticker(m: Measured) -> str:
    n = CLIENTS // PER_PROCESS
    size = PAYLOAD_BYTES + AROUND_BYTES
    whole_s = PER_PROCESS * m.delivery_us / 1e6
    return "\n".join(
        [
            HEAD,
            line("deliveries", "1 /s x 1,000,000", "1,000,000 /s"),
            line(
                "CPU",
                f"1,000,000 /s x {m.delivery_us:.1f} us",
                f"{cores(CLIENTS, m.delivery_us):.1f} of {n} cores",
            ),
            line(
                "until the last one has it",
                f"{PER_PROCESS:,} x {m.delivery_us:.1f} us, all processes at once",
                f"{whole_s * 1000:.0f} ms",
            ),
            line(
                "processes for 100 ms",
                f"1,000,000 x {m.delivery_us:.1f} us / 0.1 s",
                f"{CLIENTS * m.delivery_us / 1e5:.0f}",
            ),
            line("Redis", f"1 /s to {n} servers", "nothing"),
            line(
                "network, to the clients",
                f"1,000,000 /s x {size} bytes",
                f"{CLIENTS * size * 8 / 1e9:.1f} Gbit/s",
            ),
        ]
    )


def private(m: Measured) -> str:
    """A message of its own for each client each second, sent by a server that does not have it."""
    n = CLIENTS // PER_PROCESS
    lines = [HEAD]
    # The sharded adapter has no channel for ids as long as Node's: each server reads the message, as if for itself.
    reading_us = {**m.elsewhere_us, "sharded": m.receive_us["sharded"]}
    for name in ADAPTERS:
        base, each = m.redis[name]
        lines += [
            line(
                f"{name}: Redis is full at",
                f"1 s / ({base:.1f} + {each:.2f} x {n}) us",
                f"{1e6 / (base + each * n):,.0f} /s",
            ),
            line(
                f"{name}: every server is, of reading what is not for it, at",
                f"1 s / {reading_us[name]:.1f} us",
                f"{1e6 / reading_us[name]:,.0f} /s",
            ),
        ]
    base, each = m.redis["sharded"]
    lines.append(
        line(
            'sharded, `subscription_mode="dynamic-private"`: Redis is full at',
            f"1 s / ({base:.1f} + {each:.2f}) us",
            f"{1e6 / (base + each):,.0f} /s",
        )
    )
    return "\n".join(lines)


def numbers() -> str:
    m = measured()
    parts = [
        "## What was measured",
        _made(),
        inputs(m),
        "## Idle",
        idle(m),
        "## Chat",
        f"Everybody is in a room of {ROOM} and says something once a minute. `ShardedRedisAdapter`.",
        chat(m),
        "## A message a second to everybody",
        "The same for all: a score, a price.",
        ticker(m),
        "## A message a second for each",
        "Of its own, sent by another server than the client's.",
        private(m),
    ]
    return "\n\n".join(parts)


def _made() -> str:
    cluster = _load("cluster")
    least, most = cluster["load_average"]
    return (
        f"{cluster['date']}, {cluster['host']['cpus']} CPUs of {cluster['host']['cpu']}, load average {least:.1f} to "
        f"{most:.1f} meanwhile, of which up to 3 are the measurement's own. All are CPU times."
    )


def main() -> int:
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{numbers()}\n\n{END}{after}")
    print(f"written: {PAGE.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

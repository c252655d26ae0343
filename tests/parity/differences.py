"""Where the transcripts differ, line by line ("- " is Node's line, "+ " ours), and why ours is right.

The key is a scenario, or scenario.mode where it differs otherwise with each mode.
"""

# ruff: noqa: E501 - a line of a transcript is a line here

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`lines` are those of a diff, in order."""

    reason: str
    lines: tuple[str, ...]


DIFFERENCES: dict[str, Difference] = {
    "broadcast_that_some_answer": Difference(
        "A client that gives several values is not cut to the first of them.",
        (
            '- script: ["result", ["error", "operation has timed out", ["from a"]]]',
            '+ script: ["result", ["error", "operation has timed out", [["from a", "and more"]]]]',
            '- server: ["callback", {"$error": "operation has timed out"}, ["from a"]]',
            '+ server: ["callback", {"$error": "operation has timed out"}, [["from a", "and more"]]]',
        ),
    ),
    "broadcast_with_acks_and_no_timeout": Difference(
        "Without timeout() there is no limit; Node gives up after one millisecond.",
        ('- server: ["answered", {"$error": "operation has timed out"}, []]',),
    ),
    "asked_client_that_goes": Difference(
        "Who waits for an answer is told at once that the client has gone; in Node that never ends.",
        ('+ server: ["failed", "ClientGoneError"]',),
    ),
    "to_an_empty_list_of_rooms": Difference(
        "No room is nobody, not everybody: what is meant for few must not reach all.",
        ('- a: ["event", "whom", []]',),
    ),
    "values_on_the_wire": Difference(
        "A Python float is written with its point; it is the same number for every client.",
        (
            '- a: ["packet", "42[\\"numbers\\",0,-1,1.5,1e+21,1e-7,9007199254740992,1,0.1]"]',
            '+ a: ["packet", "42[\\"numbers\\",0,-1,1.5,1e+21,1e-7,9007199254740992,1.0,0.1]"]',
        ),
    ),
    "volatile_behind_another_emit": Difference(
        "Volatile packets are dropped where the client does not keep up, not for an emit of the same turn.",
        ('+ a: ["event", "volatile", []]',),
    ),
}

# What is being built: scenario -> whose work it is.
AWAITED: dict[str, str] = {
    "connect_comes_before_connection": "mw: listeners of connect come before those of connection",
    "namespaces_by_a_pattern": "mw: dynamic namespaces",
    "namespaces_by_a_function": "mw: dynamic namespaces",
    "first_of_several_patterns": "mw: dynamic namespaces",
    "parent_reaches_its_children": "mw: dynamic namespaces",
    "empty_children_are_forgotten": "mw: dynamic namespaces",
    "socket_use_lets_pass_or_blocks": "mw: socket.use",
}

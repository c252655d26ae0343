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
    "origins_of_a_list": Difference(
        "A page of an origin that is not allowed is told nothing of credentials either.",
        (
            '- script: ["GET", "EIO=4&transport=polling", 200, "0{", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin"}]',
            '+ script: ["GET", "EIO=4&transport=polling", 200, "0{", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin"}]',
            '- script: ["GET", "EIO=4&transport=polling&sid=nobody", 400, "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin"}]',
            '+ script: ["GET", "EIO=4&transport=polling&sid=nobody", 400, "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin"}]',
            '- script: ["OPTIONS", "EIO=4&transport=polling", 204, "", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin, Access-Control-Request-Headers", "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "access-control-allow-headers": "x-a"}]',
            '+ script: ["OPTIONS", "EIO=4&transport=polling", 204, "", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin, Access-Control-Request-Headers", "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "access-control-allow-headers": "x-a"}]',
        ),
    ),
    "ids_and_flags": Difference(
        "A client's own room is there while it is asked about: middleware may send to it.",
        (
            '- server: ["middleware", [false, true, 20, false]]',
            '+ server: ["middleware", [false, true, 20, true]]',
        ),
    ),
    "time_of_the_handshake": Difference(
        "Text for people, which JavaScript writes its own way; programs take `issued`.",
        (
            '- server: ["time", "Xxx Xxx 00 0000 00:00:00 GMT+0000"]',
            '+ server: ["time", "Xxx, 00 Xxx 0000 00:00:00 -0000"]',
        ),
    ),
    "payloads_by_hand": Difference(
        "An event that came whole before the wrong packet is handled.",
        ('+ server: ["echo", [2]]',),
    ),
    "volatile_behind_another_emit": Difference(
        "Volatile packets are dropped where the client does not keep up, not for an emit of the same turn.",
        ('+ a: ["event", "volatile", []]',),
    ),
}

# What is being built: scenario -> whose work it is.
AWAITED: dict[str, str] = {
    "connect_comes_before_connection": "mw: listeners of connect come before those of connection",
    "names_of_events_between_servers": "mw: quotes in the text of the error",
    "namespaces_by_a_pattern": "mw: dynamic namespaces",
    "namespaces_by_a_function": "mw: dynamic namespaces",
    "first_of_several_patterns": "mw: dynamic namespaces",
    "parent_reaches_its_children": "mw: dynamic namespaces",
    "empty_children_are_forgotten": "mw: dynamic namespaces",
    "connection_is_closed_below": "mw: socket.conn",
    "transport_of_a_socket": "mw: socket.conn",
    "upgrade_is_told_of": "mw: socket.conn",
    "references_of_a_socket": "mw: nsp.server",
    "query_of_the_request": "mw: request._query",
    "nothing_was_recovered": "recovery: socket.recovered",
    "requests_that_are_refused": "http",
    "headers_that_listeners_add": "http",
    "requests_are_asked_about": "http",
    "middleware_of_the_engine": "http",
    "bundle_is_served": "http",
    "bundle_is_not_served": "http",
    "ids_of_the_application": "http",
    "binary_as_base64": "eio3: b64 on a WebSocket",
    "missed_events_are_sent_again": "recovery",
    "recovered_client_is_asked_about": "recovery",
    "who_left_is_not_recovered": "recovery",
    "recovery_that_comes_too_late": "recovery",
    "recovery_on_the_wire": "recovery",
    "recovery_of_what_is_unknown": "recovery",
    "client_2_0_2": "eio3",
    "client_2_5_0": "eio3",
    "namespaces_of_an_old_client": "eio3",
    "refusals_of_an_old_client": "eio3",
    "old_and_new_clients_together": "eio3",
    "old_payloads_by_hand": "eio3",
    "old_websocket_by_hand": "eio3",
    "jsonp_by_hand": "eio3",
    "old_clients_are_refused": "eio3",
    "socket_use_lets_pass_or_blocks": "mw: socket.use",
}

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
    "more_than_ten_attachments": Difference(
        "Clients close the connection for more than ten binary values, so emit() refuses them.",
        (
            '+ a: ["sent", false]',
            '- a: ["disconnect", "parse error"]',
            '- server: ["disconnect", "transport close"]',
        ),
    ),
    "values_from_a_client": Difference(
        "Numbers are what the text says: integers of any size stay exact, floats stay floats.",
        (
            '- a: ["packet", "433[100000]"]',
            '+ a: ["packet", "433[100000.0]"]',
            '- a: ["packet", "434[0]"]',
            '+ a: ["packet", "434[0.0]"]',
            '- a: ["packet", "4312[123456789012345680]"]',
            '+ a: ["packet", "4312[123456789012345678]"]',
        ),
    ),
    "middleware_that_never_answers": Difference(
        "A client is not left waiting for ever: after middleware_timeout it is refused, and the log says why.",
        ('+ a: ["packet", "44{\\"message\\":\\"middleware timeout\\"}"]',),
    ),
    "middleware_that_answers_twice": Difference(
        "The first answer counts; Node lets the client in and refuses it at once.",
        ('- a: ["packet", "44{\\"message\\":\\"too late\\"}"]',),
    ),
    "answers_of_other_servers": Difference(
        "One server alone has no others to wait for, so it answers; Node's adapter in memory never does.",
        ('+ server: ["callback", [null, []]]', '+ server: ["awaited", []]'),
    ),
    "leaving_ones_own_room": Difference(
        "The room with a client's id is its address and can't be left: io.to(id) always reaches it.",
        (
            '+ a: ["event", "to the own room", []]',
            '- a: ["ack", "leave", [0]]',
            '+ a: ["ack", "leave", [1]]',
        ),
    ),
    "origins_of_a_list": Difference(
        "A page of an origin that is not allowed is told nothing of credentials either, and gets no WebSocket.",
        (
            '- http://bad.example: ["packet", "40{\\"sid\\":\\"<1>\\"}"]',
            '- http://good.example: ["packet", "40{\\"sid\\":\\"<2>\\"}"]',
            '+ http://good.example: ["packet", "40{\\"sid\\":\\"<1>\\"}"]',
            '- script: ["GET", "EIO=4&transport=polling", 200, "0{", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin"}]',
            '+ script: ["GET", "EIO=4&transport=polling", 200, "0{", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin"}]',
            '- script: ["GET", "EIO=4&transport=polling&sid=nobody", 400, "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin"}]',
            '+ script: ["GET", "EIO=4&transport=polling&sid=nobody", 400, "{\\"code\\":1,\\"message\\":\\"Session ID unknown\\"}", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin"}]',
            '- script: ["OPTIONS", "EIO=4&transport=polling", 204, "", {"access-control-allow-origin": null, "access-control-allow-credentials": "true", "vary": "Origin, Access-Control-Request-Headers", "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "access-control-allow-headers": "x-a"}]',
            '+ script: ["OPTIONS", "EIO=4&transport=polling", 204, "", {"access-control-allow-origin": null, "access-control-allow-credentials": null, "vary": "Origin, Access-Control-Request-Headers", "access-control-allow-methods": "GET,HEAD,PUT,PATCH,POST,DELETE", "access-control-allow-headers": "x-a"}]',
            '+ script: ["websocket", "403"]',
            '- server: ["connection"]',
        ),
    ),
    "ids_and_flags": Difference(
        "A client's own room is there while it is asked about: middleware may send to it.",
        (
            '- server: ["middleware", [false, true, 20, false]]',
            '+ server: ["middleware", [false, true, 20, true]]',
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

"""The benchmark's load generator: whatever a server answers wrongly ends the run, with the reason.

It is run against a server that lies (lying_server.py). What it measures is not looked at here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lying_server import Lie, Packets, lying_server

SOURCES = Path(__file__).parents[2] / "bench" / "load"
CC = shutil.which("cc") or shutil.which("gcc")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the load generator needs epoll"),
    pytest.mark.skipif(CC is None, reason="the load generator needs a C compiler"),
]

ECHO = ("--case", "echo", "--connections", "1")
BINARY_ECHO = (*ECHO, "--binary")
BROADCAST = ("--case", "broadcast", "--connections", "1")
EVENT = ("--case", "event", "--connections", "1")
NAMESPACES = ("--case", "namespaces", "--namespaces", "2", "--connections", "1")
BURST = ("--case", "burst", "--burst", "2", "--connections", "1", "--in-flight", "1")
ROOMS = ("--case", "rooms", "--rooms", "1", "--members", "1", "--connections", "1")
BESIDE = ("--case", "echo", "--connections", "3", "--idle", "2")
ROOMS_BESIDE = (
    "--case",
    "rooms",
    "--rooms",
    "2",
    "--active",
    "1",
    "--members",
    "1",
    "--connections",
    "2",
)
MIXED = ("--case", "mixed", "--active", "1", "--members", "1", "--connections", "1")
# Every 50 ms.
RATED = (*MIXED, "--rate", "20", "--seconds", "0.5")
Load = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator without TLS, which needs nothing but a compiler."""
    program = tmp_path_factory.mktemp("load") / "load"
    sources = sorted(SOURCES.glob("*.c"))
    command = [CC, "-O1", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, *sources]
    subprocess.run([str(part) for part in command], check=True)
    return program


@pytest.fixture
def load(program: Path) -> Load:
    """`load(lie, *arguments)`: what the load generator reported of a server that tells `lie`."""

    def run(lie: Lie, *arguments: str, piece_bytes: int = 0) -> dict[str, Any]:
        with lying_server(lie, piece_bytes) as port:
            window = ("--port", str(port), "--warmup", "0", "--seconds", "0.05")
            done = subprocess.run([program, *window, *arguments], capture_output=True, timeout=30)
        result = json.loads(done.stdout)
        assert done.returncode == (0 if result["ok"] else 1)
        return result

    return run


@pytest.fixture(params=["websocket", "polling"])
def transport(request: pytest.FixtureRequest) -> tuple[str, str]:
    return ("--transport", request.param)


# -- lies -------------------------------------------------------------------------------------------


def truth(packets: Packets, before: list[Packets]) -> Packets:
    return packets


def changed(change: Callable[[Packets], Packets | None]) -> Lie:
    """Every answer to an event is changed; that to joining, the first, is not."""
    return lambda packets, before: change(packets) if before else packets


def replaced(pattern: str, by: str) -> Lie:
    return changed(lambda packets: [re.sub(pattern, by, str(packets[0])), *packets[1:]])


def held_back(packets: Packets, before: list[Packets]) -> Packets:
    """The answer to the first event goes out behind that to the second."""
    if len(before) == 1:
        return []
    return packets + before[1] if len(before) == 2 else packets


def left_out(packets: Packets, before: list[Packets]) -> Packets:
    """The second event is never answered."""
    return [] if len(before) == 2 else packets


def one_bit_off(packets: Packets) -> Packets:
    last = packets[-1]
    assert isinstance(last, bytes)
    return [*packets[:-1], last[:-1] + bytes([last[-1] ^ 1])]


LIES_OF_ECHO = {
    "another id": (replaced(r"^43\d+", "439"), "wrong answer to message 0: '439[\""),
    "no id": (replaced(r"^43\d+", "43"), "wrong answer to message 0"),
    "an id with a leading zero": (replaced(r"^43", "430"), "wrong answer to message 0"),
    "another first character": (replaced(r'"0', '"1'), "wrong answer to message 0"),
    "another last character": (replaced(r'."\]$', '~"]'), "wrong answer to message 0"),
    "one character less": (replaced(r'."\]$', '"]'), "wrong answer to message 0"),
    "one value more": (replaced(r"\]$", ",1]"), "wrong answer to message 0"),
    "an event in place of the ack": (
        replaced(r"^43\d+\[", '42["echo",'),
        "wrong answer to message 0",
    ),
    "wrong order": (held_back, "wrong answer to message 0: '431["),
    "one left out": (left_out, "wrong answer to message 1: '432["),
    "each twice": (changed(lambda packets: packets * 2), "wrong answer to message 1: '430["),
    "a binary value that nobody announced": (
        changed(lambda packets: [b"x"]),
        "that no packet announced",
    ),
    "the refusal of the namespace": (
        lambda packets, before: ['44{"message":"no"}'],
        "unexpected packet '44{",
    ),
}

LIES_OF_BINARY_ECHO = {
    "another id": (replaced(r"^461-\d+", "461-9"), "wrong answer to message 0: '461-9["),
    "another placeholder": (replaced('"num":0', '"num":1'), "wrong answer to message 0"),
    "one bit off": (
        changed(one_bit_off),
        "wrong attachment of 32 bytes in the answer to message 0",
    ),
    "one byte less": (
        changed(lambda packets: [packets[0], packets[1][:-1]]),
        "wrong attachment of 31 bytes",
    ),
    "one byte more": (
        changed(lambda packets: [packets[0], packets[1] + b"x"]),
        "wrong attachment of 33 bytes",
    ),
    "no attachment": (changed(lambda packets: packets[:1]), "came where an attachment was due"),
    "text before the attachment": (
        changed(lambda packets: [packets[0], '42["x"]', packets[1]]),
        "'42[\"x\"]' came where an attachment was due",
    ),
    "the attachment twice": (
        changed(lambda packets: [*packets, packets[1]]),
        "that no packet announced",
    ),
}

LIES_OF_BROADCAST = {
    "another event": (replaced("news", "olds"), 'was due after 0 answers, and \'42["olds"'),
    "another payload": (replaced(r'."\]$', '~"]'), "was due after 0 answers"),
    "wrong order": (held_back, "was due after 0 answers"),
    "one left out": (left_out, "was due after 1 answers"),
    "each twice": (changed(lambda packets: packets * 2), "was due after 1 answers"),
}

# The last character of the payload, which no other packet than news and said has.
ANOTHER_PAYLOAD = replaced(r'."\]$', '~"]')

LIES_OF_OTHER_CASES = {
    "event: another payload": (EVENT, ANOTHER_PAYLOAD, "wrong answer to message 0"),
    "event: wrong order": (EVENT, held_back, "wrong answer to message 0"),
    "event: one left out": (EVENT, left_out, "wrong answer to message 1"),
    "namespaces: another": (
        NAMESPACES,
        replaced("^43/a,", "43/b,"),
        "wrong answer to message 0: '43/b,0[",
    ),
    "burst: another payload": (BURST, ANOTHER_PAYLOAD, "was due after 0 answers"),
    "burst: one more": (
        BURST,
        changed(lambda packets: [*packets, *packets[:1]]),
        "was due after 2 answers",
    ),
    "rooms: another answer to join": (
        ROOMS,
        replaced(r"^430\[\]$", "430[1]"),
        "'430[1]' came while rooms were joined",
    ),
    "rooms: another payload": (ROOMS, ANOTHER_PAYLOAD, "the next message was due after 0 answers"),
    "rooms: each twice": (
        ROOMS,
        changed(lambda packets: packets * (2 if "news" in str(packets[0]) else 1)),
        "the next message was due after 1 answers",
    ),
    "mixed: an ack before the news": (
        MIXED,
        changed(lambda packets: packets[::-1]),
        "what it said itself was due after 0 answers",
    ),
    "mixed: another payload": (MIXED, ANOTHER_PAYLOAD, "another message of that talker was due"),
    "mixed: nobody's": (
        MIXED,
        replaced(r'^(42\["news",".{8})0', r"\g<1>1"),
        "news from a talker of its room was due",
    ),
    "mixed: each twice": (
        MIXED,
        changed(lambda packets: packets[:-1] + packets),
        "nothing from that talker was due",
    ),
    "mixed at a rate: one left out": (RATED, left_out, "its message 0 was not answered"),
    "mixed at a rate: another payload": (
        RATED,
        ANOTHER_PAYLOAD,
        "another message of that talker was due",
    ),
    "mixed: another id": (
        MIXED,
        changed(lambda packets: [*packets[:-1], "439[]"] if len(packets) == 2 else packets),
        "another ack was due after 0 answers",
    ),
}


def check(load: Load, lies: dict[str, Any], name: str, *arguments: str) -> None:
    lie, reason = lies[name]
    result = load(lie, *arguments)
    assert not result["ok"]
    assert reason in result["error"]


# -- tests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece_bytes", [0, 1])
@pytest.mark.parametrize(
    "arguments",
    [
        ECHO,
        BINARY_ECHO,
        (*ECHO, "--size", "2000"),
        EVENT,
        NAMESPACES,
        BROADCAST,
        BURST,
        ROOMS,
        MIXED,
        BESIDE,
        ROOMS_BESIDE,
    ],
)
def test_right_answers_are_counted(
    load: Load, transport: tuple[str, str], arguments: tuple[str, ...], piece_bytes: int
) -> None:
    result = load(truth, *arguments, *transport, piece_bytes=piece_bytes)
    assert result["ok"], result
    assert result["checked"] >= result["count"] > 0
    assert result["transport"] == transport[1]


def test_heartbeats_are_answered(load: Load, transport: tuple[str, str]) -> None:
    def ping_once(packets: Packets, before: list[Packets]) -> Packets:
        if len(before) == 1:
            return ["2", *packets]
        return packets if len(before) < 3 or [] in before else ["4the ping was not answered"]

    result = load(ping_once, *ECHO, "--in-flight", "1", *transport)
    assert result["ok"], result


def test_the_first_connection_is_of_the_first_server_and_the_others_are_of_the_rest(
    program: Path,
) -> None:
    wrong, reason = LIES_OF_ECHO["no id"]
    with lying_server(truth, 0) as a, lying_server(truth, 0) as b, lying_server(wrong, 0) as c:
        command = [program, "--warmup", "0", "--seconds", "0.05", *ECHO[:2], "--connections"]
        ports = f"{a},{b},{c}"
        done = subprocess.run([*command, "2", "--port", ports], capture_output=True, timeout=30)
        assert json.loads(done.stdout)["ok"], done.stdout
        done = subprocess.run([*command, "3", "--port", ports], capture_output=True, timeout=30)
        error = json.loads(done.stdout)["error"]
        assert "connection 2" in error and reason in error
        done = subprocess.run(
            [*command, "9", "--port", f"{c},{a}"], capture_output=True, timeout=30
        )
        assert "connection 0" in json.loads(done.stdout)["error"]


def test_cpu_of_other_processes_is_told_in_their_order(load: Load) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            result = load(truth, *ECHO, "--seconds", "0.3", "--watch", f"{os.getpid()},{busy.pid}")
            assert result["ok"], result
            _, spent_us = result["watched_cpu_us"]
            assert 10_000 < spent_us <= 1.1e6 * result["seconds"]
        finally:
            busy.kill()
    result = load(truth, *ECHO, "--watch", str(busy.pid))
    assert result == {"ok": False, "error": f"no process {busy.pid}"}


@pytest.mark.parametrize("name", LIES_OF_ECHO)
def test_a_wrong_answer_ends_the_echo(load: Load, transport: tuple[str, str], name: str) -> None:
    check(load, LIES_OF_ECHO, name, *ECHO, *transport)


@pytest.mark.parametrize("name", LIES_OF_BINARY_ECHO)
def test_a_wrong_answer_ends_the_binary_echo(
    load: Load, transport: tuple[str, str], name: str
) -> None:
    check(load, LIES_OF_BINARY_ECHO, name, *BINARY_ECHO, *transport)


@pytest.mark.parametrize("name", LIES_OF_BROADCAST)
def test_a_wrong_delivery_ends_the_broadcast(load: Load, name: str) -> None:
    check(load, LIES_OF_BROADCAST, name, *BROADCAST)


@pytest.mark.parametrize("name", LIES_OF_OTHER_CASES)
def test_a_wrong_delivery_ends_any_case(load: Load, name: str) -> None:
    arguments, lie, reason = LIES_OF_OTHER_CASES[name]
    result = load(lie, *arguments)
    assert not result["ok"]
    assert reason in result["error"]


def test_talkers_keep_to_the_rate_and_all_that_is_due_is_counted(
    load: Load, transport: tuple[str, str]
) -> None:
    result = load(truth, *RATED, *transport)
    assert result["ok"], result
    assert 9 <= result["messages"] <= 12
    assert result["due"] == result["checked"] == result["messages"]


def test_rate_of_a_case_that_has_none_is_refused(load: Load) -> None:
    assert load(truth, *ECHO, "--rate", "5")["error"] == "the case 'echo' has no rate"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((*ECHO, "--idle", "1"), "1 idle of 1 connections"),
        ((*BESIDE, "--active", "2"), "2 active of 1 connections"),
        ((*ROOMS, "--active", "2"), "2 active of 1 rooms"),
        ((*BROADCAST, "--idle", "1"), "in the case 'broadcast' none can be idle"),
    ],
)
def test_what_a_case_does_not_have_is_refused(
    load: Load, arguments: tuple[str, ...], error: str
) -> None:
    assert load(truth, *arguments) == {"ok": False, "error": error}


def test_base64_that_is_none_ends_the_run(load: Load) -> None:
    lie = changed(lambda packets: [packets[0], "bAQID%A=="])
    result = load(lie, *BINARY_ECHO, "--transport", "polling")
    assert "'AQID%A==' is not base64" in result["error"]


def test_a_connection_that_the_server_closes_ends_the_run(
    load: Load, transport: tuple[str, str]
) -> None:
    result = load(changed(lambda packets: None), *ECHO, *transport)
    expected = (
        "closed by the server after 0 answers"
        if transport[1] == "websocket"
        else "a GET was answered with 400"
    )
    assert expected in result["error"]


def test_an_idle_connection_must_get_nothing(load: Load, transport: tuple[str, str]) -> None:
    result = load(
        lambda packets, before: [*packets, '42["x"]'],
        "--case",
        "idle",
        "--connections",
        "1",
        *transport,
    )
    assert result["error"] == "idle connection 0 got '42[\"x\"]'"


def test_clients_come_and_go(load: Load, transport: tuple[str, str]) -> None:
    result = load(truth, "--case", "connect", "--in-flight", "3", *transport)
    assert result["ok"], result
    assert result["count"] > 3


def test_tls_that_was_not_built_in_is_said(load: Load) -> None:
    assert "was built without TLS" in load(truth, *ECHO, "--tls")["error"]

"""The fuzzers' kept inputs, and the ones that they begin with, on whatever build is tested."""

from __future__ import annotations

import gc
import logging
import sys

import pytest

from fuzz import corpus, names
from fuzz.session_targets import OPTIONS, Stage
from fuzz.targets import TARGETS
from fuzz.tools import FEW, few_pieces, part, parts

# Rounds over all inputs of a target: what caches take they have after these.
WARM_ROUNDS = 10
ROUNDS = 20
# Blocks that Python and the test may keep in all of these; an input that leaves something leaves it each time.
MAX_KEPT_BLOCKS = 2 * ROUNDS
# How often that is looked at, until they are no more.
ATTEMPTS = 12


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What is refused is logged by the thousand."""
    caplog.set_level(logging.ERROR, logger="fastsio")


@pytest.fixture(params=TARGETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.fault(
    "any bytes from a client, as fuzzers found them", "refused or read, as the reference reads them"
)
def test_every_kept_input_is_read_as_it_should(name):
    inputs = corpus.kept(name)
    assert inputs, f"{name} has no corpus"
    for data in inputs:
        run(name, data)


def test_kept_inputs_are_read_in_quick_runs_too(name):
    for data in corpus.kept(name):
        TARGETS[name].quick(data)


def test_what_a_fuzzer_begins_with_is_read_as_it_should(name):
    begun = TARGETS[name].seeds()
    assert begun
    for data in begun:
        run(name, data)


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_plays_bring_sockets_into_namespaces(number):
    """Else the target would watch nothing."""
    played = Stage(OPTIONS[number])
    for data in TARGETS["sessions"].seeds():
        if data[0] == number:
            played.play(data[1:])
    is_text = OPTIONS[number].get("serializer") != "msgpack"
    assert played.joins >= (14 if is_text else 1)
    assert played.events >= (8 if is_text else 0)


def run(name: str, data: bytes) -> None:
    try:
        TARGETS[name].run(data)
    except BaseException as error:
        error.add_note(f"{name}: {data!r}")
        raise


@pytest.mark.fault("hostile input, again and again", "nothing of it stays in memory")
# msgpack's blocks go up and down by dozens, without a trend in 540 rounds: its inputs are campaign.py --leaks' alone.
@pytest.mark.parametrize("name", [one for one in TARGETS if one != "msgpack"])
def test_kept_inputs_leave_no_object_behind(name):
    inputs = corpus.kept(name)[:100]
    for _ in range(WARM_ROUNDS):
        replay(name, inputs)
    # What caches take now and then, or slower and slower, is no leak: that grows each time.
    assert any(growth(name, inputs) < MAX_KEPT_BLOCKS for _ in range(ATTEMPTS))


def growth(name: str, inputs: list[bytes]) -> int:
    """How many more blocks of memory are in use after some rounds."""
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(ROUNDS):
        replay(name, inputs)
    gc.collect()
    return sys.getallocatedblocks() - before


def replay(name: str, inputs: list[bytes]) -> None:
    for data in inputs:
        TARGETS[name].run(data)


def test_the_command_knows_every_target():
    assert set(names.NAMES) == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_no_longer_than_what_is_fuzzed(name):
    assert max(map(len, TARGETS[name].seeds())) <= TARGETS[name].max_len


def test_a_part_is_read_as_it_was_written():
    written = part(7, b"abc") + part(0, b"") + part(255, b"x" * 255)
    assert list(parts(written)) == [(7, b"abc"), (0, b""), (255, b"x" * 255)]


@pytest.mark.parametrize("size", [*range(20), 600])
def test_few_pieces_are_the_whole_and_none_is_empty(size):
    data = bytes(range(256)) * 3
    for how in range(256):
        cut = few_pieces(data[:size], how)
        assert b"".join(cut) == data[:size]
        assert all(cut) or size == 0
        assert len(cut) <= FEW + 1

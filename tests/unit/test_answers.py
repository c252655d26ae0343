"""When the answers to a read are sent: at once, or together with those to the turn's other reads.

The sockets are real (Unix socket pairs); the event loop is the test's: what came before a turn's end was sent at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socket_stage import FEWEST, Client, Stage, needs_ring

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
DIRECT = 32  # DIRECT_READS of _fanout.pxd
MOST = 64  # MOST_ANSWERS
LITTLE = 4096  # LITTLE_BYTES of _stream.pyx
BODY = b"answer"


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    made.router.serve = lambda conn, request: conn.respond(200, [], BODY)
    yield made
    for client in made.clients:
        client.close()


def answered_at_once(clients: list[Client], body: bytes = BODY) -> list[Client]:
    """Each client asks in this turn; those who have their answer before it ends."""
    at_once = []
    for client in clients:
        client.transport.feed(REQUEST)
        answer = client.received()
        assert answer == b"" or answer.endswith(b"\r\n\r\n" + body)
        if answer:
            at_once.append(client)
    return at_once


def have_answers(clients: list[Client], body: bytes = BODY) -> bool:
    """Whether each has exactly one now."""
    answers = [client.received() for client in clients]
    return all(a.endswith(b"\r\n\r\n" + body) and a.count(b"HTTP/1.1 200") == 1 for a in answers)


def be_busy(stage: Stage, count: int) -> list[Client]:
    """`count` clients who were all answered in a turn when it was looked."""
    clients = stage.add(count)
    for _ in range(DIRECT // count + 2):
        at_once = answered_at_once(clients)
        stage.turn()
        assert have_answers([client for client in clients if client not in at_once])
    return clients


@needs_ring
def test_answers_to_many_reads_of_a_turn_are_sent_with_one_call(stage):
    clients = be_busy(stage, 20)
    calls, sends = stage.counts
    assert answered_at_once(clients) == []
    stage.turn()
    assert have_answers(clients)
    assert stage.counts == (calls + 1, sends + 20)


@pytest.mark.parametrize("count", [1, FEWEST - 1])
def test_answers_to_few_reads_are_sent_at_once_but_where_it_is_looked_how_many_they_are(
    stage, count
):
    clients = stage.add(count)
    late = 0
    turns = 3 * (DIRECT + 1)
    for _ in range(turns):
        at_once = answered_at_once(clients)
        waiting = [client for client in clients if client not in at_once]
        stage.turn()
        assert have_answers(waiting)
        late += len(waiting)
    # One turn in DIRECT reads; its other answers go with that one.
    assert 1 <= late <= count * (turns * count // DIRECT + 1)


@needs_ring
def test_answers_are_sent_at_once_again_when_few_read(stage):
    first, *_ = clients = be_busy(stage, 20)
    assert answered_at_once([first]) == []
    stage.turn()
    assert have_answers([first])
    assert answered_at_once([first]) == [first]
    assert answered_at_once(clients[1:]) == clients[1:]


@needs_ring
def test_the_first_answers_do_not_wait_for_more_than_so_many_others(stage):
    clients = be_busy(stage, MOST + 10)
    assert answered_at_once(clients[: MOST - 1]) == []
    assert answered_at_once([clients[MOST - 1]]) == [clients[MOST - 1]]
    assert have_answers(clients[: MOST - 1])
    assert answered_at_once(clients[MOST:]) == []
    stage.turn()
    assert have_answers(clients[MOST:])


@needs_ring
def test_what_others_are_told_in_a_turn_waits_for_its_end_even_with_so_many_answers(stage):
    """Else a client that is told more in this turn would get it in two writes."""
    clients = be_busy(stage, MOST + 10)
    told = clients[-1]
    told.queue(b"first ")
    assert answered_at_once(clients[:MOST]) == []
    told.queue(b"second")
    assert told.received() == b""
    stage.turn()
    assert told.received() == b"first second"
    assert have_answers(clients[:MOST])


@needs_ring
@pytest.mark.parametrize("size", [LITTLE + 1, 65_536])
def test_large_answers_are_sent_at_once_though_many_are_answered(stage, size):
    clients = be_busy(stage, 20)
    large = b"." * size
    stage.router.serve = lambda conn, request: conn.respond(200, [], large)
    assert answered_at_once([clients[0]], large) == [clients[0]]
    stage.router.serve = lambda conn, request: conn.respond(200, [], BODY)
    assert answered_at_once([clients[1]]) == []
    stage.turn()
    assert have_answers([clients[1]])


def test_without_io_uring_answers_are_sent_at_once_however_many(stage):
    stage.router.flusher.sends = None
    clients = stage.add(20)
    for _ in range(10):
        assert answered_at_once(clients) == clients
        stage.turn()


@needs_ring
def test_a_client_that_goes_before_its_answer_was_sent_costs_the_others_nothing(stage):
    gone, *others = clients = be_busy(stage, 20)
    assert answered_at_once(clients) == []
    gone.transport.lose()
    gone.theirs.close()
    stage.turn()
    assert have_answers(others)
    assert stage.router.flusher.failures == 0


@needs_ring
def test_requests_of_one_client_in_a_turn_are_answered_in_order_and_once(stage):
    clients = be_busy(stage, 20)
    bodies = iter([b"one", b"two", b"three"])
    stage.router.serve = lambda conn, request: conn.respond(200, [], next(bodies))
    for _ in range(3):
        clients[0].transport.feed(REQUEST)
    stage.turn()
    answers = clients[0].received()
    assert answers.count(b"HTTP/1.1 200") == 3
    assert 0 < answers.find(b"one") < answers.find(b"two") < answers.find(b"three")

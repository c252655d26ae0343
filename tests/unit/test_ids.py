"""Ids of sessions and sockets."""

from __future__ import annotations

import os
import re

import pytest

from fastsio._ids import IDS_AT_ONCE, new_id


def test_ids_are_20_characters_and_never_the_same():
    ids = {new_id() for _ in range(3 * IDS_AT_ONCE)}
    assert len(ids) == 3 * IDS_AT_ONCE
    assert all(re.fullmatch(r"[\w-]{20}", id_, re.ASCII) for id_ in ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_gives_out_other_ids():
    new_id()  # some are prepared now
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    ids_of_parent = {new_id() for _ in range(IDS_AT_ONCE)}
    assert os.read(reading, 100).decode() not in ids_of_parent
    os.close(reading)
    os.close(writing)

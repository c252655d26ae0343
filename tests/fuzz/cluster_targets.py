"""Target: what other servers of a cluster send."""

from __future__ import annotations

from fuzz.cluster_stage import WAYS, stage_of


def cluster(data: bytes) -> None:
    """Any messages, to a server with two clients: it does what they say or logs them, and the server serves on.

    The first byte says by which adapter they come.
    """
    if not data:
        return
    played = stage_of(data[0] % len(WAYS))
    played.failures.forget()
    with played.loop.running():
        if played.begun is None:
            played.begin()
        played.tell(data[1:])
        played.finish()


def quick_cluster(data: bytes) -> None:
    """The same, but the clients stay and time does not pass as long as nothing has changed."""
    if not data:
        return
    played = stage_of(data[0] % len(WAYS))
    played.failures.forget()
    with played.loop.running():
        if played.begun is None:
            played.begin()
        played.tell(data[1:])
        if played.state() != played.begun:
            played.finish()
        played.forget_sent()
        assert not played.failures.found, "\n".join(played.failures.found)

"""Asking the other servers of a cluster: whose answers are due, and until when."""

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from fastsio._eager import start_eager
from fastsio.adapters.cluster.bus import Bus, Peers
from fastsio.adapters.cluster.requests import ClusterGathering, Request
from fastsio.adapters.protocol.messages import Kind
from fastsio.core.gather import Done

if TYPE_CHECKING:
    from fastsio.core.hub import Hub

logger = logging.getLogger("fastsio.adapters")


class Asking:
    """The part of a Cluster that asks. `requests`: what is not answered yet, by the request's id."""

    hub: "Hub"
    bus: Bus
    requests: dict[str, Request | ClusterGathering]
    send: Callable[..., None]

    def ask(
        self, kind: Kind, nsp: str, data: dict[str, Any], done: Done, timeout_s: float | None
    ) -> None:
        """Ask the other servers that have the namespace; `done` gets an answer of each."""
        seconds = self.bus.request_timeout if timeout_s is None else timeout_s
        request_id = secrets.token_hex(8)
        request = Request(kind, done, lambda: self.forget_request(request_id))
        self.requests[request_id] = request
        request.start(seconds)
        self.send(kind, nsp, {**data, "requestId": request_id})
        self.with_peers(nsp, request.expect, None)

    def forget_request(self, request_id: str) -> None:
        """It has ended."""
        self.requests.pop(request_id, None)

    def with_peers(
        self, nsp: str, expect: Callable[[Peers], None], otherwise: Peers | None
    ) -> None:
        """Say from whom answers are due to what has been sent: `expect(peers)`, at once if the bus knows it.

        `otherwise`: what is said if the bus can't find out; None: nothing.
        """
        found = self.bus.peers(nsp)
        if isinstance(found, (set, int)):
            expect(found)
            return

        async def wait(asked: Awaitable[Peers]) -> None:
            try:
                peers = await asked
            except Exception:  # of whatever the bus is made of
                logger.warning("the servers of the cluster could not be counted", exc_info=True)
                if otherwise is not None:
                    expect(otherwise)
            else:
                expect(peers)

        start_eager(wait(found), self.hub.tasks, "counting the servers of a cluster")

"""Token buckets: how many events a client, or an address, may send.

A bucket holds `burst` tokens and gets `rate` new ones a second; each event takes one. Events that find none are not
handled. Only events are counted: acks, and joining and leaving namespaces, are not.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.core.errors import RateLimitError

if TYPE_CHECKING:
    from fastsio.core.hub import Hub
    from fastsio.core.socket import Socket

PER = ("socket", "address")
BEYOND = ("drop", "error", "disconnect")
# An address whose bucket is full again needs none: they are looked through when so many more have come.
PRUNE_AT = 1024


class Bucket:
    """`tokens` at the time `at`."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class Rule:
    """One limit. See Limits.add() for its arguments."""

    __slots__ = ("_by_address", "_prune_at", "beyond", "burst", "event", "namespace", "per", "rate")

    def __init__(
        self, event: str | None, rate: float, burst: int | None, per: str, beyond: str, namespace: str | None
    ) -> None:  # fmt: skip
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not rate > 0:
            raise ValueError(f"rate={rate!r}: a number of events per second above 0")
        if burst is None:
            burst = max(1, round(rate))
        if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
            raise ValueError(f"burst={burst!r}: a number of events, 1 or more")
        if per not in PER:
            raise ValueError(f"per={per!r}: one of {', '.join(PER)}")
        if beyond not in BEYOND:
            raise ValueError(f"beyond={beyond!r}: one of {', '.join(BEYOND)}")
        self.event = event
        self.rate = rate
        self.burst = burst
        self.per = per
        self.beyond = beyond
        self.namespace = namespace
        self._by_address: dict[str, Bucket] = {}
        self._prune_at = PRUNE_AT

    def __str__(self) -> str:
        what = "all events" if self.event is None else f"event {self.event!r}"
        where = "" if self.namespace is None else f" in {self.namespace!r}"
        return f"limit of {self.rate:g}/s (burst {self.burst}) for {what}{where} per {self.per}"

    def take(self, socket: "Socket", now: float) -> float:
        """Take a token; 0, or how many seconds it takes until there is one."""
        if socket.turns is None:
            socket.turns = {}
        bucket = socket.turns.get(self)
        if bucket is None:
            if self.per == "socket":
                bucket = socket.turns[self] = Bucket(self.burst, now)
            else:
                bucket = self._bucket_of_address(socket, now)
        tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.rate)
        bucket.at = now
        if tokens >= 1:
            bucket.tokens = tokens - 1
            return 0
        bucket.tokens = tokens
        return (1 - tokens) / self.rate

    def _bucket_of_address(self, socket: "Socket", now: float) -> Bucket:
        """The bucket that all clients of an address share; it outlives them, or coming back would fill it."""
        assert socket.turns is not None
        address = socket.turns.get(PER)
        if address is None:  # finding it means reading the handshake's headers
            address = socket.turns[PER] = socket.session.origin.address
        bucket = self._by_address.get(address)
        if bucket is None:
            if len(self._by_address) >= self._prune_at:
                self._prune(now)
            bucket = self._by_address[address] = Bucket(self.burst, now)
        return bucket

    def _prune(self, now: float) -> None:
        self._by_address = {
            address: bucket
            for address, bucket in self._by_address.items()
            if bucket.tokens + (now - bucket.at) * self.rate < self.burst
        }
        self._prune_at = len(self._by_address) + PRUNE_AT


class Limits:
    """A server's limits, in the order in which they were added; an event must be within all of them."""

    def __init__(self, hub: "Hub", now: Callable[[], float]) -> None:
        """`now` gives seconds."""
        self._hub = hub
        self._now = now
        self.rules: list[Rule] = []
        self._by_event: dict[str, tuple[Rule, ...]] = {}
        self._for_all: tuple[Rule, ...] = ()

    def add(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop", namespace: str | None = None,
    ) -> Rule:  # fmt: skip
        """Let through `rate` events a second, `burst` of them (as many as `rate`, if not given) at once.

        event: None counts all of them together. per: "socket", or "address" for all clients with the address that
        session.origin gives (see trusted_proxies). namespace: None is all of them. beyond: what happens with an
        event that is over the limit: "drop": it is not handled; "error": and a RateLimitError goes to the
        socket's listeners of "error", or to an exception handler for it, which then answers; "disconnect": the client's
        connection is closed. Its acknowledgement, if it asks for one, has `{"error": {"code": "rate_limited",
        "event": …, "retry_after": seconds, "message": …}}`. Raises ValueError for what can't be.
        """
        rule = Rule(event, rate, burst, per, beyond, namespace)
        self.rules.append(rule)
        self._for_all = self._rules_of(None)
        names = {one.event for one in self.rules if one.event is not None}
        self._by_event = {name: self._rules_of(name) for name in names}
        return rule

    def _rules_of(self, event: str | None) -> tuple[Rule, ...]:
        """Those for an event and those for all; None: the latter."""
        return tuple(rule for rule in self.rules if rule.event in (None, event))

    def admits(self, socket: "Socket", args: list[Any], ack_id: int) -> bool:
        """Whether [event, *arguments] may be handled; else it has been seen to."""
        rules = self._by_event.get(args[0], self._for_all)
        if not rules:
            return True
        now = self._now()
        name = socket.namespace.name
        for rule in rules:
            if rule.namespace is None or rule.namespace == name:
                retry_after = rule.take(socket, now)
                if retry_after:
                    self._refuse(rule, socket, args, ack_id, retry_after)
                    return False
        return True

    def _refuse(
        self, rule: Rule, socket: "Socket", args: list[Any], ack_id: int, retry_after: float
    ) -> None:
        error = RateLimitError(args[0], retry_after)
        if rule.beyond == "error" and self._hub.failures.find(error, socket.namespace.name):
            self._hub.refusals.refuse(socket, args[0], -1, str(rule), {})
            self._hub.failures.handle(socket, error, args, ack_id)
            return
        self._hub.refusals.refuse(socket, args[0], ack_id, str(rule), error.answer)
        if rule.beyond == "error":
            socket.run_listeners("error", error)
        elif rule.beyond == "disconnect":
            socket.disconnect(close=True)

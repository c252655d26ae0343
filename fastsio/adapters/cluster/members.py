"""Which other servers there are: those heard of lately. Source: Node's ClusterAdapterWithHeartbeat."""

from collections.abc import Callable


class Members:
    """`alive`: uid to when something came from it last, in seconds of the loop's clock."""

    def __init__(self, timeout_s: float, on_gone: Callable[[str], None]) -> None:
        self.alive: dict[str, float] = {}
        self._timeout_s = timeout_s
        self._on_gone = on_gone

    def heard(self, uid: str, now: float) -> bool:
        """A message came from there; True if it is a new one."""
        is_new = uid not in self.alive
        self.alive[uid] = now
        return is_new

    def left(self, uid: str) -> None:
        """It said that it goes."""
        if self.alive.pop(uid, None) is not None:
            self._on_gone(uid)

    def expire(self, now: float) -> None:
        """Those that were silent for too long are gone."""
        for uid in [uid for uid, at in self.alive.items() if now - at > self._timeout_s]:
            self.left(uid)

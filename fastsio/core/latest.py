"""Emits of which a client that reads too slowly gets only the newest of a key. What a queue does: _flow.pyx."""

from typing import TYPE_CHECKING, Any

from fastsio._encoded import Encoded
from fastsio.core.handlers import check_event_name

if TYPE_CHECKING:
    from fastsio.core.namespace import Namespace
    from fastsio.core.operator import BroadcastOperator


class Latest:
    """`io.latest(key)`: as long as a packet with the key is queued for a client, a newer one takes its place.

    So it may come before what was sent between the two. Whatever the policy for full buffers is; keys are a namespace's
    own. As volatile packets they are not kept for connection state recovery.
    """

    __slots__ = ("_key", "_operator")

    def __init__(self, operator: "BroadcastOperator", key: Any) -> None:
        """Raises TypeError for a key that is not hashable."""
        hash(key)
        self._operator = operator
        self._key = key

    def emit(self, event: str, *args: Any) -> None:
        """Send an event to all of them. Raises TypeError for what JSON can't hold, ValueError for a reserved name."""
        self._operator.emit_latest(self._key, [event, *args])

    def send(self, *args: Any) -> None:
        """emit("message", *args)."""
        self.emit("message", *args)


def latest_packet(namespace: "Namespace", key: Any, args: list[Any]) -> Encoded:
    """[event, *arguments] as a packet that takes the place of a queued one with this key, in this namespace.

    Raises TypeError for a key that is not hashable and for what JSON can't hold, ValueError for a reserved name.
    """
    check_event_name(args[0])
    hash(key)
    encoded: Encoded = namespace.adapter.prepare(args, is_volatile=True)[0]
    encoded.key = (namespace.name, key)
    return encoded

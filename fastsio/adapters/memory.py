"""MemoryBus: servers in one process as a cluster, for tests: `hub = MemoryHub(); IO(adapter=hub.bus())`."""

import copy
from typing import TYPE_CHECKING, Any

from fastsio.adapters.cluster.bus import Bus
from fastsio.adapters.protocol.messages import Message

if TYPE_CHECKING:
    from fastsio._encoded import Encoded
    from fastsio.core.namespace import Namespace


class MemoryHub:
    """What the buses of one cluster share."""

    def __init__(self) -> None:
        self.buses: list[MemoryBus] = []

    def bus(self) -> "MemoryBus":
        """A bus for one more server."""
        return MemoryBus(self)


class MemoryBus(Bus):
    """Messages come in a loop turn of their own, on the receiving server's loop, which may run in another thread."""

    def __init__(self, hub: MemoryHub) -> None:
        super().__init__()
        self._hub = hub

    async def start(self) -> None:
        self._hub.buses.append(self)

    async def stop(self) -> None:
        if self in self._hub.buses:
            self._hub.buses.remove(self)

    def pack(self, namespace: "Namespace", args: list[Any], encoded: "Encoded") -> Any:
        return copy.deepcopy(args)

    def publish(self, message: Message) -> None:
        for bus in list(self._hub.buses):
            if bus is not self:
                bus._deliver(message)

    def respond(self, uid: str, message: Message) -> None:
        for bus in list(self._hub.buses):
            if bus.cluster.uid == uid:
                bus._deliver(message)

    def _deliver(self, message: Message) -> None:
        copied = Message(
            message.kind, message.uid, message.nsp, copy.deepcopy(message.data), message.packet
        )
        self.loop.call_soon_threadsafe(self.receive, copied)

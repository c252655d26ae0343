"""What presence needs of the cluster that it is part of, and knows of it: a Cluster and its Bus have it."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from fastsio.adapters.protocol.messages import Message

if TYPE_CHECKING:
    from fastsio.core.hub import Hub


class Carrier(Protocol):
    """What carries its messages: a Bus, whose attributes of these names these are."""

    @property
    def request_timeout(self) -> float: ...

    @property
    def heartbeat_timeout(self) -> float: ...

    @property
    def presence_interval(self) -> float: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    async def presence_peers(self) -> int: ...

    def tell(self, uid: str | None, message: Message) -> None: ...


class Host(Protocol):
    """The server whose clients it tells of: a Cluster, whose attributes of these names these are."""

    @property
    def bus(self) -> Carrier: ...

    @property
    def hub(self) -> "Hub": ...

    @property
    def uid(self) -> str: ...

    @property
    def is_up(self) -> bool: ...

    def waits_for_no_more(self, uid: str) -> None: ...

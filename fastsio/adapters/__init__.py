"""What joins servers: rooms, broadcasts, acks and fetch_sockets() then span all of them.

`IO(adapter=…)` and `AsyncServer(adapter=…)` take a bus, one for each server:

| bus | joins |
|---|---|
| MemoryBus | servers in one process, for tests |
"""

from fastsio.adapters.bus import Bus
from fastsio.adapters.memory import MemoryBus, MemoryHub

__all__ = ["Bus", "MemoryBus", "MemoryHub"]

"""Flow control by sid, for the servers in python-socketio's style. What it does is core/flow.py's.

python-socketio has none of this. The buffer and the reading are the connection's, of all namespaces together.
"""

from typing import TYPE_CHECKING, Any

from fastsio.core.latest import latest_packet

if TYPE_CHECKING:
    from fastsio.api.aio import AsyncServer
    from fastsio.core.hub import Hub
    from fastsio.core.limits import Rule
    from fastsio.core.socket import Socket


class SyncFlowMethods:
    """Those of Server: as AsyncServer's, to be called from any thread but the loop's."""

    __slots__ = ()

    _server: "AsyncServer"
    _ask: Any
    _bridge_to_clients: Any
    _do: Any

    def buffered_bytes(self, sid: str, namespace: str | None = None) -> int:
        """How many bytes for a client are queued here or held by its transport."""
        size: int = self._ask(self._server.buffered_bytes, sid, namespace)
        return size

    def drain(self, sid: str, namespace: str | None = None) -> None:
        """Block the calling thread until little is unsent for a client. Raises DisconnectedError when it goes."""
        bridge = self._bridge_to_clients()
        if bridge is None:
            raise KeyError(f"{sid!r} is not connected: nothing is served")
        bridge.run(self._server.drain, sid, namespace)

    def pause(self, sid: str, namespace: str | None = None) -> None:
        """Handle no event of a client, and read no more from it, until resume()."""
        self._ask(self._server.pause, sid, namespace)

    def resume(self, sid: str, namespace: str | None = None) -> None:
        """End pause()."""
        self._ask(self._server.resume, sid, namespace)

    def set_buffer_policy(self, sid: str, policy: str, namespace: str | None = None) -> None:
        """What happens when a client's buffer is full, in place of the option buffer_policy."""
        self._ask(self._server.set_buffer_policy, sid, policy, namespace)

    def set_water_marks(
        self, sid: str, high: int | None, low: int | None = None, namespace: str | None = None
    ) -> None:
        """When `high_water` and `low_water` handlers are called for a client."""
        self._ask(self._server.set_water_marks, sid, high, low, namespace)

    def emit_latest(
        self, key: Any, event: str, data: Any = None, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None,
    ) -> None:  # fmt: skip
        """emit(), but of packets with one `key` a client that reads too slowly gets only the newest: see Latest."""
        self._do(self._server.emit_latest, key, event, data, to, room, skip_sid, namespace)

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop", namespace: str | None = None,
    ) -> "Rule":  # fmt: skip
        """How many events a client may send: see Limits.add()."""
        return self._server.limit(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=namespace
        )

    def flow_counts(self) -> dict[str, int]:
        """What was too much: see Hub.flow_counts()."""
        counts: dict[str, int] = self._ask(self._server.flow_counts)
        return counts


class FlowMethods:
    """Those of AsyncServer. All raise KeyError for a sid that is not there."""

    __slots__ = ()

    hub: "Hub"

    def _socket(self, sid: str, namespace: str | None) -> "Socket":
        raise NotImplementedError

    def buffered_bytes(self, sid: str, namespace: str | None = None) -> int:
        """How many bytes for a client are queued here or held by its transport."""
        return self._socket(sid, namespace).buffered_bytes

    async def drain(self, sid: str, namespace: str | None = None) -> None:
        """Wait until little is unsent for a client: see Flowing.drain(). Raises DisconnectedError when it goes."""
        await self._socket(sid, namespace).drain()

    def pause(self, sid: str, namespace: str | None = None) -> None:
        """Handle no event of a client, and read no more from it, until resume(): see Flowing.pause()."""
        self._socket(sid, namespace).pause()

    def resume(self, sid: str, namespace: str | None = None) -> None:
        """End pause()."""
        self._socket(sid, namespace).resume()

    def set_buffer_policy(self, sid: str, policy: str, namespace: str | None = None) -> None:
        """What happens when a client's buffer is full, in place of the option buffer_policy."""
        self._socket(sid, namespace).buffer_policy = policy

    def set_water_marks(
        self, sid: str, high: int | None, low: int | None = None, namespace: str | None = None
    ) -> None:
        """When `high_water` and `low_water` handlers are called for a client: `@sio.on("high_water")` (sid, bytes)."""
        self._socket(sid, namespace).set_water_marks(high, low)

    async def emit_latest(
        self, key: Any, event: str, data: Any = None, to: Any = None, room: Any = None, skip_sid: Any = None,
        namespace: str | None = None,
    ) -> None:  # fmt: skip
        """emit(), but of packets with one `key` a client that reads too slowly gets only the newest: see Latest."""
        target = self.hub.get(namespace or "/")
        if target is None:
            return
        encoded = latest_packet(target, key, [event, *arguments(data)])
        args = (encoded, room if to is None else to, skip_sid)
        if self.hub.is_elsewhere():
            self.hub.call_soon(target.send_to_rooms, *args)
        else:
            target.send_to_rooms(*args)

    def limit(
        self, event: str | None = None, *, rate: float, burst: int | None = None, per: str = "socket",
        beyond: str = "drop", namespace: str | None = None,
    ) -> "Rule":  # fmt: skip
        """How many events a client may send: see Limits.add(). Without `namespace` it holds for all of them."""
        return self.hub.limit(
            event, rate=rate, burst=burst, per=per, beyond=beyond, namespace=namespace
        )

    def flow_counts(self) -> dict[str, int]:
        """What was too much: see Hub.flow_counts()."""
        return self.hub.flow_counts()


def arguments(data: Any) -> tuple[Any, ...]:
    """python-socketio's `data`: None is no argument, a tuple several, anything else one."""
    if data is None:
        return ()
    return data if isinstance(data, tuple) else (data,)

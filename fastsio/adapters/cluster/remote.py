"""A client of another server, as fetch_sockets() shows it. Source: Node's RemoteSocket."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastsio.core.errors import ClientGoneError
from fastsio.core.operator import BroadcastOperator
from fastsio.core.remote import RemoteSocket

if TYPE_CHECKING:
    from fastsio._json import Json
    from fastsio.core.namespace import Namespace
    from fastsio.core.socket import Socket


def describe(socket: "RemoteSocket | Socket") -> dict[str, Any]:
    """A client of this server for another one: Node's form."""
    handshake = socket.handshake
    return {
        "id": socket.id,
        "handshake": {
            "headers": handshake.headers,
            "time": handshake.time,
            "address": handshake.address,
            "xdomain": handshake.xdomain,
            "secure": handshake.secure,
            "issued": handshake.issued,
            "url": handshake.url,
            "query": handshake.query,
            "auth": handshake.auth,
        },
        "rooms": list(socket.rooms),
        "data": socket.data,
    }


def leave_out_what_is_no_json(description: dict[str, Any], json: "Json") -> list[str]:
    """Take out of a description's data what JSON can't hold; the names of that."""
    data, told, left = description["data"], {}, []
    for name, value in data.items() if isinstance(data, dict) else ():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            left.append(str(name))
        else:
            told[name] = value
    description["data"] = told
    return left if isinstance(data, dict) else ["all of it"]


class ToldHandshake:
    """A Handshake that another server has told of; the names are Handshake's."""

    __slots__ = (
        "address", "auth", "headers", "issued", "query", "secure", "time", "url", "xdomain",
    )  # fmt: skip

    def __init__(self, told: dict[str, Any]) -> None:
        for name in self.__slots__:
            setattr(self, name, told.get(name))


class ClusterSocket(RemoteSocket):
    """id, handshake, rooms and data are what they were when the other server answered."""

    __slots__ = ("_data", "_handshake", "_namespace", "_seconds")

    def __init__(self, namespace: "Namespace", told: dict[str, Any]) -> None:
        self._namespace = namespace
        self._seconds: float | None = None
        self.id = told["id"]
        self.rooms = set(told.get("rooms") or ())
        self._data: dict[str, Any] = told.get("data") or {}
        self._handshake = ToldHandshake(told.get("handshake") or {})

    @property
    def handshake(self) -> Any:
        return self._handshake

    @property
    def data(self) -> dict[str, Any]:
        return self._data

    @property
    def _chosen(self) -> BroadcastOperator:
        return BroadcastOperator(
            self._namespace, frozenset((self.id,)), timeout_s=self._seconds
        )  # fmt: skip

    def emit(self, event: str, *args: Any, ack: Callable[..., Any] | None = None) -> None:
        if ack is None:
            self._chosen.emit(event, *args)
            return

        def first(error: Exception | None, answers: list[Any]) -> Any:
            value = answers[0] if answers else None
            return ack(value) if self._seconds is None else ack(error, value)

        self._chosen.emit(event, *args, ack=first)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        answers = await self._chosen.emit_with_ack(event, *args)
        if not answers:
            raise ClientGoneError("the client has gone")
        return answers[0]

    def timeout(self, seconds: float) -> Any:
        """The same socket, with a time limit for its answers."""
        limited = ClusterSocket.__new__(ClusterSocket)
        for name in ("_namespace", "id", "rooms", "_data", "_handshake"):
            setattr(limited, name, getattr(self, name))
        limited._seconds = seconds
        return limited

    def join(self, room: Any) -> None:
        self._chosen.sockets_join(room)

    def leave(self, room: Any) -> None:
        self._chosen.sockets_leave(room)

    def disconnect(self, close: bool = False) -> None:
        self._chosen.disconnect_sockets(close)

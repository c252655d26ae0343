"""What the asyncio and the sync client share as objects: options, handlers and their look-up.

Signatures and order of preference: python-socketio 5.18.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from fastsio._json import Json
from fastsio.client.engine import EngineClient, Reason
from fastsio.client.logs import make_logger
from fastsio.client.namespaces import BaseClientNamespace

Handlers = dict[str, dict[Any, Callable[..., Any]]]


class BaseClient:
    """Options and handlers of a client; see AsyncClient for what they mean."""

    reserved_events: ClassVar = ["connect", "connect_error", "disconnect", "__disconnect_final"]
    reason = Reason

    def __init__(
        self, reconnection: bool = True, reconnection_attempts: int = 0, reconnection_delay: float = 1,
        reconnection_delay_max: float = 5, randomization_factor: float = 0.5, logger: Any = False,
        serializer: Any = "default", json: Any = None, handle_sigint: bool = True, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.reconnection = reconnection
        self.reconnection_attempts = reconnection_attempts
        self.reconnection_delay = reconnection_delay
        self.reconnection_delay_max = reconnection_delay_max
        self.randomization_factor = randomization_factor
        self.handle_sigint = handle_sigint
        self.logger = make_logger(logger, "fastsio.client")
        self.json = None if json is None else Json(json)
        # None: packets are read and written by the compiled codec, without objects of their own.
        self._custom_packet = _packet_class(serializer, json)
        engineio_logger = kwargs.pop("engineio_logger", None)
        if engineio_logger is not None:
            kwargs["logger"] = engineio_logger
        self.eio = self._make_engine(kwargs)
        self.connection_url: Any = None
        self.connection_headers: Any = None
        self.connection_auth: Any = None
        self.connection_transports: Any = None
        self.connection_namespaces: list[str] = []
        self.socketio_path: str | None = None
        self.sid: str | None = None
        self.connected = False
        self.namespaces: dict[str, str] = {}
        self.failed_namespaces: list[str] = []
        self.handlers: Handlers = {}
        self.namespace_handlers: dict[str, BaseClientNamespace] = {}
        self._prepare()

    def _prepare(self) -> None:
        """The rest of __init__ in subclasses, so that all have its signature."""

    def _make_engine(self, options: dict[str, Any]) -> EngineClient:
        raise NotImplementedError

    @property
    def packet_class(self) -> Any:
        """The class of packets: `serializer`, or fastsio.packet.Packet."""
        if self._custom_packet is not None:
            return self._custom_packet
        from fastsio.packet import Packet  # type: ignore[import-not-found,unused-ignore]

        return Packet

    def is_asyncio_based(self) -> bool:
        return False

    # --- handlers ----------------------------------------------------------------------------

    def on(
        self, event: str, handler: Callable[..., Any] | None = None, namespace: str | None = None
    ) -> Any:
        """Register the handler of an event; as a decorator when `handler` is left out.

        connect(), connect_error(data), disconnect([reason]), any other event(*args), whose return value answers
        the server's ack. Event "*" takes (event, *args) of events without a handler; in namespace "*" the
        namespace comes before the arguments.
        """
        target = namespace or "/"

        def set_handler(handler: Callable[..., Any]) -> Callable[..., Any]:
            self.handlers.setdefault(target, {})[event] = handler
            return handler

        return set_handler if handler is None else set_handler(handler)

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """`@sio.event` registers a function under its own name; `@sio.event(namespace="/x")` in a namespace."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__)(args[0])
        return lambda handler: self.on(handler.__name__, *args, **kwargs)(handler)

    def register_namespace(self, namespace_handler: BaseClientNamespace) -> None:
        """Register an object whose on_... methods handle a namespace. Raises ValueError for anything else."""
        if not isinstance(namespace_handler, BaseClientNamespace):
            raise ValueError("Not a namespace instance")
        if self.is_asyncio_based() != namespace_handler.is_asyncio_based():
            raise ValueError("Not a valid namespace class for this client")
        namespace_handler._set_client(self)
        self.namespace_handlers[namespace_handler.namespace] = namespace_handler

    def _find_handler(
        self, event: Any, namespace: str, args: list[Any]
    ) -> tuple[Callable[..., Any] | None, list[Any]]:
        """The function for an event and what it is called with; None if there is none.

        A namespace with functions of its own never falls back to those of "*", as in python-socketio.
        """
        is_any = event not in self.reserved_events
        if namespace in self.handlers:
            own = self.handlers[namespace]
            if event in own:
                return own[event], args
            if is_any and "*" in own:
                return own["*"], [event, *args]
        elif "*" in self.handlers:
            common = self.handlers["*"]
            if event in common:
                return common[event], [namespace, *args]
            if is_any and "*" in common:
                return common["*"], [event, namespace, *args]
        if namespace in self.namespace_handlers:
            return self.namespace_handlers[namespace].trigger_event, [event, *args]
        if "*" in self.namespace_handlers:
            return self.namespace_handlers["*"].trigger_event, [event, namespace, *args]
        return None, args

    # --- what is connected -------------------------------------------------------------------

    def get_sid(self, namespace: str | None = None) -> str | None:
        """The client's id in a namespace; None if that is not connected. It changes with each reconnection."""
        return self.namespaces.get(namespace or "/")

    def transport(self) -> str | None:
        """What carries the connection now: "polling" or "websocket"; None if there is none."""
        return self.eio.transport()


def _packet_class(serializer: Any, json: Any) -> Any:
    """The class that `serializer` names; None for the compiled codec."""
    if serializer == "default":
        return None
    if serializer == "msgpack":
        from fastsio.msgpack_packet import (  # type: ignore[import-not-found,unused-ignore]
            MsgPackPacket,
        )

        packet_class: Any = MsgPackPacket
    elif isinstance(serializer, type):
        packet_class = serializer
    else:
        raise ValueError(f"serializer {serializer!r}: 'default', 'msgpack' or a Packet class")
    if json is None:
        return packet_class
    # Theirs sets it on the class, for the whole process.
    return type(packet_class.__name__, (packet_class,), {"json": json})

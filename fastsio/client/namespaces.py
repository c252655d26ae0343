"""Class-based namespaces of clients: methods named on_<event> are its handlers."""

import inspect
from collections.abc import Callable
from typing import Any


class BaseClientNamespace:
    """`namespace` is its name, `client` the client that it was registered with."""

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace or "/"
        self.client: Any = None

    def is_asyncio_based(self) -> bool:
        return False

    def trigger_event(self, event: str, *args: Any) -> Any:
        raise NotImplementedError

    def _set_client(self, client: Any) -> None:
        self.client = client

    def _method(self, event: str | None, args: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """The method for an event, None if there is none, and what it takes of `args`."""
        method = getattr(self, f"on_{event or ''}", None)
        if method is not None and event == "disconnect":
            args = fit_arguments(method, args)
        return method, args


class ClientNamespace(BaseClientNamespace):
    """For Client: methods run in threads."""

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Call on_<event>(*args); override it to dispatch otherwise."""
        method, args = self._method(event, args)
        return None if method is None else method(*args)

    def emit(
        self, event: str, data: Any = None, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """Client.emit() to this namespace."""
        self.client.emit(event, data=data, namespace=namespace or self.namespace, callback=callback)

    def send(
        self, data: Any, room: Any = None, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """Client.send() to this namespace; `room` means nothing, as in python-socketio."""
        self.client.send(data, namespace=namespace or self.namespace, callback=callback)

    def call(
        self, event: str, data: Any = None, namespace: str | None = None, timeout: float | None = None
    ) -> Any:  # fmt: skip
        """Client.call() to this namespace, by default without a limit of time."""
        return self.client.call(
            event, data=data, namespace=namespace or self.namespace, timeout=timeout
        )

    def disconnect(self) -> None:
        """Client.disconnect()."""
        self.client.disconnect()


class AsyncClientNamespace(BaseClientNamespace):
    """For AsyncClient: methods are coroutine functions or plain ones."""

    def is_asyncio_based(self) -> bool:
        return True

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Call on_<event>(*args); override it to dispatch otherwise."""
        method, args = self._method(event, args)
        if method is None:
            return None
        result = method(*args)
        return await result if inspect.isawaitable(result) else result

    async def emit(
        self, event: str, data: Any = None, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """AsyncClient.emit() to this namespace."""
        await self.client.emit(
            event, data=data, namespace=namespace or self.namespace, callback=callback
        )

    async def send(
        self, data: Any, namespace: str | None = None, callback: Callable[..., Any] | None = None
    ) -> None:  # fmt: skip
        """AsyncClient.send() to this namespace."""
        await self.client.send(data, namespace=namespace or self.namespace, callback=callback)

    async def call(
        self, event: str, data: Any = None, namespace: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - their name
    ) -> Any:  # fmt: skip
        """AsyncClient.call() to this namespace, by default without a limit of time."""
        return await self.client.call(
            event, data=data, namespace=namespace or self.namespace, timeout=timeout
        )

    async def disconnect(self) -> None:
        """AsyncClient.disconnect()."""
        await self.client.disconnect()


def fit_arguments(handler: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a `disconnect` handler, which need not take the reason, its last one."""
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (ValueError, TypeError):  # a builtin that does not say
        return args
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return args
    takes = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return args[:-1] if takes < len(args) else args

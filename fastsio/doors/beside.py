"""uvicorn's protocol on connections that are ours: the side of a SharedConn that is not Socket.IO.

Uses of uvicorn its protocol classes, Config and ServerState, as its own servers do, and two methods of
the protocols: on_response_complete(), when an answer is written, and shutdown().
"""

import asyncio
import functools
from typing import Any

from fastsio._shared import SharedConn


class MissingExtra(ImportError):
    """A package that is needed for this, and is an extra of fastsio, is not installed."""


def missing_uvicorn(what: str, error: ModuleNotFoundError) -> MissingExtra:
    """The error that says what to install for `what`; `error` is of the import that failed."""
    name = str(error.name).partition(".")[0]
    return MissingExtra(f'{what} needs {name}: pip install "fastsio[uvicorn]"')


class LentTransport(asyncio.Transport):
    """The transport of a SharedConn as the protocol beside sees it, until the connection is taken back.

    Then nothing that the protocol does reaches the connection any more.
    """

    def __init__(self, conn: SharedConn) -> None:
        super().__init__()
        self._conn: SharedConn | None = conn
        self._transport = conn.transport

    def detach(self) -> None:
        self._conn = None

    def write(self, data: Any) -> None:
        if self._conn is not None:
            self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        if self._conn is not None:
            self._transport.writelines(list_of_data)

    def close(self) -> None:
        if self._conn is not None:
            self._conn.close_beside()

    def abort(self) -> None:
        if self._conn is not None:
            self._conn.abort()

    def is_closing(self) -> bool:
        return self._conn is None or self._conn.is_closed or self._transport.is_closing()

    def is_reading(self) -> bool:
        return self._conn is not None and bool(self._transport.is_reading())

    def pause_reading(self) -> None:
        if self._conn is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._conn is not None:
            self._transport.resume_reading()

    def can_write_eof(self) -> bool:
        return bool(self._transport.can_write_eof())

    def write_eof(self) -> None:
        if self._conn is not None:
            self._transport.write_eof()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._conn is not None:
            self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return int(self._transport.get_write_buffer_size())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


def beside_for(
    app: Any, app_state: dict[str, Any], connections: set[Any], trusted_proxies: Any = None
) -> "Beside":
    """uvicorn's protocols for `app` without its server; `trusted_proxies` as in Options.

    Raises MissingExtra where uvicorn is not installed.
    """
    try:
        from uvicorn.config import Config
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
        from uvicorn.server import ServerState
    except ModuleNotFoundError as error:
        raise missing_uvicorn("another application beside Socket.IO", error) from error
    # No log_config: what is logged is the program's to say, as for everything here.
    config = Config(
        app, log_config=None, lifespan="off", proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=[_as_uvicorn_has_it(proxy) for proxy in trusted_proxies or ()],
    )  # fmt: skip
    config.load()
    state = ServerState()
    state.connections = connections
    return Beside(config, state, app_state, HttpToolsProtocol)


def _as_uvicorn_has_it(proxy: Any) -> str:
    """A single address without its /32: uvicorn before 0.31 knows no networks."""
    is_address = getattr(proxy, "num_addresses", 0) == 1
    return str(proxy.network_address) if is_address else str(proxy)


class Beside:
    """Makes uvicorn's protocols. `state` is their ServerState: its connections and tasks."""

    def __init__(self, config: Any, state: Any, app_state: dict[str, Any], base: type) -> None:
        """`config` is loaded; `app_state` the lifespan's state; `base` uvicorn's class for HTTP."""
        self.state = state
        self._make = functools.partial(
            protocol_class(base), config=config, server_state=state, app_state=app_state
        )

    def lend(self, conn: SharedConn, server: Any) -> Any:
        """A protocol that has the connection until take_back(); it counts for it meanwhile."""
        protocol = self._make()
        protocol.shared_conn, protocol.shared_server = conn, server
        self.state.connections.discard(conn)
        protocol.connection_made(LentTransport(conn))
        return protocol

    def take_back(self, conn: SharedConn, protocol: Any) -> None:
        protocol.shared_conn = None
        protocol.transport.detach()
        protocol.connection_lost(None)  # lets go of its timer
        self.state.connections.add(conn)

    def give_away(self, server: Any, transport: Any, data: bytes, is_writable: bool) -> None:
        """A protocol that has the rest of a connection, which begins with `data`."""
        protocol = self._make()
        protocol.shared_server = server
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if not is_writable:
            protocol.pause_writing()
        protocol.data_received(data)


@functools.cache
def protocol_class(base: type) -> Any:
    """uvicorn's protocol class, made to tell the connection that lends itself when an answer is complete."""
    for name in ("on_response_complete", "shutdown"):
        if not hasattr(base, name):
            raise TypeError(
                f"{base!r} is no protocol of uvicorn that can share a connection: no {name}()"
            )

    class ProtocolBeside(base):  # type: ignore[misc]
        shared_conn: SharedConn | None = None
        shared_server: Any = None

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.shared_conn is not None:
                self.shared_conn.answered_beside()

        def shutdown(self) -> None:
            self.shared_server.stop()
            super().shutdown()

    return ProtocolBeside

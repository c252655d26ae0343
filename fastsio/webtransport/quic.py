"""aioquic's connections with bounds on what a peer can make them hold, and HTTP/3 without a dynamic QPACK table.

The one module that reaches into aioquic's insides: it has no other way to say how far a peer may send, and how much of
what was written is still unacknowledged. tests/unit/webtransport/test_bounds.py shows that it does.
Source: RFC 9000 4 (flow control); RFC 9204 3.2.3, 7.1.3 (QPACK's table, and what it can be made to hold).
"""

import logging
from typing import Any

import pylsqpack
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from fastsio.webtransport.settings import Settings

quic_logger = logging.getLogger("fastsio.webtransport.quic")
quic_logger.setLevel(logging.ERROR)

# What any stream but the session's own may bring in all its life: a CONNECT, HTTP/3's control streams.
OTHER_STREAM_BYTES = 65_536
# How many streams of each kind a client may have at a time: a session needs two, and HTTP/3 three.
MAX_STREAMS = 16
# RFC 9221: HTTP/3 datagrams must be there for WebTransport. What comes in them is dropped.
MAX_DATAGRAM_BYTES = 65_536
# Settings by which clients of later drafts of WebTransport than aioquic's (02) know a server: one session a connection,
# as draft 07 and drafts 13 and 14 say it. Safari 26.4 asks for the latter.
SETTINGS = {0xC671706A: 1, 0x14E9CD29: 1}


def configuration_of(settings: Settings, idle_timeout_s: float) -> QuicConfiguration:
    """The server's configuration. Raises OSError or ValueError for a certificate or key that can't be had."""
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN,
        idle_timeout=idle_timeout_s,
        max_data=settings.receive_window,
        max_stream_data=OTHER_STREAM_BYTES,
        max_datagram_frame_size=MAX_DATAGRAM_BYTES,
    )
    configuration.load_cert_chain(
        str(settings.certfile), settings.keyfile, settings.keyfile_password
    )
    return configuration


class BoundedQuic(QuicConnection):
    """A server's connection whose peer may send `window` bytes more than were taken from the session's stream.

    aioquic doubles a window whenever half of it was used, whoever has read that: after a gigabyte a peer might leave
    a hole and send a gigabyte behind it. Here a window moves on as the stream is read, and all others stay as they are.
    """

    def __init__(self, *, window: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        # By itself it warns of each connection that breaks: with a flood of them, a flood of lines.
        self._logger = logging.LoggerAdapter(quic_logger)  # type: ignore[assignment]
        self._window = window
        self._taken = 0
        self._session_stream: int | None = None
        # While True the window does not move: the client is not read.
        self.is_paused = False
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            limit.value = limit.sent = MAX_STREAMS

    # --- what comes in -----------------------------------------------------------------------

    def read_stream(self, stream_id: int) -> None:
        """This is the session's stream: its window moves."""
        self._session_stream = stream_id

    def taken(self, count: int) -> None:
        """So many bytes of the session's stream are read."""
        self._taken += count

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        limit = self._local_max_data
        limit.value = self._moved(limit.value)
        # While nothing of it counts as used, aioquic has no reason to double it.
        used, limit.used = limit.used, 0
        try:
            super()._write_connection_limits(builder, space)
        finally:
            limit.used = used

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:
        if stream.stream_id == self._session_stream:
            stream.max_stream_data_local = self._moved(stream.max_stream_data_local)
        receiver = stream.receiver
        used, receiver.highest_offset = receiver.highest_offset, 0
        try:
            super()._write_stream_limits(builder, space, stream)
        finally:
            receiver.highest_offset = used

    def _moved(self, limit: int) -> int:
        """Where a window ends now: it moves in steps of a quarter, so that few frames say so."""
        wanted = self._taken + self._window
        return limit if self.is_paused or wanted - limit < self._window // 4 else wanted

    # --- what goes out -----------------------------------------------------------------------

    def unacknowledged(self, stream_id: int) -> int:
        """Bytes written to a stream that the peer has not acknowledged."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return 0
        return int(stream.sender._buffer_stop - stream.sender._buffer_start)

    def acknowledged(self, stream_id: int) -> int:
        """Bytes of a stream that the peer has acknowledged, without gaps."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else int(stream.sender._buffer_start)

    def is_delivered(self, stream_id: int) -> bool:
        """Whether the peer has all of a stream that has ended."""
        stream = self._streams.get(stream_id)
        return stream is None or bool(stream.sender.is_finished)

    def can_write(self, stream_id: int) -> bool:
        """False once the peer wants no more of a stream, or it was reset."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sender._reset_error_code is None


class Http3(H3Connection):
    """HTTP/3 with WebTransport, for a server.

    With aioquic's table of 4,096 bytes a head of 64 KiB could name one long header 60,000 times.
    """

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic, enable_webtransport=True)

    def _init_connection(self) -> None:
        self._max_table_capacity = self._blocked_streams = 0
        self._decoder = pylsqpack.Decoder(0, 0)
        super()._init_connection()

    def _get_local_settings(self) -> dict[int, int]:
        return {**super()._get_local_settings(), **SETTINGS}

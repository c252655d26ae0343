"""picows' parser without a network.

Its protocol object is given a transport that sends nothing and the bytes of an upgrade, and then takes
frames as any asyncio.BufferedProtocol does. Needs a running loop. (Frames can't be built without its
writing them to a socket, so it is not among those that build.)
"""

import logging
import socket

from null import UPGRADE
from picows import WSAutoPingStrategy, WSListener
from picows.picows import WSProtocol


class LastFrame(WSListener):
    payload = None

    def on_ws_frame(self, transport, frame) -> None:
        self.payload = frame.get_payload_as_bytes()


class NowhereTransport:
    def __init__(self) -> None:
        self._socket = socket.socket()  # it wants to set options of one, and sends to none
        self.write = lambda data: None
        self.get_write_buffer_size = lambda: 1  # more is waiting, so that it uses write()

    def get_extra_info(self, name: str):
        return self._socket if name == "socket" else None


class PicowsReader:
    def __init__(self, max_frame_bytes: int) -> None:
        self.listener = LastFrame()
        self._protocol = WSProtocol(
            None, None,
            is_client_side=False, ws_listener_factory=lambda request: self.listener,
            logger=logging.getLogger("picows"), disconnect_on_exception=False, websocket_handshake_timeout=None,
            enable_auto_ping=False, auto_ping_idle_timeout=1, auto_ping_reply_timeout=1,
            auto_ping_strategy=WSAutoPingStrategy.PING_WHEN_IDLE, enable_auto_pong=True,
            max_frame_size=max_frame_bytes, extra_headers=None, read_buffer_init_size=65536,
        )  # fmt: skip
        self._protocol.connection_made(NowhereTransport())
        self.feed(UPGRADE)

    def feed(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            room = self._protocol.get_buffer(-1)
            piece = data[at : at + len(room)]
            room[: len(piece)] = piece
            self._protocol.buffer_updated(len(piece))
            at += len(piece)

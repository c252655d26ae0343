"""WebSocket handshakes that are refused, odd ones that must succeed, and probes of a polling session.

Source: RFC 6455 4.2, 4.4; engine.io 6.6 with ws 8 on Node 20 as seen on the wire.
"""

from __future__ import annotations

from clients import packet_frame
from harness import frame_bytes
from rows import (
    BAD_REQUEST,
    NOT_HTTP,
    OPENS,
    UPGRADED,
    WAITING,
    WEBSOCKET,
    Answer,
    HttpRow,
    ProbeRow,
    accepted,
    upgrade_refused,
)
from wire import WEBSOCKET_KEY, get, upgrade

WS = "EIO=4&transport=websocket"
PROBE = f"{WS}&sid={{sid}}"
CLOSED = b"\x88\x00"
QUIRK = "the official server writes 101 first and then the refusal into the socket"
BAD_KEY = upgrade_refused("Missing or invalid Sec-WebSocket-Key header")
BAD_WS_VERSION = upgrade_refused(
    "Missing or invalid Sec-WebSocket-Version header",
    "426 Upgrade Required",
    **{"sec-websocket-version": "13"},
)
WS_400 = (
    "the official server answers 400 and takes 8 too (RFC 6455 4.4: 426 with the versions spoken)"
)
DECLINED = "the official server answers 400 (RFC 6455 9.1 lets us decline the offer and go on)"
NO_404 = "the official server leaves unknown paths to the application, which has nothing there"
REFUSED_VERSION = upgrade_refused("Unsupported protocol version")

REFUSED = [
    HttpRow("no transport", upgrade("EIO=4"), upgrade_refused("Transport unknown")),
    HttpRow(
        "an unknown transport", upgrade("EIO=4&transport=x"), upgrade_refused("Transport unknown")
    ),
    HttpRow(
        "webtransport does not come as a WebSocket",
        upgrade("EIO=4&transport=webtransport"),
        upgrade_refused("Transport unknown"),
    ),
    HttpRow("a sid that never was", upgrade(f"{WS}&sid=x"), upgrade_refused("Session ID unknown")),
    HttpRow("no protocol version", upgrade("transport=websocket"), REFUSED_VERSION, differs=QUIRK),
    HttpRow(
        "protocol version 3", upgrade("EIO=3&transport=websocket"), REFUSED_VERSION, differs=QUIRK
    ),
    HttpRow(
        "protocol version 5", upgrade("EIO=5&transport=websocket"), REFUSED_VERSION, differs=QUIRK
    ),
    HttpRow(
        "another protocol version than the session's",
        upgrade("EIO=3&transport=websocket&sid={sid}"),
        upgrade_refused("Bad request"),
        WAITING,
    ),
    HttpRow(
        "POST",
        upgrade(WS, "Content-Length: 0", method="POST"),
        upgrade_refused("Bad handshake method"),
    ),
    HttpRow("polling does not upgrade", upgrade("EIO=4&transport=polling"), accepted(CLOSED)),
    HttpRow(
        "a second connection for an upgraded session is closed, the session lives",
        upgrade(PROBE),
        accepted(CLOSED),
        UPGRADED,
    ),
    HttpRow(
        "a second connection for a session that began on WebSocket is closed",
        upgrade(PROBE),
        accepted(CLOSED),
        WEBSOCKET,
        differs="the official server takes it for a probe, which ends after upgradeTimeout",
    ),
    HttpRow("no key", upgrade(WS, without="Sec-WebSocket-Key"), BAD_KEY),
    HttpRow(
        "an empty key", upgrade(WS, "Sec-WebSocket-Key:", without="Sec-WebSocket-Key"), BAD_KEY
    ),
    HttpRow(
        "a key of 15 bytes",
        upgrade(WS, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub24=", without="Sec-WebSocket-Key"),
        BAD_KEY,
    ),
    HttpRow(
        "a key that is not base64",
        upgrade(WS, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25!ZQ==", without="Sec-WebSocket-Key"),
        BAD_KEY,
    ),
    HttpRow(
        "two keys",
        upgrade(WS, "Sec-WebSocket-Key: " + WEBSOCKET_KEY),
        BAD_KEY,
    ),
    HttpRow(
        "no WebSocket version",
        upgrade(WS, without="Sec-WebSocket-Version"),
        BAD_WS_VERSION,
        differs=WS_400,
    ),
    HttpRow(
        "WebSocket version 12",
        upgrade(WS, "Sec-WebSocket-Version: 12", without="Sec-WebSocket-Version"),
        BAD_WS_VERSION,
        differs=WS_400,
    ),
    HttpRow(
        "WebSocket version 8, a draft's",
        upgrade(WS, "Sec-WebSocket-Version: 8", without="Sec-WebSocket-Version"),
        BAD_WS_VERSION,
        differs=WS_400,
    ),
    HttpRow(
        "WebSocket version that is no number",
        upgrade(WS, "Sec-WebSocket-Version: new", without="Sec-WebSocket-Version"),
        BAD_WS_VERSION,
        differs=WS_400,
    ),
    HttpRow("no Upgrade header", upgrade(WS, without="Upgrade"), BAD_REQUEST),
    HttpRow("no Connection header", upgrade(WS, without="Connection"), BAD_REQUEST),
    HttpRow(
        "Connection without the token Upgrade",
        upgrade(WS, "Connection: keep-alive", without="Connection"),
        BAD_REQUEST,
    ),
    HttpRow(
        "a list of protocols to upgrade to",
        upgrade(WS, "Upgrade: websocket, h2c", without="Upgrade"),
        upgrade_refused("Invalid Upgrade header"),
    ),
    HttpRow("a malformed header", upgrade(WS, "Sec WebSocket: x"), NOT_HTTP),
    HttpRow(
        "no Host",
        upgrade(WS).replace(b"Host: 127.0.0.1\r\n", b""),
        NOT_HTTP,
        differs="the official server asks only plain requests for Host (RFC 9112 3.2: must be 400)",
    ),
    HttpRow(
        "a path of nobody",
        upgrade(WS).replace(b"/socket.io/", b"/chat/"),
        Answer("404 Not Found", b"Not Found", "text/plain; charset=utf-8"),
        differs=NO_404,
    ),
]

SERVED = [
    HttpRow("a plain handshake", upgrade(WS), accepted(OPENS)),
    HttpRow(
        "Connection as Firefox sends it",
        upgrade(WS, "Connection: keep-alive, Upgrade", without="Connection"),
        accepted(OPENS),
    ),
    HttpRow(
        "Connection without blanks and in capitals",
        upgrade(WS, "CONNECTION: Keep-Alive,UPGRADE", without="Connection"),
        accepted(OPENS),
    ),
    HttpRow(
        "Upgrade in camel case, as old browsers send it",
        upgrade(WS, "Upgrade: WebSocket", without="Upgrade"),
        accepted(OPENS),
    ),
    HttpRow(
        "header names in lower case, as HTTP/2 gateways write them",
        upgrade(WS).replace(b"Sec-WebSocket", b"sec-websocket").replace(b"Upgrade:", b"upgrade:"),
        accepted(OPENS),
    ),
    HttpRow(
        "HTTP/1.0, as some old proxies forward it",
        upgrade(WS).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        accepted(OPENS),
    ),
    HttpRow("an empty sid opens a session", upgrade(f"{WS}&sid="), accepted(OPENS)),
    HttpRow(
        "compression that is offered is declined",
        upgrade(WS, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        accepted(OPENS, sec_websocket_extensions=None),
    ),
    HttpRow(
        "an extension of nobody is declined",
        upgrade(WS, "Sec-WebSocket-Extensions: x-webkit-deflate-frame"),
        accepted(OPENS, sec_websocket_extensions=None),
    ),
    HttpRow(
        "an offer with impossible parameters is declined",
        upgrade(WS, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"),
        accepted(OPENS, sec_websocket_extensions=None),
    ),
    HttpRow(
        "an offer that is no list of extensions is declined",
        upgrade(WS, 'Sec-WebSocket-Extensions: ;;="'),
        accepted(OPENS, sec_websocket_extensions=None),
    ),
    HttpRow(
        "of the subprotocols the first is chosen",
        upgrade(WS, "Sec-WebSocket-Protocol: chat, superchat"),
        accepted(OPENS, sec_websocket_protocol="chat"),
    ),
    HttpRow(
        "the absolute form that goes to proxies",
        upgrade(WS).replace(b"GET ", b"GET http://example.org", 1),
        accepted(OPENS),
        differs="the official server compares the raw target with its path (RFC 9112 3.2.2: must accept)",
    ),
    HttpRow(
        "a handshake behind a request on the same connection",
        get("transport=x") + upgrade(WS),
        (Answer("400 Bad Request", b'{"code":0,"message":"Transport unknown"}'), accepted(OPENS)),
    ),
]


def _text(text: str) -> bytes:
    return packet_frame(text)


PONG = b"\x81\x063probe"
PROBES = [
    ProbeRow("a probe and the upgrade", _text("2probe") + _text("5"), PONG, upgrades=True),
    ProbeRow("the upgrade without a probe", _text("5"), b"", upgrades=True),
    ProbeRow(
        "a probe twice", _text("2probe") + _text("2probe") + _text("5"), PONG * 2, upgrades=True
    ),
    ProbeRow("a message before the upgrade closes the probe", _text('42["say",1]'), CLOSED),
    ProbeRow(
        "a message after the probe closes it", _text("2probe") + _text('42["say",1]'), PONG + CLOSED
    ),
    ProbeRow("a ping without the word probe closes the probe", _text("2"), CLOSED),
    ProbeRow("a ping with another word closes the probe", _text("2prove"), CLOSED),
    ProbeRow("a binary message closes the probe", packet_frame(b"\x01"), CLOSED),
    ProbeRow("a noop closes the probe", _text("6"), CLOSED),
    ProbeRow("an unknown packet closes the probe", _text("9"), CLOSED),
    ProbeRow("an empty message closes the probe", _text(""), CLOSED),
    ProbeRow("a frame without a mask closes the probe", b"\x81\x062probe", b"\x88\x02\x03\xea"),
    ProbeRow("a reserved opcode closes the probe", frame_bytes(0x3), b"\x88\x02\x03\xea"),
    ProbeRow("broken UTF-8 closes the probe", frame_bytes(0x1, b"2\xff"), b"\x88\x02\x03\xef"),
    ProbeRow("leaving closes the probe", frame_bytes(0x8, b"\x03\xe8"), b"\x88\x02\x03\xe8"),
]

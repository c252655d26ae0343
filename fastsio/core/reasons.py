"""Why a client went, in the words of either API: Node's inside and in the IO style, python-socketio's in its own."""


class Reason:
    """What a `disconnect(sid, reason)` handler gets; python-socketio's names and words."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


# Node's words for what python-socketio names otherwise.
_OTHER_WORDS = {
    "client namespace disconnect": Reason.CLIENT_DISCONNECT,
    "server namespace disconnect": Reason.SERVER_DISCONNECT,
    "forced close": Reason.SERVER_DISCONNECT,
    "forced server close": Reason.SERVER_DISCONNECT,
    "server shutting down": Reason.SERVER_DISCONNECT,
    "parse error": Reason.TRANSPORT_ERROR,
}


def python_reason(reason: str, said_goodbye: bool = False) -> str:
    """Node's reason in python-socketio's words; what both call the same, and what is new, as it is.

    `said_goodbye`: the client closed its session with a packet, which Node does not tell from a lost connection.
    """
    if said_goodbye and reason == Reason.TRANSPORT_CLOSE:
        return Reason.CLIENT_DISCONNECT
    return _OTHER_WORDS.get(reason, reason)

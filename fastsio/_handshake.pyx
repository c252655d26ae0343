"""The opening handshake of a WebSocket: what a request asks for, and the answer to it.

Pure: a Request in, bytes out. Source: RFC 6455 4.2 (server's opening handshake).
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcmp

from fastsio._http cimport Field, Request, is_named, read_field

cdef extern from "accept.h":
    Py_ssize_t FASTSIO_KEY_BYTES
    Py_ssize_t FASTSIO_ACCEPT_BYTES
    bint fastsio_is_key(const char* key) noexcept
    void fastsio_accept(const char* key, char* out) noexcept

cdef bytes SWITCH_HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)


cpdef bytes switch_head(headers, bytes accept):
    """The response that opens a WebSocket."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1") if headers else b""
    return b"".join((SWITCH_HEAD, accept, b"\r\n", lines, b"\r\n"))


cpdef list chosen_protocol(Request request):
    """The header that accepts the first subprotocol offered, as Node's server does; none if none is."""
    cdef bytes offered = request.header_("sec-websocket-protocol", 22)
    first = offered.decode("latin-1").partition(",")[0].strip() if offered else ""
    return [("Sec-WebSocket-Protocol", first)] if first else []


cpdef accept_key(Request request):
    """The Sec-WebSocket-Accept for a request, or why there is none: (status, text, headers).

    RFC 6455 4.2.1 for what is checked, 4.4 for the version; extensions offered are declined.
    """
    cdef Field key, upgrade, version
    cdef const char* end = PyBytes_AS_STRING(request.head) + len(request.head)
    cdef Field field
    cdef int keys = 0, upgrades = 0, versions = 0
    cdef bytes accept
    cdef const char* p = read_field(request.first_field(), end, &field)
    key.value = upgrade.value = version.value = NULL
    key.value_size = upgrade.value_size = version.value_size = 0
    while p != NULL:  # once for all three; a repeated one is none
        if is_named(&field, "upgrade", 7):
            upgrade = field
            upgrades += 1
        elif is_named(&field, "sec-websocket-key", 17):
            key = field
            keys += 1
        elif is_named(&field, "sec-websocket-version", 21):
            version = field
            versions += 1
        p = read_field(p, end, &field)
    if upgrades != 1 or upgrade.value[:upgrade.value_size].lower() != b"websocket":
        return 400, "Invalid Upgrade header", []
    if keys != 1 or key.value_size != FASTSIO_KEY_BYTES or not fastsio_is_key(key.value):
        return 400, "Missing or invalid Sec-WebSocket-Key header", []
    if versions != 1 or version.value_size != 2 or memcmp(version.value, b"13", 2) != 0:
        return 426, "Missing or invalid Sec-WebSocket-Version header", [("Sec-WebSocket-Version", "13")]
    accept = PyBytes_FromStringAndSize(NULL, FASTSIO_ACCEPT_BYTES)
    fastsio_accept(key.value, PyBytes_AS_STRING(accept))
    return accept

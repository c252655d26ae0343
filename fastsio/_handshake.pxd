"""C interface of _handshake."""
from fastsio._http cimport Request


cpdef bytes switch_head(headers, bytes accept)
cpdef list chosen_protocol(Request request)
cpdef accept_key(Request request)

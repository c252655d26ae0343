"""Ids of sessions and sockets: random, and as long as Node's.

Whoever knows a session's id can speak as its client, so they come from os.urandom(). That is asked for many at
once: the system call for each would cost more than all the rest that makes an id.
"""
import os

from cpython.bytes cimport PyBytes_AS_STRING

cdef enum:
    ID_BYTES = 15
    ID_CHARACTERS = 20  # adapters tell private rooms by that length

IDS_AT_ONCE = 256

cdef const char* ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
cdef bytes drawn = b""
cdef Py_ssize_t used = 0


cpdef str new_id():
    """20 characters of base64url: 120 random bits."""
    global drawn, used
    cdef char text[ID_CHARACTERS]
    cdef const unsigned char* p
    cdef unsigned int three
    cdef int i
    if used == len(drawn):
        drawn = os.urandom(ID_BYTES * IDS_AT_ONCE)
        used = 0
    p = <const unsigned char*> PyBytes_AS_STRING(drawn) + used
    used += ID_BYTES
    for i in range(0, ID_CHARACTERS, 4):
        three = (p[0] << 16) | (p[1] << 8) | p[2]
        text[i] = ALPHABET[three >> 18]
        text[i + 1] = ALPHABET[(three >> 12) & 63]
        text[i + 2] = ALPHABET[(three >> 6) & 63]
        text[i + 3] = ALPHABET[three & 63]
        p += 3
    return text[:ID_CHARACTERS].decode("ascii")


def forget_drawn() -> None:
    """Draw anew for the next id."""
    global drawn, used
    drawn, used = b"", 0


# Else parent and child would give out the same ids.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_drawn)

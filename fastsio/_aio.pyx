"""The compiled base of AsyncServer: emit(), which most applications call more often than anything else.

A coroutine like python-socketio's: nothing is sent before it is awaited or made a task. Written in Python
it cost 80 ns more, of 240 (Python 3.11); the plain call that would cost 70 ns less is no coroutine
function, and frameworks run such callables in threads. Knows sids only as names of rooms.
"""
import logging

from cpython.pythread cimport PyThread_get_thread_ident

from fastsio._dispatch cimport NamespaceBase

from fastsio.logged import short_ids

logger = logging.getLogger("fastsio.core")


cdef class AsyncServerBase:
    """`root` is the namespace "/", `hub` has the others. `is_traced`: emits are noted in the log."""

    cdef readonly object hub
    cdef NamespaceBase root
    cdef bint is_traced

    def __init__(self, hub):
        self.hub = hub
        self.root = hub.root
        self.is_traced = hub.is_traced

    async def emit(
        self, event, data=None, to=None, room=None, skip_sid=None, namespace=None, callback=None, ignore_queue=False
    ):
        """Send an event to a sid or room (`to` or `room`: one or a list), or to everyone.

        data: None for no argument, a tuple for several. skip_sid: a sid or several to leave out. An empty
        list reaches nobody. `callback(*values)` is called with each recipient's answer. Packets to a client
        keep the order of the calls. Raises TypeError for what JSON can't hold, ValueError for a reserved name.
        May be awaited in any thread. `ignore_queue`: to clients of this server alone.
        """
        if self.root.home != <unsigned long> PyThread_get_thread_ident() and self.root.home != 0:
            return await self.hub.hand_over(
                self.emit(event, data, to, room, skip_sid, namespace, callback, ignore_queue)
            )
        if self.is_traced:
            whom = short_ids(to or room) if to or room else "all"
            logger.info("emit of %r to %s in %r", event, whom, namespace or "/")
        cdef NamespaceBase target = self.root if namespace is None else self.hub.get(namespace)
        if target is None or ignore_queue is not False:  # unlikely
            self.emit_apart(event, data, room if to is None else to, skip_sid, namespace, callback, ignore_queue)
        elif data is None:
            target.emit_to_([event], room if to is None else to, skip_sid, callback)
        elif isinstance(data, tuple):
            target.emit_to_([event, *data], room if to is None else to, skip_sid, callback)
        else:
            target.emit_to_([event, data], room if to is None else to, skip_sid, callback)

    cdef object emit_apart(self, event, data, room, skip, namespace, callback, is_local):
        """emit() to a namespace that is not here, or to clients here alone."""
        args = [event] if data is None else [event, *data] if isinstance(data, tuple) else [event, data]
        self.hub.emit_apart(namespace or "/", args, room, skip, callback, bool(is_local))

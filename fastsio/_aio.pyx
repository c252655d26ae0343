"""The compiled base of AsyncServer: emit(), which most applications call more often than anything else.

A coroutine like python-socketio's: nothing is sent before it is awaited or made a task. Written in Python
it cost 80 ns more, of 240 (Python 3.11); the plain call that would cost 70 ns less is no coroutine
function, and frameworks run such callables in threads. Knows sids only as names of rooms.
"""
from fastsio._codec cimport check_event_name
from fastsio._dispatch cimport NamespaceBase


cdef class AsyncServerBase:
    """`root` is the namespace "/", `hub` has the others."""

    cdef readonly object hub
    cdef NamespaceBase root

    def __init__(self, hub):
        self.hub = hub
        self.root = hub.root

    async def emit(self, event, data=None, to=None, room=None, skip_sid=None, namespace=None, callback=None):
        """Send an event to a sid or room (`to` or `room`: one or a list), or to everyone.

        data: None for no argument, a tuple for several. skip_sid: a sid or several to leave out. An empty
        list reaches nobody. `callback(*values)` is called with each recipient's answer. Packets to a client
        keep the order of the calls. Raises TypeError for what JSON can't hold, ValueError for a reserved name.
        """
        cdef NamespaceBase target = self.root if namespace is None else self.hub.get(namespace)
        if target is None:
            check_event_name(event)
        elif data is None:
            target.emit_to([event], room if to is None else to, skip_sid, callback)
        elif isinstance(data, tuple):
            target.emit_to([event, *data], room if to is None else to, skip_sid, callback)
        else:
            target.emit_to([event, data], room if to is None else to, skip_sid, callback)

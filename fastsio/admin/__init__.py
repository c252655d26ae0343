"""instrument(): a server as the Socket.IO Admin UI sees it. Nothing is replaced: the core tells an observer.

Admins join a namespace of their own, are told what happens there and elsewhere, and may ask for it.
"""

from fastsio.admin.instrumented import InstrumentedAsyncServer, InstrumentedServer

__all__ = ["InstrumentedAsyncServer", "InstrumentedServer"]

"""Socket.IO: the one core under both API styles.

Peers, sockets, namespaces, rooms, acks. Knows nothing of HTTP, of transports or of the engine's sessions
beyond the layouts of _fanout.
"""

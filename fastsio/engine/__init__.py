"""Engine.IO: sessions over long-polling and WebSocket, and the way from one to the other.

Knows nothing of Socket.IO: messages go to the handler that the EngineHandler port gives each session.
"""

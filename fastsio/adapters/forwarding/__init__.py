"""Requests that reach the wrong server go to the one that has their session (the option `forward`).

| module | |
|---|---|
| settings | Forwarding: what may be on its way |
| forwarder | requests of clients that poll, by Redis |
| relay | a connection that becomes a WebSocket, as bytes between its client and that server |
"""

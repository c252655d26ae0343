"""Clients that come back to any server, where a Redis stream joins them (connection_state_recovery).

| module | |
|---|---|
| adapter | RecoveringAdapter: a namespace whose clients may come back |
| stream | StreamRecovery: how far this server has read the stream, and who comes back |
| in_flight | what it has written to the stream and not read there yet |
| sessions | what a session of a client is in Redis |
"""

"""A server's connections to Redis, whatever they are for. Knows nothing of Socket.IO, nor of what its servers share.

| module | |
|---|---|
| url | clients of redis-py by a URL: Redis, Valkey, Sentinels |
| link | RedisLink: commands go out in order, messages of channels come in, lost connections come back |
| cluster | ClusterLink: a Redis cluster as one link |
| queue | what waits to be sent |
| calls | commands whose answers are wanted |
| wire | a connection, read and written by hiredis |
| reach | whether what is published reaches all servers |
| ending | tasks that end for good |
"""

"""Servers of Node and of fastsio joined by Redis, in the three formats of Node's adapters. Needs the extra `redis`.

| module | |
|---|---|
| classic | RedisAdapter, as @socket.io/redis-adapter |
| sharded | ShardedRedisAdapter, as its sharded adapter |
| streams | RedisStreamsAdapter, as @socket.io/redis-streams-adapter |
| stream_reader | reading a stream on from where it was left |
| bus | what the three have in common |
"""
